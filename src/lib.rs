//! Nodes that speak the Maelstrom protocol, on one hand-rolled event loop.

pub mod node;
pub mod protocol;
mod random;
mod reactor;
mod runtime;
pub mod session;
pub mod sim;
mod sys;
pub mod task;
mod tcp;
pub mod time;
pub mod wire;

pub use node::{Backoff, Call, Context, Kv, Node, Reply, Request, Tso, TypedCall};
pub use protocol::{Error, ErrorCode, Result};
pub use random::Random;
pub use runtime::{Options, run, run_with};
