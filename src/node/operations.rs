//! Operations: what handlers ask of somebody who has sockets.
//!
//! ```text
//!            taken by the runtime        completed
//!   queued ───────────────────────> in flight ─────> done ──> (future takes it)
//!                                      │
//!                     future dropped   └──> abandoned ──> (removed on completion)
//! ```

use super::directory::NameId;
use crate::protocol::{Error, Result};
use slab::Slab;
use std::collections::VecDeque;
use std::task::Waker;

/// How many operations may be asked for and have no outcome: 131,072, one for each
/// task that may wait. One more ends with error 11.
///
/// ```
/// # fn rest(session: &eddyline::session::Session) {
/// use eddyline::session::OPERATIONS_MAX;
/// assert!(session.usage().operations <= OPERATIONS_MAX);
/// # }
/// ```
pub const OPERATIONS_MAX: usize = 1 << 17;

/// How many bytes the sends among them may carry: 64 MiB, as much as the requests
/// that wait may hold. One more ends with error 11. While a send is in flight its
/// bytes are there twice, going out and coming back, but only 32 are at once.
///
/// ```
/// use eddyline::session::{HELD_BYTES_MAX, OPERATION_BYTES_MAX};
/// assert_eq!(OPERATION_BYTES_MAX, HELD_BYTES_MAX);
/// ```
pub const OPERATION_BYTES_MAX: usize = 64 << 20;

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
#[cfg_attr(test, derive(Default))]
pub struct OperationId(usize);

/// Where an operation stands; see the picture above.
pub(super) enum State {
    InFlight(Option<Waker>),
    Done(Result<Outcome>),
    Abandoned,
}

impl Operation {
    /// The bytes that it carries.
    fn len(&self) -> usize {
        match self {
            Operation::Send { data } => data.len(),
            Operation::Start { .. } | Operation::Stats => 0,
        }
    }
}

/// An operation, and the bytes that it carries.
struct Entry {
    state: State,
    bytes: usize,
    asker: Option<NameId>,
}

/// The operations that were asked for and whose outcome nobody has taken.
#[derive(Default)]
pub(super) struct Operations {
    entries: Slab<Entry>,
    queue: VecDeque<(OperationId, Operation)>,
    /// The bytes that all of them carry.
    held_bytes: usize,
}

impl Operations {
    /// Takes an operation in, or refuses it with error 11.
    pub(super) fn submit(
        &mut self,
        operation: Operation,
        asker: Option<NameId>,
    ) -> Result<OperationId> {
        let bytes = operation.len();
        if self.entries.len() >= OPERATIONS_MAX {
            return Err(Error::temporarily_unavailable(format!(
                "{OPERATIONS_MAX} operations on sockets are in flight already; try again later"
            )));
        }
        if self.held_bytes + bytes > OPERATION_BYTES_MAX {
            return Err(Error::temporarily_unavailable(format!(
                "sends over TCP of {} bytes are in flight already; try again later",
                self.held_bytes
            )));
        }
        self.held_bytes += bytes;
        let state = State::InFlight(None);
        let entry = Entry {
            state,
            bytes,
            asker,
        };
        let id = OperationId(self.entries.insert(entry));
        self.queue.push_back((id, operation));
        Ok(id)
    }

    /// Who has asked for an operation, if it was at the beginning of a request.
    pub(super) fn asker(&self, id: OperationId) -> Option<NameId> {
        self.entries.get(id.0)?.asker
    }

    /// Forgets an operation; what it leaves is the caller's to drop.
    fn remove(&mut self, id: OperationId) -> Option<State> {
        let entry = self.entries.try_remove(id.0)?;
        self.held_bytes -= entry.bytes;
        Some(entry.state)
    }

    fn state(&mut self, id: OperationId) -> Option<&mut State> {
        self.entries.get_mut(id.0).map(|entry| &mut entry.state)
    }

    /// Takes the outcome if there is one. Else returns the waker that was
    /// replaced, to be dropped once nothing is borrowed.
    pub(super) fn poll(
        &mut self,
        id: OperationId,
        waker: &Waker,
    ) -> Result<Result<Outcome>, Option<Waker>> {
        match self.state(id) {
            Some(State::InFlight(known)) => Err(known.replace(waker.clone())),
            Some(State::Done(_)) => match self.remove(id) {
                Some(State::Done(outcome)) => Ok(outcome),
                _ => Err(None),
            },
            Some(State::Abandoned) | None => Err(None),
        }
    }

    /// Forgets an operation whose future was dropped.
    pub(super) fn abandon(&mut self, id: OperationId) -> Option<State> {
        match self.state(id)? {
            state @ State::InFlight(_) => Some(std::mem::replace(state, State::Abandoned)),
            _ => self.remove(id),
        }
    }

    pub(super) fn complete(&mut self, id: OperationId, outcome: Result<Outcome>) -> Option<Waker> {
        let state = self.state(id)?;
        match std::mem::replace(state, State::Done(outcome)) {
            State::InFlight(waker) => waker,
            State::Abandoned => {
                self.remove(id);
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
        self.entries.len()
    }
}
