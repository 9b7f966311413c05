//! The broker: a NATS server as a source of the loop, in place of stdin and stdout.
//!
//! ```text
//!   step 3  ready    socket ── bytes ──> Link ── lines ──> session
//!   step 4  expire   the link's deadline on the session's wheel
//!   step 6  flush    session ── lines ──> Link ── bytes ──> socket
//!                    then: closes and opens sockets as the link needs them
//! ```
//!
//! All decisions about NATS are the link's (`engine/link.rs`). This file has the
//! descriptor, the names of hosts, and the two bounds: what waits for the server, and
//! what waits for the session.
//!
//! | the link | what the node says |
//! |---|---|
//! | was never ready | waits in the session's output |
//! | is ready | is written; above the link's bound it waits in the session's output |
//! | was ready and is not | is dropped and counted: it is lost, as on any network |
//!
//! Where the session's output has its bound, calls and sends end with error 11, as with
//! a reader of stdout that is slow.
//!
//! Invariants: at most one socket is in the reactor that is not finished. The link's
//! deadline is the one on the wheel at the end of each turn.
//!
//! Read next: `inbox.rs`.

use super::inbox::Inbox;
use super::options::Options;
use super::source::Source;
use super::timing::TurnClock;
use crate::engine::{Link, Need, Sink};
use crate::reactor::{Interest, Reactor, Token};
use crate::session::Session;
use crate::source::{Next, Progress, Readiness, Reason};
use crate::sys::{self, Descriptor, socket};
use crate::time::{Instant, TimerId};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// The key of the link's deadline: the largest one. Those of TCP count up from 0.
pub(super) const DEADLINE: u64 = u64::MAX >> 1;

/// How many writes one turn makes: 4, as to stdout.
const WRITES_PER_TURN: usize = 4;

/// The way of all messages of this node through a NATS server.
pub(super) struct Broker {
    link: Link,
    socket: Option<Socket>,
    /// The attempt for which addresses were asked.
    asked: u64,
    /// Addresses of the attempt's server that were not tried.
    addresses: VecDeque<SocketAddr>,
    /// The answer of the thread that looks a name up.
    lookup: Option<Receiver<io::Result<Vec<SocketAddr>>>>,
    wake: Arc<dyn Fn() + Send + Sync>,
    armed: Option<(Instant, TimerId)>,
    inbox: Inbox,
    line_bytes_max: usize,
    was_ready: bool,
    /// Messages of this node that were dropped since the link was ready.
    lost: u64,
}

/// The socket of an attempt.
#[derive(Debug, Clone, Copy)]
struct Socket {
    token: Token,
    attempt: u64,
    is_connected: bool,
}

impl Broker {
    /// The broker that the options name. `wake` ends a wait of the loop.
    ///
    /// # Errors
    /// When the options do not name the node.
    pub(super) fn of(
        options: &Options,
        session: &Session,
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
        let seed = options.seed.unwrap_or_else(sys::random_seed);
        let now = session.now();
        Ok(Some(Box::new(Broker {
            link: Link::new(nats, names, options.line_bytes_max, seed, now),
            socket: None,
            asked: 0,
            addresses: VecDeque::new(),
            lookup: None,
            wake: Arc::new(wake),
            armed: None,
            inbox: Inbox::default(),
            line_bytes_max: options.line_bytes_max,
            was_ready: false,
            lost: 0,
        })))
    }

    /// Whether more has arrived than the turn has read.
    pub(super) fn has_more(&self, reactor: &Reactor<Source>) -> bool {
        let readiness = |socket: Socket| reactor.readiness(socket.token);
        self.socket
            .is_some_and(|socket| readiness(socket).is_readable())
    }

    /// Receives the messages that are there: one read, and a share of those that wait.
    pub(super) fn ready(
        &mut self,
        token: Token,
        fd: &Descriptor,
        readiness: Readiness,
        session: &mut Session,
        clock: &TurnClock,
    ) -> Progress {
        let mut left = readiness;
        let received_bytes = match self.socket {
            Some(socket) if socket.token == token => {
                self.serve(socket, fd, &mut left, session, clock.now())
            }
            _ => return Progress::idle(Next::Finished(())),
        };
        session.rest();
        let next = match self.socket {
            None => Next::Finished(()),
            Some(socket) if socket.is_connected && left.is_readable() => {
                Next::CarryOver(Reason::BoundReached)
            }
            Some(_) => Next::Wait,
        };
        Progress {
            received_bytes,
            used_up: readiness.without(left),
            next,
        }
    }

