//! Which node this is: how it gets its name, and the requests that wait until it has one.
//!
//! ```text
//!              init                       setup has ended
//!   nameless ────────> setting up ─────────────────────────────> named
//!      ^                   │
//!      └───────────────────┘
//!        setup has failed
//! ```
//!
//! | a message in | nameless | setting up | named |
//! |---|---|---|---|
//! | `init` | the node is built, its setup begins | waits if it agrees, else error 22 | `init_ok` if it agrees, else error 22 |
//! | a request | error 11 | waits, error 11 beyond the bounds | its handler begins |
//! | a reply | ignored | ends the call of the setup | ends the call |
//!
//! | the setup | `init` | the `init`s that waited | the requests that waited |
//! |---|---|---|---|
//! | ends | `init_ok`, then `start` begins | `init_ok`, in their places | are handled, in their order |
//! | fails | the error of the setup | the same error | error 11 |
//!
//! A setup that is ready at once takes no turn: the node is named when `receive` returns.
//!
//! A node whose setup has failed remembers the identity that it was given. It may be given
//! the same one again, and no other.
//!
//! Akka's actors hold messages back in the same way while they recover their state: a
//! bounded stash, in the order of arrival.

use crate::node::{Context, Request};
use crate::protocol::{Error, Result};
use std::collections::VecDeque;

/// How many messages may wait for the end of a setup: 4,096. A further request is refused
/// with error 11.
///
/// All of them are served in one turn, which then takes some milliseconds. Under Maelstrom
/// no client sends before all nodes have answered `init`, so only messages of other nodes
/// wait.
pub const SETUP_REQUESTS_MAX: usize = 4096;

/// How many bytes of memory the messages that wait for the end of a setup may take: 16 MiB,
/// the longest line. A request beyond it is refused with error 11.
pub const SETUP_BYTES_MAX: usize = 16 << 20;

/// See the picture on the module's page.
pub(super) enum Identity {
    /// No `init` has come, or the last setup has failed. Every request is refused.
    Nameless,
    /// The node is built, and its setup runs.
    SettingUp(SettingUp),
    /// The node serves.
    Named(Context),
}

/// A node whose setup runs.
pub(super) struct SettingUp {
    pub(super) cx: Context,
    waiting: VecDeque<Request>,
    /// The memory that they take.
    waiting_bytes: usize,
}

impl SettingUp {
    pub(super) fn new(cx: Context) -> SettingUp {
        SettingUp {
            cx,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// Returns error 11 if as many messages wait as may.
    pub(super) fn check_room(&self) -> Result<()> {
        let (count, bytes) = (self.waiting.len(), self.waiting_bytes);
        if count < SETUP_REQUESTS_MAX && bytes < SETUP_BYTES_MAX {
            return Ok(());
        }
        Err(Error::temporarily_unavailable(format!(
            "this node is setting up, and {count} messages of {bytes} bytes wait for that \
             already; try again later"
        )))
    }

    /// Has a message wait for the end of the setup.
    pub(super) fn wait(&mut self, request: Request) {
        self.waiting_bytes += request.held_bytes();
        self.waiting.push_back(request);
    }

    /// The messages that wait, in the order of arrival.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Request> {
        self.waiting.iter()
    }

    /// Ends the waiting.
    pub(super) fn end(self) -> (Context, VecDeque<Request>) {
        (self.cx, self.waiting)
    }
}
