//! The carrier: a link's bytes on a socket of its owner's reactor.
//!
//! The loop of a node has its own one (`runtime/broker.rs`), with the bounds between broker
//! and session. Here the owner takes each line as it comes.
//!
//! A host's name is looked up in place, which blocks. The owner has no connection then, so
//! no message waits for it.

use crate::engine::{Link, Nats, Need, Sink};
use crate::reactor::{Interest, Reactor, Token};
use crate::source::{Next, Progress, Readiness, Reason};
use crate::sys::{self, Descriptor, socket};
use crate::time::Instant;
use crate::wire::LINE_BYTES_MAX;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

/// A source of a reactor that can be the socket of a carrier.
pub(crate) trait Carries: AsRawFd {
    /// The source of that socket.
    fn socket(fd: Descriptor) -> Self;
    /// The socket, if the source is one.
    fn as_socket(&self) -> Option<&Descriptor>;
}

/// A link with its socket.
pub(crate) struct Carrier {
    link: Link,
    socket: Option<Socket>,
    /// The attempt for which addresses were looked up.
    asked: u64,
    /// Addresses of the attempt's server that were not tried.
    addresses: VecDeque<SocketAddr>,
}

/// The socket of an attempt.
#[derive(Debug, Clone, Copy)]
struct Socket {
    token: Token,
    attempt: u64,
    is_connected: bool,
}

impl Carrier {
    /// A carrier of messages to `names`.
    pub(crate) fn new(nats: &Nats, names: Vec<String>, now: Instant) -> Carrier {
        let seed = sys::random_seed();
        Carrier {
            link: Link::new(nats, names, LINE_BYTES_MAX, seed, now),
            socket: None,
            asked: 0,
            addresses: VecDeque::new(),
        }
    }

    /// Carries messages to another name too, from now on.
    pub(crate) fn add_name(&mut self, name: &str) {
        self.link.add_name(name.to_owned());
    }

    /// Whether messages reach the server.
    pub(crate) fn is_ready(&self) -> bool {
        self.link.is_ready()
    }

    /// When [`flush`](Carrier::flush) has work at the latest.
    pub(crate) fn deadline(&self) -> Instant {
        self.link.deadline()
    }

    /// Sends a line, if the carrier is ready and the server takes more.
    pub(crate) fn publish(&mut self, line: &[u8], sink: &mut impl Sink) {
        if self.link.is_ready() && self.link.has_room() {
            self.link.publish(line, sink);
        }
    }

    /// Serves the socket, which is ready: one read.
    pub(crate) fn serve<S: Carries>(
        &mut self,
        reactor: &mut Reactor<S>,
        token: Token,
        now: Instant,
        sink: &mut impl Sink,
    ) {
        let readiness = reactor.readiness(token);
        let mut left = readiness;
        let mut received_bytes = 0;
        if let Some(socket) = self.socket.filter(|socket| socket.token == token)
            && let Some(fd) = reactor.get(token).and_then(Carries::as_socket)
        {
            if !socket.is_connected {
                self.connected(fd, &mut left, now, sink);
            } else if left.is_readable() {
                received_bytes = self.read(fd, &mut left, now, sink);
            }
        }
        let next = match self.socket {
            Some(socket) if socket.token == token => match left.is_readable() {
                true if socket.is_connected => Next::CarryOver(Reason::BoundReached),
                _ => Next::Wait,
            },
            _ => Next::Finished(()),
        };
        let used_up = readiness.without(left);
        let progress = Progress {
            received_bytes,
            used_up,
            next,
        };
        reactor.apply(token, &progress);
    }

    fn connected(
        &mut self,
        fd: &Descriptor,
        left: &mut Readiness,
        now: Instant,
        sink: &mut impl Sink,
    ) {
        if !left.is_writable() {
            return;
        }
        match socket::connect_result(fd) {
            Ok(()) => {
                self.link.connected(now);
                if let Some(socket) = &mut self.socket {
                    socket.is_connected = true;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                left.remove(Readiness::WRITABLE);
            }
            // The flush tries the next address.
            Err(_) if !self.addresses.is_empty() => self.socket = None,
            Err(error) => {
                self.link.lose(&error, now, sink);
                self.socket = None;
            }
        }
    }

    fn read(
        &mut self,
        fd: &Descriptor,
        left: &mut Readiness,
        now: Instant,
        sink: &mut impl Sink,
    ) -> usize {
        let mut received = 0;
        match socket::read(fd, self.link.space()) {
            Ok(0) => self
                .link
                .lose(&"the server has closed the connection", now, sink),
            Ok(count) => {
                received = count;
                self.link.received(count, now, sink);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                left.remove(Readiness::READABLE);
            }
            Err(error) => self.link.lose(&error, now, sink),
        }
        if self.link.need().1 == Need::Nothing {
            self.socket = None;
        }
        received
    }

    /// Acts on the deadline, writes, and opens and closes sockets as the link needs them.
    pub(crate) fn flush<S: Carries>(
        &mut self,
        reactor: &mut Reactor<S>,
        now: Instant,
        sink: &mut impl Sink,
    ) {
        self.link.expire(now, sink);
        self.write(reactor, now, sink);
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
        let mut failure = io::Error::other("it has no address");
        if self.asked != attempt {
            self.asked = attempt;
            self.addresses.clear();
            match socket::addresses(&server.host, server.port) {
                Ok(addresses) => self.addresses.extend(addresses),
                Err(error) => failure = error,
            }
        }
        while let Some(address) = self.addresses.pop_front() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let connected = socket::connect(address);
            match connected.and_then(|fd| reactor.insert(S::socket(fd), interest)) {
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
        self.link.lose(&failure, now, sink);
    }

    fn write<S: Carries>(&mut self, reactor: &mut Reactor<S>, now: Instant, sink: &mut impl Sink) {
        let Some(Socket { token, .. }) = self.socket.filter(|socket| socket.is_connected) else {
            return;
        };
        while !self.link.output().is_empty()
            && reactor.readiness(token).is_writable()
            && let Some(fd) = reactor.get(token).and_then(Carries::as_socket)
        {
            match socket::write(fd, self.link.output()) {
                Ok(count) => self.link.written(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let used_up = Readiness::WRITABLE;
                    let progress = Progress::idle(Next::Wait);
                    reactor.apply(
                        token,
                        &Progress {
                            used_up,
                            ..progress
                        },
                    );
                }
                Err(error) => return self.link.lose(&error, now, sink),
            }
        }
    }
}
