//! Shared code of the tests that run the real binary: a driver for one node process.
//!
//! A test exchanges lines with the node through file descriptors, as Maelstrom does.
//! It waits only for events: a line, an end of file, an exit. If there is no event for
//! [`PATIENCE`], the test fails and prints the last lines.

// Each test binary compiles its own copy of this module and uses a part of it.
#![allow(dead_code, unused_imports)]

mod channel;
mod message;
mod node;
mod numbers;
mod process;
mod stream;

pub(crate) use channel::{Channel, End, scratch_file};
pub(crate) use message::{
    INIT, assert_body, assert_error, client, message, number_after, unanswered,
};
pub(crate) use node::{Ending, Launch, Node};
pub(crate) use numbers::Numbers;
pub(crate) use process::{Process, affordable};

use std::time::{Duration, Instant};

/// How long a test waits without any event before it fails. A busy machine needs far
/// less.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until `condition` is true. It is for facts without a kernel event, such as
/// another process's table of open files.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "gave up waiting until {what}");
        std::thread::yield_now();
    }
}
