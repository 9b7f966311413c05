//! Operations: what handlers ask of somebody who has sockets.
//!
//! ```text
//!            taken by the runtime        completed
//!   queued ───────────────────────> in flight ─────> done ──> (future takes it)
//!                                      │
//!                     future dropped   └──> abandoned ──> (removed on completion)
//! ```

use crate::protocol::Result;
use slab::Slab;
use std::collections::VecDeque;
use std::task::Waker;

/// Something that a handler asks of the TCP echo server.
///
/// ```
/// # use eddyline::session::{Operation, Outcome, Session};
/// fn carry_out(session: &mut Session) {
///     while let Some((id, operation)) = session.next_operation() {
///         let outcome = match operation {
///             Operation::Start { port } => Outcome::Listening { port },
///             Operation::Send { data } => Outcome::Echoed { data: data.into_bytes() },
///             Operation::Stats => Outcome::Stats(Default::default()),
///         };
///         session.complete_operation(id, Ok(outcome));
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Listen on a port; 0 picks a free one.
    Start {
        /// The port.
        port: u16,
    },
    /// Connect to the own listener, send, and read the echo.
    Send {
        /// What to send.
        data: String,
    },
    /// Count, after every send that was asked for before.
    Stats,
}

/// What an operation ended with.
///
/// ```
/// use eddyline::session::Outcome;
///
/// let outcome = Outcome::Listening { port: 7 };
/// assert!(matches!(outcome, Outcome::Listening { port: 7 }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `Start`: listening on this port.
    Listening {
        /// The port.
        port: u16,
    },
    /// `Send`: what came back.
    Echoed {
        /// The bytes.
        data: Vec<u8>,
    },
    /// `Stats`: the totals.
    Stats(TcpEchoStats),
}

/// What the TCP echo server has served.
///
/// ```
/// # use eddyline::{Context, Result};
/// # async fn served(cx: Context) -> Result<u64> {
/// let stats = cx.tcp_echo().stats().await?;
/// Ok(stats.bytes)
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpEchoStats {
    /// How many connections it accepted.
    pub connections: u64,
    /// How many bytes it received.
    pub bytes: u64,
}

/// Which operation an outcome belongs to.
///
/// ```
/// # use eddyline::Error;
/// # use eddyline::session::{OperationId, Session};
/// fn refuse(session: &mut Session, id: OperationId) {
///     session.complete_operation(id, Err(Error::not_supported("sockets")));
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(usize);

/// Where an operation stands; see the picture above.
pub(super) enum State {
    InFlight(Option<Waker>),
    Done(Result<Outcome>),
    Abandoned,
}

/// The operations that were asked for and whose outcome nobody has taken.
#[derive(Default)]
pub(super) struct Operations {
    states: Slab<State>,
    queue: VecDeque<(OperationId, Operation)>,
}

impl Operations {
    pub(super) fn submit(&mut self, operation: Operation) -> OperationId {
        let id = OperationId(self.states.insert(State::InFlight(None)));
        self.queue.push_back((id, operation));
        id
    }

    /// Takes the outcome if there is one. Else returns the waker that was
    /// replaced, to be dropped once nothing is borrowed.
    pub(super) fn poll(
        &mut self,
        id: OperationId,
        waker: &Waker,
    ) -> Result<Result<Outcome>, Option<Waker>> {
        match self.states.get_mut(id.0) {
            Some(State::InFlight(known)) => Err(known.replace(waker.clone())),
            Some(State::Done(_)) => match self.states.remove(id.0) {
                State::Done(outcome) => Ok(outcome),
                State::InFlight(_) | State::Abandoned => Err(None),
            },
            Some(State::Abandoned) | None => Err(None),
        }
    }

    /// Forgets an operation whose future was dropped.
    pub(super) fn abandon(&mut self, id: OperationId) -> Option<State> {
        match self.states.get_mut(id.0)? {
            state @ State::InFlight(_) => Some(std::mem::replace(state, State::Abandoned)),
            _ => self.states.try_remove(id.0),
        }
    }

    pub(super) fn complete(&mut self, id: OperationId, outcome: Result<Outcome>) -> Option<Waker> {
        let state = self.states.get_mut(id.0)?;
        match std::mem::replace(state, State::Done(outcome)) {
            State::InFlight(waker) => waker,
            State::Abandoned => {
                self.states.remove(id.0);
                None
            }
            State::Done(_) => None,
        }
    }

    /// The next operation that nobody has taken.
    pub(super) fn next(&mut self) -> Option<(OperationId, Operation)> {
        self.queue.pop_front()
    }

    /// Whether there is an operation that nobody has taken.
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }
}
