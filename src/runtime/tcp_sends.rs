//! The node's sends to its own TCP echo server: the client side.
//!
//! ```text
//!   tcp_echo_send                    a place is free             the echo, or why not
//!   ──────────────> queued ────────────────────────> in flight ─────────────────────> outcome
//!                   │    ^                            │   │
//!                   │    └─ no descriptor for now ────┘   │ 5 s after it was asked for
//!                   │                                     └──> error 0
//!                   │ 4 s after it was asked for
//!                   └──> error 11: nothing was sent
//!
//!   tcp_echo_stats                    nothing older is pending
//!   ──────────────> counting ────────────────────────────────> totals
//!                      └─ 500 ms after it was asked for ──────> totals
//! ```
//!
//! # Invariants
//! - Each pending operation has one armed deadline, whose key is its number.
//! - A number is in the send queue if and only if its operation is queued.
//! - At most `EXCHANGES_MAX` exchanges are in the reactor. One whose deadline has told
//!   the caller already stays there until the end of the turn.
//!
//! Read next: `tcp/exchange.rs`, the state machine of one exchange; `send_queue.rs`.

use super::phase::DRAIN_DEADLINE;
use super::send_queue::{Requester, SendQueue};
use super::source::{SendExchange, Source};
use super::tcp_server::TcpServer;
use crate::protocol::{Error, Result};
use crate::reactor::{Interest, Reactor, Token};
use crate::session::{OperationId, Outcome, Session};
use crate::tcp::{
    EXCHANGES_MAX, EchoServer, Exchange, ExchangeError, QUEUE_WAIT_MAX, SEND_DEADLINE,
};
use crate::time::{Instant, TimerId};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// How long a count waits for the sends that were asked for before it: 500 ms, half of
/// what a call waits by default. Sends take a fraction of a millisecond, so a count that
/// is asked for right behind them has them all. A send that is stuck, or a queue of a
/// hundred thousand, delays no count for longer.
pub(crate) const COUNT_WAIT_MAX: Duration = Duration::from_millis(500);

/// The sends and counts that handlers have asked for.
pub(super) struct TcpSends {
    /// The operations without an outcome by their numbers: in the order of asking.
    pending: BTreeMap<u64, Pending>,
    /// The number of the operation that was asked for last. The first one is 1.
    last_number: u64,
    queue: SendQueue,
    /// How many exchanges the reactor holds.
    exchanges: usize,
    /// The process ends: no exchange begins any more.
    has_given_up: bool,
}

/// An operation without an outcome.
struct Pending {
    operation: OperationId,
    deadline: TimerId,
    stage: Stage,
}

/// The stage of an operation; see the picture above.
enum Stage {
    Queued(Queued),
    InFlight(Token),
    Counting,
}

struct Queued {
    requester: Requester,
    asked: Instant,
    data: Vec<u8>,
}

impl TcpSends {
    pub(super) fn new() -> TcpSends {
        TcpSends {
            pending: BTreeMap::new(),
            last_number: 0,
            queue: SendQueue::default(),
            exchanges: 0,
            has_given_up: false,
        }
    }

    /// Takes a send in. [`begin`](TcpSends::begin) begins it.
    pub(super) fn push(&mut self, session: &mut Session, operation: OperationId, data: String) {
        if self.has_given_up {
            session.complete_operation(operation, Err(SendError::NeverBegins.into()));
            return;
        }
        let (requester, asked) = (session.requester(operation), session.now());
        let data = data.into_bytes();
        let stage = Stage::Queued(Queued {
            requester,
            asked,
            data,
        });
        let number = self.enter(session, operation, asked + QUEUE_WAIT_MAX, stage);
        self.queue.push(requester, number);
    }

    /// Takes a count in, and answers it if there is nothing to wait for.
    pub(super) fn count(
        &mut self,
        session: &mut Session,
        operation: OperationId,
        server: &TcpServer,
    ) {
        let deadline = session.now() + COUNT_WAIT_MAX;
        self.enter(session, operation, deadline, Stage::Counting);
        self.answer_counts(session, server);
    }

    fn enter(
        &mut self,
        session: &Session,
        operation: OperationId,
        deadline: Instant,
        stage: Stage,
    ) -> u64 {
        self.last_number += 1;
        let pending = Pending {
            operation,
            deadline: session.arm_owner(deadline, self.last_number),
            stage,
        };
        self.pending.insert(self.last_number, pending);
        self.last_number
    }

