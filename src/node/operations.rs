//! Operations on sockets: handlers submit them, and the owner of the session carries them out.
//!
//! ```text
//!            taken by the owner          completed
//!   queued ─────────────────────> in flight ─────> done ──> (removed: its future takes the outcome)
//!      │                             │               │
//!      └──────── future dropped ─────┴──> abandoned  └──> (removed: future dropped)
//!                                            └──> (removed on completion)
//! ```
//!
//! Queued and in flight are one state in the table: the queue tells them apart.
//!
//! Invariants: `held_bytes` is the sum of the entries' bytes, and every queued operation has
//! an entry without an outcome.
//!
//! Read next: `tcp_echo`, the author's side.

use super::directory::NameId;
use crate::protocol::{Error, Result};
use slab::Slab;
use std::collections::VecDeque;
use std::task::Waker;

/// How many operations may have no outcome: 131,072, one for each task that may wait. One
/// more ends with error 11.
pub const OPERATIONS_MAX: usize = 1 << 17;

/// How many bytes the sends among them may carry: 64 MiB, as many as requests that wait may
/// hold. One more ends with error 11.
///
/// While a send is in flight its bytes are in memory twice, on their way out and back. Only
/// 32 sends are in flight at once.
pub const OPERATION_BYTES_MAX: usize = 64 << 20;

/// An operation of the TCP echo server.
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
        /// The text to send.
        data: String,
    },
    /// Count, after every send that was submitted before.
    Stats,
}

/// The outcome of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `Start`: listening on this port.
    Listening {
        /// The port.
        port: u16,
    },
    /// `Send`: the bytes that came back.
    Echoed {
        /// The bytes.
        data: Vec<u8>,
    },
    /// `Stats`: the totals.
    Stats(TcpEchoStats),
}

/// The totals of the TCP echo server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpEchoStats {
    /// How many connections it accepted.
    pub connections: u64,
    /// How many bytes it received.
    pub bytes: u64,
}

/// The identity of an operation, which its outcome is given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(test, derive(Default))]
pub struct OperationId(usize);

/// See the picture above.
pub(super) enum OperationState {
    /// Queued or in flight. The waker is absent until the future is polled.
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

struct Entry {
    state: OperationState,
    /// The bytes that the operation carries.
    bytes: usize,
    /// The sender of the request that it was submitted for.
    requester: Option<NameId>,
}

/// Every operation whose outcome its future has not taken.
#[derive(Default)]
pub(super) struct Operations {
    entries: Slab<Entry>,
    queue: VecDeque<(OperationId, Operation)>,
    /// The bytes that all of them carry.
    held_bytes: usize,
    /// How many have no outcome yet.
    in_flight: usize,
}

impl Operations {
    /// Takes an operation in, or refuses it with error 11.
    pub(super) fn submit(
        &mut self,
        operation: Operation,
        requester: Option<NameId>,
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
        self.in_flight += 1;
        let id = OperationId(self.entries.insert(Entry {
            state: OperationState::InFlight(None),
            bytes,
            requester,
        }));
        self.queue.push_back((id, operation));
        Ok(id)
    }

    /// The sender of the request that an operation was submitted for. `None` if the handler
    /// had waited for something before, or the sender is not in the directory.
    pub(super) fn requester(&self, id: OperationId) -> Option<NameId> {
        self.entries.get(id.0)?.requester
    }

    /// Removes an operation. The caller drops its state when nothing is borrowed.
    fn remove(&mut self, id: OperationId) -> Option<OperationState> {
        let entry = self.entries.try_remove(id.0)?;
        self.held_bytes -= entry.bytes;
        Some(entry.state)
    }

    fn state(&mut self, id: OperationId) -> Option<&mut OperationState> {
        self.entries.get_mut(id.0).map(|entry| &mut entry.state)
    }

    /// Takes the outcome of an operation that has one. Its entry goes with it.
    pub(super) fn take_outcome(&mut self, id: OperationId) -> Option<Result<Outcome>> {
        if !matches!(self.state(id)?, OperationState::Done(_)) {
            return None;
        }
        match self.remove(id)? {
            OperationState::Done(outcome) => Some(outcome),
            OperationState::InFlight(_) | OperationState::Abandoned => None,
        }
    }

