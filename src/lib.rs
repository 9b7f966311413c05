//! Nodes that speak the Maelstrom protocol, on one hand-rolled event loop.

pub mod time;