    fn serve(
        &mut self,
        socket: Socket,
        fd: &Descriptor,
        left: &mut Readiness,
        session: &mut Session,
        now: Instant,
    ) -> usize {
        if !socket.is_connected && !self.connected(fd, left, session, now) {
            return 0;
        }
        self.inbox.empty_into(session);
        if !left.is_readable() {
            return 0;
        }
        let space = self.link.space();
        let room = space.len();
        match socket::read(fd, space) {
            Ok(0) => self.lose(&"the server has closed the connection", session, now),
            Ok(count) => {
                if count < room && !left.is_read_closed() {
                    left.remove(Readiness::READABLE);
                }
                let mut sink = Incoming {
                    session,
                    inbox: &mut self.inbox,
                    line_bytes_max: self.line_bytes_max,
                };
                self.link.received(count, now, &mut sink);
                self.forget_lost_socket();
                return count;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                left.remove(Readiness::READABLE);
            }
            Err(error) => self.lose(&error, session, now),
        }
        0
    }

    /// Whether the socket is connected, as SO_ERROR says.
    fn connected(
        &mut self,
        fd: &Descriptor,
        left: &mut Readiness,
        session: &mut Session,
        now: Instant,
    ) -> bool {
        if !left.is_writable() {
            return false;
        }
        match socket::connect_result(fd) {
            Ok(()) => {
                self.link.connected(now);
                if let Some(socket) = &mut self.socket {
                    socket.is_connected = true;
                }
                return true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                left.remove(Readiness::WRITABLE);
            }
            // The flush tries the next address.
            Err(_) if !self.addresses.is_empty() => self.socket = None,
            Err(error) => self.lose(&error, session, now),
        }
        false
    }

    /// The link's deadline has come.
    pub(super) fn expire(&mut self, session: &mut Session, now: Instant) {
        self.armed = None;
        self.link.expire(now, &mut Lines(session));
    }

    fn lose(&mut self, why: &dyn fmt::Display, session: &mut Session, now: Instant) {
        self.link.lose(why, now, &mut Lines(session));
        self.forget_lost_socket();
    }

    /// Forgets the socket if the link has given it up while it was served. The answer of
    /// the source closes it.
    fn forget_lost_socket(&mut self) {
        if !matches!(self.link.need(), (_, Need::Socket(_) | Need::Bytes)) {
            self.socket = None;
        }
    }

    /// Sends the node's messages, and does what the link needs.
    pub(super) fn flush(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        clock: &TurnClock,
    ) {
        for _ in 0..WRITES_PER_TURN {
            self.publish(session);
            if !self.write(reactor, session, clock) {
                break;
            }
        }
        self.attend(reactor, session, clock);
        if let Some(socket) = self.socket {
            let may_feed = !self.inbox.is_empty() && !session.is_congested();
            // The writes of this turn were too few for all that is there.
            let is_left = !self.link.output().is_empty()
                || self.link.is_ready() && !session.output().is_empty();
            let may_write = is_left && reactor.readiness(socket.token).is_writable();
            if socket.is_connected && (may_feed || may_write) {
                reactor.carry_over(socket.token, Reason::BackpressureOver);
            }
        }
        self.arm(session);
    }

