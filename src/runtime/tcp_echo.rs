//! TCP echo: carries out what handlers ask for, and serves whoever connects.

use super::client::{Client, SendError, Ticket};
use super::phase::DRAIN_DEADLINE;
use super::source::{Source, from_tcp, to_tcp};
use crate::protocol::{Error, Result};
use crate::reactor::{Interest, Reactor, Token};
use crate::session::{Operation, OperationId, Outcome, Session, TcpEchoStats};
use crate::tcp::{
    ACCEPT_RETRY_MS, Accepting, Connection, EXCHANGE_DEADLINE, EXCHANGES_MAX, EchoServer, Exchange,
    Next, StartError,
};
use crate::time::{Clock, Instant, TimerId, Wheel};
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

/// What a timer of this file is about.
enum Deadline {
    /// An exchange has taken too long.
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
    queued: VecDeque<(Ticket, Vec<u8>)>,
    /// The exchanges in flight.
    exchanges: Vec<Token>,
    /// The process ends: no exchange begins any more.
    has_given_up: bool,
    /// Counts that were asked for, each with the number of the first send that
    /// it need not wait for.
    counts: VecDeque<(u64, OperationId)>,
    clock: Rc<dyn Clock>,
    wheel: Wheel<Deadline>,
    /// A paused listener's timer is armed.
    retries_accept: bool,
    due: Vec<Deadline>,
    /// Sources that have finished, closed in the last step of the turn.
    finished: Vec<Token>,
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
            queued: VecDeque::new(),
            exchanges: Vec::new(),
            has_given_up: false,
            counts: VecDeque::new(),
            wheel: Wheel::new(clock.now()),
            clock,
            retries_accept: false,
            due: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// When to call [`expire`](TcpEcho::expire) next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
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
                self.queued.push_back((ticket, data.into_bytes()));
                match self.has_given_up {
                    true => self.refuse_queued(session),
                    false => self.send_queued(reactor, session),
                }
            }
            Operation::Stats => {
                self.counts.push_back((self.next_number, id));
                self.complete_counts(session);
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
        let fd = server.as_raw_fd();
        let token = reactor
            .insert(fd, Interest::READABLE, Source::Listener)
            .map_err(|error| Error::temporarily_unavailable(error.to_string()))?;
        let port = server.port();
        self.listening = Some(Listening { server, token });
        Ok(Outcome::Listening { port })
    }

    /// Begins as many of the sends that wait as there is room for.
    fn send_queued(&mut self, reactor: &mut Reactor<Source>, session: &mut Session) {
        while self.has_room()
            && let Some((ticket, data)) = self.queued.pop_front()
        {
            match self.connect(reactor, ticket, data) {
                Ok(token) => self.exchanges.push(token),
                Err((error, data)) if error.may_pass() && !self.exchanges.is_empty() => {
                    // The next exchange to end gives its descriptor back.
                    return self.queued.push_front((ticket, data));
                }
                Err((error, _)) => self.complete_send(session, ticket, Err(error.into())),
            }
        }
    }

    /// Whether another exchange may begin. Clients must not take the descriptors
    /// that their own server needs to accept them.
    fn has_room(&self) -> bool {
        let server = self.listening.as_ref().map(|listening| &listening.server);
        let is_paused = server.is_some_and(EchoServer::is_paused);
        self.exchanges.len() < EXCHANGES_MAX && (!is_paused || self.exchanges.is_empty())
    }

    fn connect(
        &mut self,
        reactor: &mut Reactor<Source>,
        ticket: Ticket,
        data: Vec<u8>,
    ) -> std::result::Result<Token, (SendError, Vec<u8>)> {
        let Some(Listening { server, .. }) = &self.listening else {
            return Err((SendError::NotStarted, data));
        };
        let exchange = Exchange::start(server.local_client_address(), data)
            .map_err(|(error, data)| (SendError::Exchange(error), data))?;
        let fd = exchange.as_raw_fd();
        let client = Box::new(Client {
            exchange,
            ticket,
            deadline: None,
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = reactor
            .insert(fd, interest, Source::Client(client))
            .map_err(|error| (SendError::Reactor(error), Vec::new()))?;
        let timer = self.arm(EXCHANGE_DEADLINE, Deadline::Client(token));
        if let Some(Source::Client(client)) = reactor.get_mut(token) {
            client.deadline = Some(timer);
        }
        Ok(token)
    }

    /// Arms a timer, counted from now.
    fn arm(&mut self, delay: Duration, about: Deadline) -> TimerId {
        let now = self.clock.now();
        if self.wheel.is_empty() {
            // Without timers it was not told the time.
            self.wheel.expire(now, &mut self.due);
        }
        self.wheel.insert(now + delay, about)
    }

    fn complete_send(&mut self, session: &mut Session, ticket: Ticket, outcome: Result<Outcome>) {
        self.sends.remove(&ticket);
        session.complete_operation(ticket.operation, outcome);
        self.complete_counts(session);
    }

    /// Answers every count whose sends have all ended.
    fn complete_counts(&mut self, session: &mut Session) {
        let oldest = self.sends.first().map_or(u64::MAX, |ticket| ticket.number);
        while let Some(&(until, id)) = self.counts.front()
            && until <= oldest
        {
            self.counts.pop_front();
            let stats = self
                .listening
                .as_ref()
                .map(|listening| listening.server.stats());
            let stats = stats.unwrap_or_default();
            let stats = TcpEchoStats {
                connections: stats.total_connections,
                bytes: stats.total_bytes,
            };
            session.complete_operation(id, Ok(Outcome::Stats(stats)));
        }
    }

    /// Serves the listener: connections in, within the turn's bound.
    pub(super) fn accept(&mut self, reactor: &mut Reactor<Source>, session: &mut Session) {
        let Some(Listening { server, token }) = &mut self.listening else {
            return;
        };
        let accepting = server.accept(&mut self.accepted);
        for connection in self.accepted.drain(..) {
            let fd = connection.as_raw_fd();
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = reactor.insert(fd, interest, Source::Connection(connection)) {
                session.log(format_args!(
                    "a TCP echo connection was closed at once: {error}"
                ));
                server.refused();
            }
        }
        match accepting {
            Accepting::Idle => reactor.clear(*token, crate::reactor::Readiness::READABLE),
            Accepting::CarryOver => reactor.carry_over(*token),
            Accepting::Paused(reason) => {
                if let Some(reason) = reason {
                    session.log(format_args!(
                        "TCP echo accepts no connections for now: {reason}"
                    ));
                }
                if !self.retries_accept {
                    self.arm(Duration::from_millis(ACCEPT_RETRY_MS), Deadline::Accept);
                    self.retries_accept = true;
                }
            }
        }
    }

    /// Serves one connection of the server. Returns how many bytes it brought.
    pub(super) fn serve(&mut self, reactor: &mut Reactor<Source>, token: Token) -> usize {
        let readiness = to_tcp(reactor.readiness(token));
        let Some(Listening { server, .. }) = &mut self.listening else {
            return 0;
        };
        let Some(Source::Connection(connection)) = reactor.get_mut(token) else {
            return 0;
        };
        let progress = server.serve(connection, readiness);
        reactor.clear(token, from_tcp(progress.used_up));
        match progress.next {
            Next::Wait => {}
            Next::CarryOver => reactor.carry_over(token),
            Next::Finished(_either_way) => self.finished.push(token),
        }
        progress.received_bytes
    }

    /// Serves the client side of one exchange. Returns how many bytes it brought.
    pub(super) fn exchange(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        token: Token,
    ) -> usize {
        let readiness = to_tcp(reactor.readiness(token));
        let Some(Source::Client(client)) = reactor.get_mut(token) else {
            return 0;
        };
        let progress = client.exchange.ready(readiness);
        let (ticket, deadline) = (client.ticket, client.deadline);
        reactor.clear(token, from_tcp(progress.used_up));
        match progress.next {
            Next::Wait => {}
            Next::CarryOver => reactor.carry_over(token),
            Next::Finished(result) => {
                self.finished.push(token);
                if let Some(deadline) = deadline
                    && self.wheel.cancel(deadline).is_none()
                {
                    // Its deadline has told the caller already.
                    return progress.received_bytes;
                }
                let outcome = match result {
                    Ok(data) => Ok(Outcome::Echoed { data }),
                    Err(error) => Err(SendError::Exchange(error).into()),
                };
                self.complete_send(session, ticket, outcome);
            }
        }
        progress.received_bytes
    }

    /// Fires the deadlines that are due at `now`.
    pub(super) fn expire(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        now: Instant,
    ) {
        self.wheel.expire(now, &mut self.due);
        if self.due.is_empty() {
            return; // as in almost every turn
        }
        let mut due = std::mem::take(&mut self.due);
        for deadline in due.drain(..) {
            match deadline {
                Deadline::Accept => {
                    self.retries_accept = false;
                    if let Some(Listening { token, .. }) = &self.listening {
                        reactor.carry_over(*token);
                    }
                }
                Deadline::Client(token) => {
                    let Some(Source::Client(client)) = reactor.get(token) else {
                        continue;
                    };
                    let ticket = client.ticket;
                    let error = Error::timeout(client.exchange.timed_out().to_string());
                    self.finished.push(token);
                    self.complete_send(session, ticket, Err(error));
                }
            }
        }
        self.due = due;
    }

    /// Ends every send that has no outcome: the process ends, and its time for
    /// sockets is over. Of an exchange in flight nobody knows how far it came, which
    /// is error 0; what has not begun never will, which is error 11.
    pub(super) fn give_up(&mut self, reactor: &Reactor<Source>, session: &mut Session) {
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
            self.finished.push(token);
            let text = format!(
                "stdin ended {} s ago and this exchange is not over; what the echo server got \
                 of it is unknown",
                DRAIN_DEADLINE.as_secs()
            );
            self.complete_send(session, client.ticket, Err(Error::timeout(text)));
        }
        self.refuse_queued(session);
    }

    fn refuse_queued(&mut self, session: &mut Session) {
        while let Some((ticket, _data)) = self.queued.pop_front() {
            let text = "stdin has ended and this send has not begun; it never will: \
                        ask again when the node was started anew";
            let error = Error::temporarily_unavailable(text);
            self.complete_send(session, ticket, Err(error));
        }
    }

    /// Closes what has finished, out of the reactor first, and lets those that
    /// waited for a place have it.
    pub(super) fn close_finished(&mut self, reactor: &mut Reactor<Source>, session: &mut Session) {
        if !self.finished.is_empty() {
            let mut finished = std::mem::take(&mut self.finished);
            for token in finished.drain(..) {
                let Some(fd) = reactor.get(token).and_then(Source::fd) else {
                    continue;
                };
                self.close(reactor, token, fd);
            }
            self.finished = finished;
        }
        if !self.queued.is_empty() {
            self.send_queued(reactor, session);
        }
    }

    fn close(&mut self, reactor: &mut Reactor<Source>, token: Token, fd: RawFd) {
        match reactor.remove(token, fd) {
            Some(Source::Connection(connection)) => {
                if let Some(Listening { server, token }) = &mut self.listening
                    && server.released(connection)
                {
                    reactor.carry_over(*token);
                }
            }
            Some(Source::Client(client)) => {
                drop(client);
                self.exchanges.retain(|&other| other != token);
            }
            Some(_standard_stream_or_listener) => {}
            None => {}
        }
    }
}
