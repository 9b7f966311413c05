//! A simulated kernel: descriptors, pipes, sockets, an edge-triggered epoll and
//! time, all in memory, with faults drawn from one seed.
//!
//! The code of a process calls it through `Descriptor` and `Poller`. Programs at
//! the other ends of its pipes and connections are [`Actor`]s. Between them time
//! passes, and everything that travels is on the agenda:
//!
//! ```text
//!   the process                                            actors
//!      │ read, write, accept, …   ┌────────────────────┐      │ peer_read,
//!      ├────────────────────────> │ files and channels │ <────┤ peer_write, …
//!      │                          └─────────┬──────────┘      │
//!      │ epoll_wait               ┌─────────v──────────┐      │
//!      ├────────────────────────> │ agenda: bytes,     │ ─────┘ act
//!      │       <── edges ──────── │ ends, resets, acts │
//!      │                          └────────────────────┘
//!      └─ each call lets time pass, and what is due by then happens
//! ```
//!
//! # Invariants
//!
//! - **A fault breaks no promise of Linux.** Otherwise the loop would be blamed for
//!   believing the manual pages. A short read of a stream is bytes that arrive
//!   later, with an edge. A short write is room that returns later, with an edge.
//! - **The kernel without faults behaves like Linux.** Each test in `tests.rs` runs
//!   on this kernel and on the real one.
//! - **A seed replays exactly.** All randomness comes from [`Kernel::new`] and
//!   [`Faults`], and all time is simulated. [`trace`] compares two runs.
//! - **The world moves between any two calls**, not only while the process waits.
//!   A reply can arrive between the wait and the reading of the clock.
//! - **Nothing waits in silence.** A call that would block the thread, and a wait
//!   that nothing will end, are recorded as violations, and the run fails.
//!
//! # Reading order
//!
//! 1. [`mod@file`]: descriptors, files, and the states of a socket.
//! 2. [`channel`]: bytes on their way from one file to another.
//! 3. [`watches`]: what epoll remembers; here is what "edge-triggered" means.
//! 4. [`agenda`]: what will happen by itself.
//! 5. [`state`]: all of these together, and the passage of time.
//! 6. [`readiness`], then [`calls`], [`sockets`] and [`epoll`]: the system calls.
//! 7. [`network`]: connections. [`peer`]: what actors do.
//! 8. [`faults`] and [`pauses`]: what goes wrong, and how often.
//! 9. [`thread`]: how a thread finds its kernel. [`trace`]: what it did.
//!
//! A file uses those above it in this list, `faults`, `pauses` and `trace`, and no
//! other. All calls are methods of the one type [`Kernel`], in a file for each
//! subject.
//!
//! # Models
//!
//! FoundationDB swaps its network behind an interface that is found through a global
//! variable. TigerBeetle makes its message bus generic over its I/O. madsim swaps
//! whole crates with a compiler flag. Here the flag is `cfg(any(test, feature =
//! "lab"))` and the interface is two types. The cut is lower than in the others:
//! the loop's own reads and writes run above it, since they are what is tested.

mod agenda;
mod calls;
mod channel;
mod epoll;
mod faults;
mod file;
mod network;
mod pauses;
mod peer;
mod readiness;
#[cfg(any(test, feature = "microscope"))]
mod snapshot;
mod sockets;
mod state;
#[cfg(test)]
mod tests;
mod thread;
mod trace;
mod watches;

pub(crate) use faults::{Fault, Faults};
pub(crate) use file::{ActorId, FileId};
pub(crate) use peer::{Received, Shape};
#[cfg(any(test, feature = "microscope"))]
pub(crate) use snapshot::FileSnapshot;
pub(crate) use state::{Actor, Kernel};
pub(crate) use thread::{KernelClock, install, is_installed, uninstall, with, with_if_possible};
#[cfg(any(test, feature = "microscope"))]
pub(crate) use trace::Call;
