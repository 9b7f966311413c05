//! What the benches share: a node in memory, and the real one as a process.
//!
//! Each bench uses a part of it.
#![allow(dead_code)]

pub(crate) mod memory;
pub(crate) mod process;
