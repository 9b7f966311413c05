//! The lab: machinery for tests and for teaching. A simulated kernel, and the event
//! loop on it.
//!
//! This room is compiled for the unit tests, and with the feature `lab`. No node
//! needs it, and a build without the feature does not contain it.
//!
//! The reactor, the sockets, the standard streams and the event loop run on the
//! simulated kernel unchanged. Two types make that possible. Where this room is
//! compiled, `Descriptor` stands in the place of `sys`'s own, and `Poller` in the
//! place of the reactor's. A `Real` one passes each call on to the real kernel, a
//! `Simulated` one to the kernel of its thread.
//!
//! ```text
//!   runtime, tcp, reactor, sys::{Input, Output, socket}        unchanged
//!   ────────────┬─────────────────────────┬──────────────────  the seam
//!         lab::Descriptor            lab::Poller         Clock
//!          │          │               │        │           │
//!        Real     Simulated       Simulated   Real     KernelClock
//!          │          └───────┬───────┘        │           │
//!   sys::descriptor      lab::kernel    reactor::poller    │
//!                             └────────────────────────────┘
//! ```
//!
//! # Invariants
//!
//! - A thread without a simulated kernel behaves like a build without this room. So
//!   a program that is built with the feature runs on the real kernel.
//! - Other rooms name this one only in items under the same `cfg`. A test of the
//!   architecture checks it.
//!
//! # Reading order
//!
//! 1. `descriptor` and `poller`: the seam.
//! 2. `kernel`: the simulated kernel, whose page has an order of its own.
//! 3. `injected`: the whole process on it, through faults drawn from a seed.
//!
//! Beside them are `testing`, helpers of tests on the real kernel, `turn_bounds`, a
//! test of the loop there, and `draw`, small helpers for random numbers.

mod descriptor;
mod draw;
mod injected;
mod kernel;
mod poller;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod turn_bounds;

pub use injected::{Failure, Run, run};

/// The parts of which a scenario of the microscope is made.
#[cfg(any(test, feature = "microscope"))]
pub(crate) mod scene {
    pub(crate) use super::injected::{Bell, Subject};
    pub(crate) use super::kernel::{
        Actor, ActorId, Fault, Faults, FileId, Kernel, KernelClock, Received, Shape, install,
        uninstall, with,
    };
}

pub(crate) use descriptor::Descriptor;
pub(crate) use kernel::Shape;
#[cfg(any(test, feature = "microscope"))]
pub(crate) use kernel::{Call, FileSnapshot, is_installed as is_simulated};
pub(crate) use poller::{Poller, Waker};

/// The file behind a descriptor of this thread's simulated kernel.
#[cfg(any(test, feature = "microscope"))]
pub(crate) fn look_at(fd: std::os::fd::RawFd) -> Option<FileSnapshot> {
    kernel::with(|kernel| kernel.snapshot(fd))
}

/// Whether two descriptors of this thread's simulated kernel lead to one file.
#[cfg(any(test, feature = "microscope"))]
pub(crate) fn is_same_file(one: std::os::fd::RawFd, other: std::os::fd::RawFd) -> bool {
    kernel::with(|kernel| kernel.is_same_file(one, other))
}

/// The calls on this thread's simulated kernel since the last time.
#[cfg(any(test, feature = "microscope"))]
pub(crate) fn take_calls() -> Vec<Call> {
    kernel::with(kernel::Kernel::take_calls)
}

/// The time on this thread's simulated kernel. Unlike a clock, it lets no time pass.
#[cfg(any(test, feature = "microscope"))]
pub(crate) fn simulated_now() -> crate::time::Instant {
    kernel::with(|kernel| kernel.now())
}
