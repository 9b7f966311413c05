//! The broker: a NATS server as a source of the loop, in place of stdin and stdout.
//!
//! ```text
//!   step 3  ready    socket ── bytes ──> Carrier ── lines ──> session
//!   step 4  expire   the carrier's deadline on the session's wheel
//!   step 6  flush    session ── lines ──> Carrier ── bytes ──> socket
//!                    then: opens and closes sockets
//! ```
//!
//! All decisions about NATS are the link's (`engine/link.rs`), and the carrier
//! (`carrier.rs`) has its socket. This file has the bounds of a turn, and two others: what
//! waits for the server, and what waits for the session.
//!
//! | the link | what the node says |
//! |---|---|
//! | was never ready | waits in the session's output |
//! | is ready | is written; above the link's bound it waits in the session's output |
//! | was ready, and has the socket of the next connection | waits: a server hands messages out before it has answered the handshake |
//! | was ready and has no socket | is dropped and counted: it is lost, as on any network |
//!
//! Where the session's output has its bound, calls and sends end with error 11, as with
//! a reader of stdout that is slow.
//!
//! Invariant: the carrier's deadline is the one on the wheel at the end of each turn.
//!
//! Read next: `inbox.rs`.

use super::inbox::Inbox;
use super::options::Options;
use super::source::Source;
use super::timing::TurnClock;
use crate::carrier::{Carrier, Carries};
use crate::engine::Sink;
use crate::notices::Topic;
use crate::reactor::{Reactor, Token};
use crate::session::Session;
use crate::source::{Progress, Readiness, Reason};
use crate::sys::Descriptor;
use crate::time::{Clock, Instant, TimerId};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

/// The key of the carrier's deadline: the largest one. Those of TCP count up from 0.
pub(super) const DEADLINE: u64 = u64::MAX >> 1;

/// How many writes one turn makes: 4, as to stdout.
const WRITES_PER_TURN: usize = 4;

/// The way of all messages of this node through a NATS server.
pub(super) struct Broker {
    carrier: Carrier,
    armed: Option<(Instant, TimerId)>,
    inbox: Inbox,
    line_bytes_max: usize,
    was_ready: bool,
    /// Messages of this node that were dropped since the link was ready.
    lost: u64,
}

impl Carries for Source {
    fn socket(fd: Descriptor) -> Source {
        Source::Broker(fd)
    }

    fn as_socket(&self) -> Option<&Descriptor> {
        match self {
            Source::Broker(fd) => Some(fd),
            _ => None,
        }
    }
}

