//! Nodes that speak the Maelstrom protocol, on one hand-rolled event loop.

pub mod protocol;
pub mod task;
pub mod time;
pub mod wire;

pub use protocol::{Error, ErrorCode, Result};
