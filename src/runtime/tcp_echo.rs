//! TCP echo: carries out what handlers ask for, and serves whoever connects.

use super::client::{Client, SendError, Ticket};
use super::counts::{Counts, totals};
use super::pauses::Pauses;
use super::send_queue::{SendQueue, Waiting};
use super::source::Source;
use crate::protocol::{Error, Result};
use crate::reactor::{Interest, Reactor, Token};
use crate::session::{Operation, OperationId, Outcome, Session};
use crate::source::{Next, Progress, Readiness, Reason};
use crate::tcp::{
    ACCEPT_RETRY_MS, Connection, EXCHANGES_MAX, EchoServer, Exchange, ExchangeError, SEND_DEADLINE,
    StartError,
};
use crate::time::{Clock, Instant, TimerId, Wheel};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

/// What a timer of this file is about.
enum Deadline {
    /// The send of an exchange has taken too long.
    Client(Token),
    /// A paused listener tries again.
    Accept,
}

/// A server that listens.
struct Listening {
    server: EchoServer,
    token: Token,
}

/// Everything that has to do with TCP.
pub(super) struct TcpEcho {
    bind: IpAddr,
    connections_max: usize,
    listening: Option<Listening>,
    /// What was just accepted; empty between calls, kept for its memory.
    accepted: Vec<Connection>,
    /// Sends without an outcome; those of `queued` are among them.
    sends: BTreeSet<Ticket>,
    next_number: u64,
    /// Sends that wait until one of the exchanges in flight has ended.
    queued: SendQueue,
    /// The exchanges in flight.
    exchanges: Vec<Token>,
    /// The process ends: no exchange begins any more.
    has_given_up: bool,
    counts: Counts,
    clock: Rc<dyn Clock>,
    wheel: Wheel<Deadline>,
    /// A paused listener's timer is armed.
    retries_accept: bool,
    pauses: Pauses,
    due: Vec<Deadline>,
}

impl TcpEcho {
    pub(super) fn new(bind: IpAddr, connections_max: usize, clock: Rc<dyn Clock>) -> TcpEcho {
        TcpEcho {
            bind,
            connections_max,
            listening: None,
            accepted: Vec::new(),
            sends: BTreeSet::new(),
            next_number: 0,
            queued: SendQueue::default(),
            exchanges: Vec::new(),
            has_given_up: false,
            counts: Counts::default(),
            wheel: Wheel::new(clock.now()),
            clock,
            retries_accept: false,
            pauses: Pauses::default(),
            due: Vec::new(),
        }
    }

    /// When to call [`expire`](TcpEcho::expire) next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.wheel.next_deadline(),
            self.queued.next_deadline(),
            self.counts.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Carries out one operation, or begins to.
    pub(super) fn begin(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        (id, operation): (OperationId, Operation),
    ) {
        match operation {
            Operation::Start { port } => {
                let outcome = self.start(reactor, port);
                session.complete_operation(id, outcome);
            }
            Operation::Send { data } => {
                let ticket = Ticket {
                    number: self.next_number,
                    operation: id,
                };
                self.next_number += 1;
                self.sends.insert(ticket);
                self.queued.push(Waiting {
                    ticket,
                    asker: session.requester(id),
                    asked: self.clock.now(),
                    data: data.into_bytes(),
                });
                match self.has_given_up {
                    true => self.refuse_queued(session),
                    false => self.send_queued(reactor, session),
                }
            }
            Operation::Stats => {
                let now = self.clock.now();
                self.counts.push(id, self.next_number, now);
                self.complete_counts(session, now);
            }
        }
    }

    fn start(&mut self, reactor: &mut Reactor<Source>, port: u16) -> Result<Outcome> {
        if let Some(Listening { server, .. }) = &self.listening {
            let own = server.port();
            if port == own || port == 0 {
                return Ok(Outcome::Listening { port: own });
            }
            let text = format!("already listening on port {own}, so not on {port}");
            return Err(Error::precondition_failed(text));
        }
        let server = EchoServer::start(self.bind, port, self.connections_max);
        let server = server.map_err(|error| match error {
            StartError::PortInUse { .. } | StartError::Failed { .. } => {
                Error::temporarily_unavailable(error.to_string())
            }
        })?;
        let token = reactor
            .insert(Source::Listener(server.as_raw_fd()), Interest::READABLE)
            .map_err(|error| Error::temporarily_unavailable(error.to_string()))?;
        let port = server.port();
        self.listening = Some(Listening { server, token });
        Ok(Outcome::Listening { port })
    }