    /// Has an operation wake `waker`. Returns the waker that is no longer needed: dropping it
    /// may run the author's code, so the caller drops it when nothing is borrowed.
    pub(super) fn set_waker(&mut self, id: OperationId, waker: Waker) -> Option<Waker> {
        match self.state(id) {
            Some(OperationState::InFlight(known)) => known.replace(waker),
            Some(OperationState::Done(_) | OperationState::Abandoned) | None => Some(waker),
        }
    }

    /// Forgets an operation whose future was dropped. The caller drops the state when nothing
    /// is borrowed.
    pub(super) fn abandon(&mut self, id: OperationId) -> Option<OperationState> {
        match self.state(id)? {
            state @ OperationState::InFlight(_) => {
                Some(std::mem::replace(state, OperationState::Abandoned))
            }
            OperationState::Done(_) | OperationState::Abandoned => self.remove(id),
        }
    }

    /// Gives an operation its outcome, and returns the waker of the future that waits for it.
    pub(super) fn complete(&mut self, id: OperationId, outcome: Result<Outcome>) -> Option<Waker> {
        let state = self.state(id)?;
        match std::mem::replace(state, OperationState::Done(outcome)) {
            OperationState::InFlight(waker) => {
                self.in_flight -= 1;
                waker
            }
            OperationState::Abandoned => {
                self.in_flight -= 1;
                self.remove(id);
                None
            }
            OperationState::Done(_) => None,
        }
    }

    /// The next queued operation.
    pub(super) fn next(&mut self) -> Option<(OperationId, Operation)> {
        self.queue.pop_front()
    }

    /// Whether an operation is queued.
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The number of operations without an outcome.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Checks the invariants. Reads every entry.
    pub(super) fn assert_invariants(&self) {
        let bytes: usize = self.entries.iter().map(|(_, entry)| entry.bytes).sum();
        assert_eq!(self.held_bytes, bytes, "the bytes of operations");
        let is_in_flight = |entry: &Entry| !matches!(entry.state, OperationState::Done(_));
        let in_flight = self.entries.iter().filter(|(_, entry)| is_in_flight(entry));
        assert_eq!(self.in_flight, in_flight.count(), "operations in flight");
        for (id, _) in &self.queue {
            let entry = self.entries.get(id.0);
            assert!(
                entry.is_some_and(|entry| !matches!(entry.state, OperationState::Done(_))),
                "a queued operation has an outcome already"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_a_send() -> (Operations, OperationId) {
        let mut operations = Operations::default();
        let data = "12345".to_owned();
        let id = operations.submit(Operation::Send { data }, None);
        operations.assert_invariants();
        (operations, id.expect("room for an operation"))
    }

    #[test]
    fn an_outcome_that_no_future_takes_is_not_in_flight() {
        let (mut operations, id) = with_a_send();
        assert_eq!(operations.in_flight(), 1);
        operations.next();
        operations.complete(id, Err(Error::timeout("late")));
        operations.assert_invariants();
        assert_eq!((operations.in_flight(), operations.len()), (0, 1));
    }

    #[test]
    fn an_abandoned_operation_is_removed_when_it_is_completed() {
        let (mut operations, id) = with_a_send();
        assert!(operations.next().is_some());
        assert!(operations.abandon(id).is_some());
        operations.assert_invariants();
        assert_eq!((operations.len(), operations.held_bytes), (1, 5));
        assert_eq!(operations.in_flight(), 1);
        operations.complete(id, Err(Error::timeout("late")));
        operations.assert_invariants();
        assert_eq!((operations.len(), operations.held_bytes), (0, 0));
    }

    #[test]
    #[should_panic(expected = "the bytes of operations")]
    fn bytes_that_are_not_given_back_are_found() {
        let (mut operations, _) = with_a_send();
        operations.queue.clear();
        operations.entries.clear();
        operations.assert_invariants();
    }

    #[test]
    #[should_panic(expected = "a queued operation has an outcome already")]
    fn an_outcome_before_the_operation_was_taken_is_found() {
        let (mut operations, id) = with_a_send();
        operations.complete(id, Err(Error::timeout("early")));
        operations.assert_invariants();
    }
}
