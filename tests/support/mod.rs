//! What the tests of the real binary share: a driver for one node process.
//!
//! A test speaks to the node exactly as Maelstrom would, through file
//! descriptors, and waits only on events: a line, an end of file, an exit.
//! Where nothing happens for [`PATIENCE`] the test fails and tells what it saw.

// Each test binary compiles this module for itself and uses its own part of it.
#![allow(dead_code, unused_imports)]

mod channel;
mod message;
mod node;
mod numbers;
mod process;
mod stream;

pub(crate) use channel::{Channel, End, scratch_file};
pub(crate) use message::{INIT, assert_body, assert_error, client, message, number_after};
pub(crate) use node::{Ending, Launch, Node};
pub(crate) use numbers::Numbers;
pub(crate) use process::{Process, affordable};

use std::time::{Duration, Instant};

/// How long nothing at all may happen before a test gives up. Far beyond what
/// a busy machine needs; no test passes or fails by it otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until `condition` holds, for facts that the kernel
/// offers no event for (the table of open files of another process).
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "gave up waiting until {what}");
        std::thread::yield_now();
    }
}
