//! Machinery for tests and for teaching: a simulated kernel, and the event loop on it.
//!
//! This room is compiled for the unit tests, and for `--features lab`. No node
//! needs it, and a build without the feature does not contain it.
//!
//! The real reactor, sockets, streams and event loop run on the simulated kernel
//! unchanged. Two types make that possible. Where this room is compiled,
//! [`Descriptor`] stands in the place of `sys`'s own, and [`Poller`] in the place
//! of the reactor's. Both are enums: their real variant passes each call on to the
//! real kernel, their simulated variant asks the kernel of this thread.
//!
//! ```text
//!   runtime, tcp, reactor, sys::{Input, Output, socket}      unchanged
//!   -------------------------------------------------------  the seam
//!   lab::Descriptor (calls)    lab::Poller (epoll)    Clock
//!      │          │               │         │
//!     Real     Simulated        Real    Simulated
//!      │          └───── lab::kernel ───────┘
//!   sys::descriptor            reactor::poller
//! ```
//!
//! A thread without a simulated kernel therefore behaves like a build without this
//! room: a program built with `--features lab` runs on the real kernel.

mod descriptor;
mod draw;
mod injected;
mod kernel;
mod poller;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod turn_bounds;

pub use injected::{Account, Failure, run};

pub(crate) use descriptor::Descriptor;
pub(crate) use kernel::Shape;
pub(crate) use poller::{Poller, Waker};
