//! Nodes that speak the Maelstrom protocol, on one hand-rolled event loop.

pub mod node;
pub mod protocol;
pub mod session;
pub mod task;
pub mod time;
pub mod wire;

pub use node::{Context, Node, Request};
pub use protocol::{Error, ErrorCode, Result};
