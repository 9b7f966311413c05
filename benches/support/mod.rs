//! Shared code of the benches: a session in memory, and the real binary as a process.
#![allow(dead_code, reason = "each bench uses a part of it")]

pub(crate) mod memory;
pub(crate) mod process;