    /// Begins as many of the queued sends as there is room for.
    pub(super) fn begin(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        server: &mut TcpServer,
    ) {
        while self.has_room(server)
            && let Some((requester, number)) = self.queue.pop()
            && let Some(send) = self.pending.get_mut(&number)
            && let Stage::Queued(queued) = &mut send.stage
        {
            match connect(queued, number, self.exchanges, reactor, server) {
                Ok(token) => {
                    session.disarm_owner(send.deadline);
                    send.deadline = session.arm_owner(queued.asked + SEND_DEADLINE, number);
                    send.stage = Stage::InFlight(token);
                    self.exchanges += 1;
                }
                Err(error) if error.may_pass() && self.may_get_descriptors(server) => {
                    self.queue.put_back(requester, number);
                    break;
                }
                Err(error) => self.end(session, server, number, Err(error.into())),
            }
        }
        if let Some(server) = server.started_mut() {
            server.reserve_at_most(self.exchanges);
        }
    }

    /// Whether another exchange may begin.
    ///
    /// While the server is full, an exchange would wait in the listener's queue. There
    /// it is unknown whether the server has received anything of it. A send that waits
    /// here can still be refused with error 11. One exchange begins all the same: it
    /// finds out when there is room again.
    fn has_room(&self, server: &TcpServer) -> bool {
        let is_full = server.started().is_some_and(EchoServer::is_full);
        self.exchanges < EXCHANGES_MAX && (!is_full || self.exchanges == 0)
    }

    /// Whether something is open here whose end gives a descriptor back.
    fn may_get_descriptors(&self, server: &TcpServer) -> bool {
        self.exchanges > 0 || server.started().is_some_and(EchoServer::has_connections)
    }

    /// Gives an exchange that is over its outcome. Its deadline may have done so already.
    pub(super) fn end_exchange(
        &mut self,
        session: &mut Session,
        server: &TcpServer,
        number: u64,
        result: std::result::Result<Vec<u8>, ExchangeError>,
    ) {
        let outcome = match result {
            Ok(data) => Ok(Outcome::Echoed { data }),
            Err(error) => Err(SendError::Exchange(error).into()),
        };
        self.end(session, server, number, outcome);
    }

    /// Notes that an exchange was taken out of the reactor and closed.
    pub(super) fn closed_exchange(&mut self) {
        self.exchanges -= 1;
    }

    /// Whether [`begin`](TcpSends::begin) may find something to do.
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The deadline of an operation has come.
    pub(super) fn expire(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        server: &TcpServer,
        number: u64,
    ) {
        // An operation that has ended since has no deadline any more.
        let Some(pending) = self.pending.get(&number) else {
            return;
        };
        let outcome = match &pending.stage {
            Stage::Queued(queued) => {
                self.queue.remove(queued.requester, number);
                Err(SendError::NotBegun.into())
            }
            &Stage::InFlight(token) => {
                let Some(Source::Exchange(send)) = reactor.get(token) else {
                    return;
                };
                let text = send.exchange.timed_out().to_string();
                reactor.finish(token);
                Err(Error::timeout(text))
            }
            Stage::Counting => Ok(Outcome::Stats(server.totals())),
        };
        self.end(session, server, number, outcome);
    }

    /// Ends an operation, and the counts that waited for it.
    fn end(
        &mut self,
        session: &mut Session,
        server: &TcpServer,
        number: u64,
        outcome: Result<Outcome>,
    ) {
        if let Some(pending) = self.pending.remove(&number) {
            session.disarm_owner(pending.deadline);
            session.complete_operation(pending.operation, outcome);
            self.answer_counts(session, server);
        }
    }

    /// Answers every count that has nothing older to wait for.
    fn answer_counts(&mut self, session: &mut Session, server: &TcpServer) {
        while let Some(oldest) = self.pending.first_entry()
            && let Stage::Counting = oldest.get().stage
        {
            let count = oldest.remove();
            session.disarm_owner(count.deadline);
            session.complete_operation(count.operation, Ok(Outcome::Stats(server.totals())));
        }
    }