impl Broker {
    /// The broker that the options name. `wake` ends a wait of the loop.
    ///
    /// # Errors
    /// When the options do not name the node.
    pub(super) fn of(
        options: &Options,
        clock: Rc<dyn Clock>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Option<Box<Broker>>> {
        let Some(nats) = &options.nats else {
            return Ok(None);
        };
        let Some(identity) = &options.identity else {
            let text = "on NATS a node needs its name and those of all nodes: --node and --nodes";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        let names = vec![identity.node_id.clone()];
        let limit = options.line_bytes_max;
        Ok(Some(Box::new(Broker {
            carrier: Carrier::new(nats, names, limit, options.seed, clock, Arc::new(wake)),
            armed: None,
            inbox: Inbox::default(),
            line_bytes_max: limit,
            was_ready: false,
            lost: 0,
        })))
    }

    /// Whether more has arrived than the turn has read.
    pub(super) fn has_more(&self, reactor: &Reactor<Source>) -> bool {
        let socket = self.carrier.connected();
        socket.is_some_and(|token| reactor.readiness(token).is_readable())
    }

    /// Receives the messages that are there: a share of those that wait, and one read.
    ///
    /// Not inlined: a loop without a broker would save the registers that it needs.
    #[inline(never)]
    pub(super) fn ready(
        &mut self,
        token: Token,
        fd: &Descriptor,
        readiness: Readiness,
        session: &mut Session,
        clock: &TurnClock,
    ) -> Progress {
        if self.carrier.connected() == Some(token) {
            self.inbox.empty_into(session);
        }
        let mut sink = Incoming {
            session,
            inbox: &mut self.inbox,
            line_bytes_max: self.line_bytes_max,
        };
        let progress = self
            .carrier
            .ready(token, fd, readiness, clock.now(), &mut sink);
        session.rest();
        progress
    }

    /// The carrier's deadline has come. The next one comes within seconds, in every state of
    /// the link, so this is also the time to tell of lines that were left out.
    pub(super) fn expire(&mut self, session: &mut Session, now: Instant) {
        self.armed = None;
        self.carrier.expire(now, &mut Lines(session));
        session.tell_left_out();
    }

    /// Sends the node's messages, and does what the link needs. Not inlined either.
    #[inline(never)]
    pub(super) fn flush(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        clock: &TurnClock,
    ) {
        for _ in 0..WRITES_PER_TURN {
            self.publish(session);
            if !self.carrier.has_output() {
                break;
            }
            let took_all = self
                .carrier
                .write(reactor, clock.now(), &mut Lines(session));
            if !took_all {
                break;
            }
        }
        if self.carrier.is_ready() {
            self.was_ready = true;
            self.tell_lost(session);
        }
        self.carrier
            .attend(reactor, clock.now(), &mut Lines(session));
        if let Some(token) = self.carrier.connected() {
            let may_feed = !self.inbox.is_empty() && !session.is_congested();
            // The writes of this turn were too few for all that is there, and the socket took
            // them: no edge follows.
            let is_left = self.carrier.has_output()
                || self.carrier.is_ready() && !session.output().is_empty();
            let may_write = is_left && reactor.readiness(token).is_writable();
            if may_feed || may_write {
                reactor.carry_over(token, Reason::BackpressureOver);
            }
        }
        self.arm(session);
    }

    /// Moves the node's messages to the link; see the table on this page.
    fn publish(&mut self, session: &mut Session) {
        if session.output().is_empty() {
            return;
        }
        if !self.carrier.is_ready() {
            if self.was_ready && self.carrier.connected().is_none() {
                let mut output = session.output();
                let lines = memchr::memchr_iter(b'\n', output.pending()).count();
                self.lost += u64::try_from(lines).unwrap_or(u64::MAX);
                let len = output.len();
                output.consume(len);
            }
            return;
        }
        let mut outgoing = Outgoing {
            inbox: &mut self.inbox,
            log: Vec::new(),
        };
        let mut output = session.output();
        let mut taken = 0;
        while self.carrier.has_room()
            && let rest = &output.pending()[taken..]
            && let Some(len) = memchr::memchr(b'\n', rest)
        {
            self.carrier.publish(&rest[..len], &mut outgoing);
            taken += len + 1;
        }
        output.consume(taken);
        drop(output);
        for (topic, line) in outgoing.log {
            session.notice(topic, format_args!("{line}"));
        }
    }

    fn tell_lost(&mut self, session: &Session) {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            let text = "messages of this node that were lost while no server was connected";
            session.notice(Topic::Unsent, format_args!("{text}: {lost}"));
        }
    }

    /// How many bytes wait for the server, and how many for the session.
    #[cfg(test)]
    pub(super) fn held(&mut self) -> (usize, usize) {
        (self.carrier.output_bytes(), self.inbox.bytes())
    }

    /// Puts the carrier's deadline on the session's wheel.
    fn arm(&mut self, session: &Session) {
        let deadline = self.carrier.deadline();
        if let Some((armed, timer)) = self.armed {
            if armed == deadline {
                return;
            }
            session.disarm_owner(timer);
        }
        self.armed = Some((deadline, session.arm_owner(deadline, DEADLINE)));
    }
}

/// Takes what a server sends to the session, or to the inbox if others wait there.
struct Incoming<'a> {
    session: &'a mut Session,
    inbox: &'a mut Inbox,
    line_bytes_max: usize,
}

impl Sink for Incoming<'_> {
    fn line(&mut self, line: &[u8]) {
        if self.inbox.is_empty() && !self.session.is_congested() {
            self.session.receive(line);
        } else if !self.inbox.push(line) {
            let text = "this node takes its messages too slowly: messages are dropped from now on";
            self.log(Topic::Bound, format_args!("{text}"));
        }
    }

    fn too_long(&mut self, excerpt: &[u8]) {
        self.session.receive_too_long(excerpt, self.line_bytes_max);
    }

    fn log(&mut self, topic: Topic, text: fmt::Arguments<'_>) {
        self.session.notice(topic, text);
    }
}

/// Takes what a link says while the session's output is lent out: the session gets it in
/// the next turn.
struct Outgoing<'a> {
    inbox: &'a mut Inbox,
    log: Vec<(Topic, String)>,
}

impl Sink for Outgoing<'_> {
    fn line(&mut self, line: &[u8]) {
        self.inbox.keep(line);
    }

    fn too_long(&mut self, _excerpt: &[u8]) {}

    fn log(&mut self, topic: Topic, text: fmt::Arguments<'_>) {
        self.log.push((topic, text.to_string()));
    }
}

/// Takes only lines for people.
struct Lines<'a>(&'a mut Session);

impl Sink for Lines<'_> {
    fn line(&mut self, _line: &[u8]) {}

    fn too_long(&mut self, _excerpt: &[u8]) {}

    fn log(&mut self, topic: Topic, text: fmt::Arguments<'_>) {
        self.0.notice(topic, text);
    }
}