    /// Moves the node's messages to the link; see the table on this page.
    fn publish(&mut self, session: &mut Session) {
        if session.output().is_empty() {
            return;
        }
        if !self.link.is_ready() {
            if self.was_ready {
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
        while self.link.has_room()
            && let rest = &output.pending()[taken..]
            && let Some(len) = memchr::memchr(b'\n', rest)
        {
            self.link.publish(&rest[..len], &mut outgoing);
            taken += len + 1;
        }
        output.consume(taken);
        drop(output);
        for line in outgoing.log {
            session.log(format_args!("{line}"));
        }
    }

    /// Writes once. Returns whether there is more to write, and room for it.
    fn write(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        clock: &TurnClock,
    ) -> bool {
        let Some(socket) = self.socket else {
            return false;
        };
        let is_writable = reactor.readiness(socket.token).is_writable();
        if self.link.output().is_empty() || !is_writable {
            return false;
        }
        let Some(Source::Broker(fd)) = reactor.get(socket.token) else {
            return false;
        };
        let offered = self.link.output();
        let all = offered.len();
        let (count, is_full) = match socket::write(fd, offered) {
            Ok(count) => (count, count < all),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (0, true),
            Err(error) => {
                // `attend` closes the socket.
                self.link.lose(&error, clock.now(), &mut Lines(session));
                return false;
            }
        };
        self.link.written(count);
        if is_full {
            let used_up = Readiness::WRITABLE;
            reactor.apply(
                socket.token,
                &Progress {
                    used_up,
                    ..Progress::idle(Next::Wait)
                },
            );
        }
        !is_full && !session.output().is_empty()
    }

    /// Opens and closes sockets as the link needs them.
    fn attend(&mut self, reactor: &mut Reactor<Source>, session: &mut Session, clock: &TurnClock) {
        if self.link.is_ready() && (!self.was_ready || self.lost > 0) {
            self.was_ready = true;
            self.tell_lost(session);
        }
        let (attempt, need) = self.link.need();
        if let Some(socket) = self.socket
            && (socket.attempt != attempt || need == Need::Nothing)
        {
            reactor.finish(socket.token);
            self.socket = None;
        }
        let Need::Socket(server) = need else {
            return;
        };
        if self.socket.is_some() {
            return;
        }
        if self.asked != attempt {
            self.asked = attempt;
            self.addresses.clear();
            self.lookup = None;
            match server.host.parse() {
                Ok(ip) => self.addresses.push_back(SocketAddr::new(ip, server.port)),
                Err(_) => self.lookup = Some(look_up(&server.host, server.port, &self.wake)),
            }
        }
        self.connect(reactor, session, clock, attempt);
    }

    fn tell_lost(&mut self, session: &Session) {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            session.log(format_args!(
                "messages of this node that were lost while no server was connected: {lost}"
            ));
        }
    }

    /// Connects to the next address of the attempt's server.
    fn connect(
        &mut self,
        reactor: &mut Reactor<Source>,
        session: &mut Session,
        clock: &TurnClock,
        attempt: u64,
    ) {
        let mut failure = io::Error::other("it has no address");
        match self.lookup.as_ref().map(Receiver::try_recv) {
            None => {}
            Some(Err(TryRecvError::Empty)) => return,
            Some(Ok(Ok(addresses))) => self.addresses.extend(addresses),
            Some(Ok(Err(error))) => failure = error,
            Some(Err(TryRecvError::Disconnected)) => {
                failure = io::Error::other("its address cannot be looked up");
            }
        }
        self.lookup = None;
        while let Some(address) = self.addresses.pop_front() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let connected = socket::connect(address);
            match connected.and_then(|fd| reactor.insert(Source::Broker(fd), interest)) {
                Ok(token) => {
                    self.socket = Some(Socket {
                        token,
                        attempt,
                        is_connected: false,
                    });
                    return;
                }
                Err(error) => failure = error,
            }
        }
        self.link.lose(&failure, clock.now(), &mut Lines(session));
    }

    /// Puts the link's deadline on the session's wheel.
    fn arm(&mut self, session: &Session) {
        let deadline = self.link.deadline();
        if let Some((armed, timer)) = self.armed {
            if armed == deadline {
                return;
            }
            session.disarm_owner(timer);
        }
        self.armed = Some((deadline, session.arm_owner(deadline, DEADLINE)));
    }
}

/// Looks a name up on a thread of its own: the system's resolver blocks.
fn look_up(
    host: &str,
    port: u16,
    wake: &Arc<dyn Fn() + Send + Sync>,
) -> Receiver<io::Result<Vec<SocketAddr>>> {
    let (answer, receiver) = channel();
    let (host, wake) = (host.to_owned(), wake.clone());
    let run = move || {
        let _not_waited_for = answer.send(socket::addresses(&host, port));
        wake();
    };
    // Without a thread the channel is closed, which the receiver takes as a failure.
    let _thread = std::thread::Builder::new()
        .name("lookup".to_owned())
        .spawn(run);
    receiver
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
            self.log(format_args!(
                "this node takes its messages too slowly: messages are dropped from now on"
            ));
        }
    }

    fn too_long(&mut self, excerpt: &[u8]) {
        self.session.receive_too_long(excerpt, self.line_bytes_max);
    }

    fn log(&mut self, text: fmt::Arguments<'_>) {
        self.session.log(text);
    }
}

/// Takes what a link says while the session's output is lent out: the session gets it in
/// the next turn.
struct Outgoing<'a> {
    inbox: &'a mut Inbox,
    log: Vec<String>,
}

impl Sink for Outgoing<'_> {
    fn line(&mut self, line: &[u8]) {
        self.inbox.keep(line);
    }

    fn too_long(&mut self, _excerpt: &[u8]) {}

    fn log(&mut self, text: fmt::Arguments<'_>) {
        self.log.push(text.to_string());
    }
}

/// Takes only lines for people.
struct Lines<'a>(&'a mut Session);

impl Sink for Lines<'_> {
    fn line(&mut self, _line: &[u8]) {}

    fn too_long(&mut self, _excerpt: &[u8]) {}

    fn log(&mut self, text: fmt::Arguments<'_>) {
        self.0.log(text);
    }
}