    /// Ends everything that is pending: the process ends, and its time for sockets is
    /// over. How far an exchange in flight came is unknown, which is error 0. A send
    /// that has not begun never will, which is error 11.
    pub(super) fn give_up(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        server: &TcpServer,
    ) {
        self.has_given_up = true;
        self.queue = SendQueue::default();
        while let Some((_number, pending)) = self.pending.pop_first() {
            let outcome = match pending.stage {
                Stage::Queued(_) => Err(SendError::NeverBegins.into()),
                Stage::InFlight(token) => {
                    reactor.finish(token);
                    Err(SendError::GivenUp.into())
                }
                Stage::Counting => Ok(Outcome::Stats(server.totals())),
            };
            session.disarm_owner(pending.deadline);
            session.complete_operation(pending.operation, outcome);
        }
    }

    /// Checks the invariants that the module's page states, but for the deadlines.
    #[cfg(any(test, feature = "lab"))]
    pub(super) fn assert_invariants(&self) {
        let is_queued = |pending: &&Pending| matches!(pending.stage, Stage::Queued(_));
        let queued = self.pending.values().filter(is_queued).count();
        assert_eq!(queued, self.queue.len());
        let is_in_flight = |pending: &&Pending| matches!(pending.stage, Stage::InFlight(_));
        let in_flight = self.pending.values().filter(is_in_flight).count();
        assert!(in_flight <= self.exchanges && self.exchanges <= EXCHANGES_MAX);
    }
}

/// Connects the exchange of a queued send. If that fails, the send keeps its data.
fn connect(
    queued: &mut Queued,
    number: u64,
    exchanges: usize,
    reactor: &mut Reactor<Source>,
    server: &mut TcpServer,
) -> std::result::Result<Token, SendError> {
    let server = server.started_mut().ok_or(SendError::NotStarted)?;
    server.reserve_at_most(exchanges);
    server.reserve().map_err(SendError::Reserve)?;
    let data = std::mem::take(&mut queued.data);
    let address = server.local_client_address();
    let exchange = Exchange::start(address, data).map_err(|(error, data)| {
        queued.data = data;
        SendError::Exchange(error)
    })?;
    let send = Box::new(SendExchange { exchange, number });
    let interest = Interest::READABLE | Interest::WRITABLE;
    reactor
        .insert(Source::Exchange(send), interest)
        .map_err(SendError::Reactor)
}

/// Why a send did not bring its echo.
#[derive(Debug)]
enum SendError {
    NotStarted,
    /// It has waited long enough.
    NotBegun,
    /// It is queued, and the process ends.
    NeverBegins,
    /// It is in flight, and the process ends.
    GivenUp,
    /// There is no descriptor for the server's side.
    Reserve(io::Error),
    Exchange(ExchangeError),
    Reactor(io::Error),
}

impl SendError {
    /// Whether it may pass when other exchanges or connections have ended.
    fn may_pass(&self) -> bool {
        match self {
            SendError::Exchange(error) => error.may_pass(),
            SendError::Reserve(_) => true,
            _ => false,
        }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Error {
        match error {
            SendError::NotStarted => Error::precondition_failed(
                "the TCP echo server has not been started; send tcp_echo_start first",
            ),
            SendError::NotBegun => Error::temporarily_unavailable(format!(
                "{} s after it was asked for, this send has not begun: others were before it, or \
                 the server is full; nothing was sent, try again later",
                QUEUE_WAIT_MAX.as_secs()
            )),
            SendError::NeverBegins => Error::temporarily_unavailable(
                "stdin has ended and this send has not begun, so it never will; start the node \
                 again and send it then",
            ),
            SendError::GivenUp => Error::timeout(format!(
                "stdin ended {} s ago and this exchange is not over; what the echo server got of \
                 it is unknown",
                DRAIN_DEADLINE.as_secs()
            )),
            SendError::Reserve(error) => Error::temporarily_unavailable(format!(
                "there is no descriptor to accept this send's connection with, so nothing was \
                 sent: {error}; try again later"
            )),
            SendError::Exchange(error) if error.is_definite() => {
                Error::temporarily_unavailable(error.to_string())
            }
            // Error 11 would say that nothing was sent.
            SendError::Exchange(error) => Error::crash(error.to_string()),
            SendError::Reactor(error) => Error::temporarily_unavailable(error.to_string()),
        }
    }
}