    /// Begins as many of the sends that wait as there is room for.
    fn send_queued(&mut self, reactor: &mut Reactor<Source>, session: &mut Session) {
        while self.has_room()
            && let Some(mut send) = self.queued.pop()
        {
            match self.connect(reactor, &mut send) {
                Ok(token) => self.exchanges.push(token),
                Err(error) if error.may_pass() && self.may_give_back() => {
                    self.queued.put_back(send);
                    break;
                }
                Err(error) => self.complete_send(session, send.ticket, Err(error.into())),
            }
        }
        if let Some(Listening { server, .. }) = &mut self.listening {
            server.reserve_at_most(self.exchanges.len());
        }
    }

    fn server(&self) -> Option<&EchoServer> {
        Some(&self.listening.as_ref()?.server)
    }

    /// Whether something is open here whose end gives a descriptor back.
    fn may_give_back(&self) -> bool {
        !self.exchanges.is_empty() || self.server().is_some_and(EchoServer::has_connections)
    }

    /// Whether another exchange may begin. While the server is full it would only
    /// stand in the listener's queue with all others, where nobody can tell any
    /// more that nothing of it was received; here it can still be refused for sure.
    /// One does go, to find out when the server is full no more.
    fn has_room(&self) -> bool {
        let is_full = self.server().is_some_and(EchoServer::is_full);
        self.exchanges.len() < EXCHANGES_MAX && (!is_full || self.exchanges.is_empty())
    }

