//! Nodes that speak the Maelstrom protocol, on one hand-rolled event loop.

pub mod time;

#[allow(dead_code, unused_imports)]
mod reactor;
#[allow(dead_code, unused_imports)]
mod sys;
#[allow(dead_code, unused_imports)]
mod tcp;
