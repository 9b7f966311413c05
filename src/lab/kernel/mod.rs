//! A simulated kernel, for tests: descriptors, pipes, sockets, an edge-triggered
//! epoll and time, all in memory, and every fault that the real one may answer
//! with, drawn from one seed.
//!
//! ```text
//!   runtime, tcp, reactor, sys::{Input, Output, socket}    unchanged
//!   ---------------------------------------------------    the seam
//!   Descriptor (calls)     Poller (epoll)     Clock
//!        │                     │                │
//!        └─────────── Kernel, one a thread ─────┘ <── actors: whoever is at the
//!                                                     other end of the pipes
//! ```
//!
//! FoundationDB swaps its network behind one interface that is found through a
//! global; TigerBeetle makes its message bus generic over its I/O; madsim swaps
//! whole crates with a flag of the compiler. Here the flag is `cfg(test)` and the
//! interface is two types, so that no signature above them says anything of it;
//! and the cut is below the loop's own reads and writes, where FoundationDB's and
//! madsim's run above them, since those reads and writes are what is tested.
//!
//! A fault never breaks what the kernel promises, or else the loop would be
//! blamed for believing the manual: a short read of a stream is bytes that arrive
//! later, with an edge; a short write is room that comes back later, with an
//! edge. The tests in `tests.rs` run on this kernel and on the real one.
//!
//! Time passes with each call and in each wait, and what the actors do happens in
//! between, also between two calls of one turn.

mod calls;
mod channel;
mod epoll;
mod faults;
mod network;
mod pauses;
mod peer;
mod sockets;
mod state;
#[cfg(test)]
mod tests;
mod trace;

pub(crate) use faults::{Fault, Faults};
pub(crate) use peer::{Received, Shape};
pub(crate) use state::{Actor, ActorId, FileId, Kernel};

use crate::time::{Clock, Instant};
use std::cell::RefCell;

thread_local! {
    /// What this thread runs on; the real kernel when there is none.
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
}

/// Puts this thread on `kernel`.
pub(crate) fn install(kernel: Kernel) {
    KERNEL.set(Some(kernel));
}

/// Puts this thread back on the real kernel.
pub(crate) fn uninstall() -> Option<Kernel> {
    KERNEL.take()
}

pub(crate) fn is_installed() -> bool {
    KERNEL.with_borrow(Option::is_some)
}

/// What `call` does on this thread's simulated kernel.
///
/// # Panics
/// When there is none: a simulated descriptor has outlived its kernel.
pub(crate) fn with<R>(call: impl FnOnce(&mut Kernel) -> R) -> R {
    KERNEL.with_borrow_mut(|kernel| match kernel {
        Some(kernel) => call(kernel),
        None => panic!("this thread runs on no simulated kernel"),
    })
}

/// As `with`, for destructors, which also run when the kernel itself has failed.
pub(crate) fn with_if_possible(call: impl FnOnce(&mut Kernel)) {
    KERNEL.with(|kernel| {
        if let Ok(mut kernel) = kernel.try_borrow_mut()
            && let Some(kernel) = &mut *kernel
        {
            call(kernel);
        }
    });
}

/// The simulated kernel's clock.
#[derive(Debug)]
pub(crate) struct KernelClock;

impl Clock for KernelClock {
    fn now(&self) -> Instant {
        with(Kernel::read_clock)
    }
}