    fn connect(
        &mut self,
        reactor: &mut Reactor<Source>,
        send: &mut Waiting,
    ) -> std::result::Result<Token, SendError> {
        let Some(Listening { server, .. }) = &mut self.listening else {
            return Err(SendError::NotStarted);
        };
        server.reserve_at_most(self.exchanges.len());
        server.reserve().map_err(SendError::Reserve)?;
        let data = std::mem::take(&mut send.data);
        let exchange =
            Exchange::start(server.local_client_address(), data).map_err(|(error, data)| {
                send.data = data;
                SendError::Exchange(error)
            })?;
        let client = Box::new(Client {
            exchange,
            ticket: send.ticket,
            deadline: None,
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = reactor
            .insert(Source::Client(client), interest)
            .map_err(SendError::Reactor)?;
        let timer = self.arm(send.asked + SEND_DEADLINE, Deadline::Client(token));
        if let Some((Source::Client(client), _)) = reactor.get_mut(token) {
            client.deadline = Some(timer);
        }
        Ok(token)
    }

    fn arm(&mut self, deadline: Instant, about: Deadline) -> TimerId {
        if self.wheel.is_empty() {
            // Without timers it was not told the time.
            self.wheel.expire(self.clock.now(), &mut self.due);
        }
        self.wheel.insert(deadline, about)
    }

    fn complete_send(&mut self, session: &mut Session, ticket: Ticket, outcome: Result<Outcome>) {
        self.sends.remove(&ticket);
        session.complete_operation(ticket.operation, outcome);
        if self.counts.next_deadline().is_some() {
            self.complete_counts(session, self.clock.now());
        }
    }

    /// Answers every count whose sends have all ended, or that has waited long enough.
    fn complete_counts(&mut self, session: &mut Session, now: Instant) {
        let oldest = self.sends.first().map_or(u64::MAX, |ticket| ticket.number);
        while let Some(id) = self.counts.pop(oldest, now) {
            let stats = self
                .server()
                .map(EchoServer::stats)
                .map(totals)
                .unwrap_or_default();
            session.complete_operation(id, Ok(Outcome::Stats(stats)));
        }
    }

    /// Serves the listener: takes connections in, within the turn's bound.
    pub(super) fn accept(
        &mut self,
        readiness: Readiness,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
    ) -> Progress {
        let Some(Listening { server, .. }) = &mut self.listening else {
            return Progress::idle(Next::Wait);
        };
        let mut retry = None;
        let progress = server.accept(readiness, &mut self.accepted);
        if let Some(reason) = server.paused_by() {
            let now = self.clock.now();
            if self.pauses.is_news(reason, now) {
                session.log(format_args!(
                    "TCP echo accepts no connections for now: {reason}"
                ));
            }
            if !self.retries_accept {
                self.retries_accept = true;
                retry = Some(now + Duration::from_millis(ACCEPT_RETRY_MS));
            }
        }
        for connection in self.accepted.drain(..) {
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = reactor.insert(Source::Connection(connection), interest) {
                session.log(format_args!(
                    "a TCP echo connection was closed at once: {error}"
                ));
                server.refused();
            }
        }
        if let Some(retry) = retry {
            self.arm(retry, Deadline::Accept);
        }
        progress
    }

    /// Serves one connection of the server.
    pub(super) fn serve(&mut self, connection: &mut Connection, readiness: Readiness) -> Progress {
        match &mut self.listening {
            Some(Listening { server, .. }) => {
                let progress = server.serve(connection, readiness);
                progress.map(|_either_way| ())
            }
            None => Progress::idle(Next::Wait),
        }
    }

    /// Tells the caller of a send that it is over.
    pub(super) fn ended(
        &mut self,
        session: &mut Session,
        (ticket, deadline): (Ticket, Option<TimerId>),
        result: std::result::Result<Vec<u8>, ExchangeError>,
    ) {
        if let Some(deadline) = deadline
            && self.wheel.cancel(deadline).is_none()
        {
            return; // its deadline has told the caller already
        }
        let outcome = match result {
            Ok(data) => Ok(Outcome::Echoed { data }),
            Err(error) => Err(SendError::Exchange(error).into()),
        };
        self.complete_send(session, ticket, outcome);
    }

    /// Fires the deadlines that are due at `now`.
    pub(super) fn expire(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        now: Instant,
    ) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for deadline in due.drain(..) {
            match deadline {
                Deadline::Accept => {
                    self.retries_accept = false;
                    if let Some(Listening { token, .. }) = &self.listening {
                        reactor.carry_over(*token, Reason::RetryDue);
                    }
                }
                Deadline::Client(token) => {
                    let Some(Source::Client(client)) = reactor.get(token) else {
                        continue;
                    };
                    let ticket = client.ticket;
                    let error = Error::timeout(client.exchange.timed_out().to_string());
                    reactor.finish(token);
                    self.complete_send(session, ticket, Err(error));
                }
            }
        }
        self.due = due;
        while let Some(send) = self.queued.pop_due(now) {
            self.complete_send(session, send.ticket, Err(SendError::NotBegun.into()));
        }
        self.complete_counts(session, now);
    }

    /// Ends every send that has no outcome: the process ends, and its time for
    /// sockets is over. Of an exchange in flight nobody knows how far it came, which
    /// is error 0; what has not begun never will, which is error 11.
    pub(super) fn give_up(&mut self, reactor: &mut Reactor<Source>, session: &mut Session) {
        self.has_given_up = true;
        for &token in &self.exchanges.clone() {
            let Some(Source::Client(client)) = reactor.get(token) else {
                continue;
            };
            let armed = client.deadline.and_then(|timer| self.wheel.cancel(timer));
            if armed.is_none() {
                // It has come to its end in this turn.
                continue;
            }
            let ticket = client.ticket;
            reactor.finish(token);
            let error = SendError::GivenUp.into();
            self.complete_send(session, ticket, Err(error));
        }
        self.refuse_queued(session);
    }

    fn refuse_queued(&mut self, session: &mut Session) {
        while let Some(send) = self.queued.pop() {
            self.complete_send(session, send.ticket, Err(SendError::NeverBegins.into()));
        }
    }

    /// Closes what has finished, out of the reactor first, and lets those that
    /// waited for a place have it.
    pub(super) fn close_finished(&mut self, reactor: &mut Reactor<Source>, session: &mut Session) {
        let mut is_changed = self.queued.next_deadline().is_some();
        while let Some((token, source)) = reactor.take_finished() {
            is_changed = true;
            match source {
                Source::Connection(connection) => {
                    if let Some(Listening { server, token }) = &mut self.listening
                        && server.released(connection)
                    {
                        reactor.carry_over(*token, Reason::RetryDue);
                    }
                }
                Source::Client(client) => {
                    drop(client);
                    self.exchanges.retain(|&other| other != token);
                }
                Source::Stdin(_) | Source::Stdout(_) | Source::Stderr(_) | Source::Listener(_) => {}
            }
        }
        if is_changed {
            self.send_queued(reactor, session);
        }
    }
}
