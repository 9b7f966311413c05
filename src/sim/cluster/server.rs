//! One simulated node: a session, and whether it runs.

use super::event::Packet;
use crate::session::Session;
use crate::time::Instant;

pub(super) struct Server {
    pub(super) state: State,
    /// When the session is woken next.
    pub(super) wake_at: Option<Instant>,
    /// The client whose `init` it has not answered yet.
    pub(super) init_from: Option<usize>,
    /// Whether it has answered an `init` in this life.
    pub(super) ready: bool,
    /// What it is down for, if that is not that its time to boot has not come yet.
    pub(super) awaits: Option<Awaited>,
}

/// What starts a node that a fault keeps down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// It was crashed.
    Restart,
    /// It was paused before it ever ran.
    Resume,
}

/// ```text
///            pause                    crash
///   running ───────> paused    any ────────> down
///      ^                │                     │
///      ├─── resume ─────┘                     │
///      └─────────── restart (a new session) ──┘
/// ```
pub(super) enum State {
    Running(Box<Session>),
    /// With what has arrived meanwhile.
    Paused(Box<Session>, Vec<Packet>),
    Down,
}

impl Server {
    /// One that was never started.
    pub(super) fn new() -> Server {
        Server {
            state: State::Down,
            wake_at: None,
            init_from: None,
            ready: false,
            awaits: None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    pub(super) fn is_down(&self) -> bool {
        matches!(self.state, State::Down)
    }

    /// Whether its time to boot has not come yet.
    pub(super) fn has_not_begun(&self) -> bool {
        self.is_down() && self.awaits.is_none()
    }
}
