//! A session: a whole node, minus file descriptors.
//!
//! Lines and the passing of time go in; bytes, deadlines and operations on
//! sockets come out. Nothing here asks the operating system for anything, so a
//! session on a virtual clock replays exactly. quinn-proto and h2 are built
//! like this; theirs is the idea that two of them can talk inside one test.

mod host;
mod session;

pub use crate::node::{Operation, OperationId, Outcome, Settings, TcpEchoStats, Usage};
pub use host::TASKS_MAX;
pub use session::Session;
