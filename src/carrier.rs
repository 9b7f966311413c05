//! The carrier: the bytes of a link on sockets of its owner's reactor.
//!
//! ```text
//!             a server          addresses              connected
//!     none ────────────> looking ────────> connecting ──────────> connected
//!      ^                  up │                 │  │ refused: the     │
//!      │                     │ none            │  └─ next address    │
//!      └─────────────────────┴─────────────────┴─────────────────────┘
//!                 the link has given the attempt up
//! ```
//!
//! A link says for which server it needs a socket, and when it does not need it any more.
//! The carrier finds the addresses of that server, tries one after the other, reads and
//! writes. The system's resolver blocks, so a name is looked up on a thread of its own.
//! async-nats and nats.go also try all addresses of a name in one attempt.
//!
//! The owner has the reactor and the [`Sink`] for what arrives. A node's loop is one owner
//! (`runtime/broker.rs`), with bounds for a turn and between broker and session. The other
//! one is a reactor of its own (`client/port.rs`), which takes each line as it comes.
//!
//! # Invariants
//! - At most one socket is in the reactor that is not finished.
//! - A call of [`ready`](Carrier::ready) reads once, and one of [`write`](Carrier::write)
//!   writes once.
//!
//! Read next: `engine/link.rs`; `runtime/broker.rs`.

use crate::engine::{Link, Nats, Need, Sink};
use crate::reactor::{Interest, Reactor, Token};
use crate::source::{Next, Progress, Readiness, Reason};
use crate::sys::{self, Descriptor, socket};
use crate::time::{Clock, Instant};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// A source of a reactor that can be the socket of a carrier.
pub(crate) trait Carries: AsRawFd {
    /// The source of that socket.
    fn socket(fd: Descriptor) -> Self;
    /// The socket, if the source is one.
    fn as_socket(&self) -> Option<&Descriptor>;
}

/// Ends a wait of the owner's reactor. The owner then calls [`Carrier::attend`].
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// The addresses of a server's name, once they are known.
type Lookup = Receiver<io::Result<Vec<SocketAddr>>>;

/// A link with its socket.
pub(crate) struct Carrier {
    link: Link,
    /// For the time of day, by which certificates end.
    clock: Rc<dyn Clock>,
    stage: Stage,
    /// The attempt of the link that the stage belongs to.
    attempt: u64,
    /// Addresses of the attempt's server that were not tried.
    addresses: VecDeque<SocketAddr>,
    /// The addresses that were found by its name, as text for a person.
    found: String,
    wake: Wake,
}

/// See the picture above.
enum Stage {
    None,
    LookingUp(Lookup),
    Connecting(Token),
    Connected(Token),
}

impl Stage {
    fn token(&self) -> Option<Token> {
        match self {
            Stage::None | Stage::LookingUp(_) => None,
            Stage::Connecting(token) | Stage::Connected(token) => Some(*token),
        }
    }
}

impl Carrier {
    /// A carrier of messages to `names`, each of up to `line_bytes_max` bytes. The owner
    /// wants no seed but for runs that are repeated.
    pub(crate) fn new(
        nats: &Nats,
        names: Vec<String>,
        line_bytes_max: usize,
        seed: Option<u64>,
        clock: Rc<dyn Clock>,
        wake: Wake,
    ) -> Carrier {
        let seed = seed.unwrap_or_else(sys::random_seed);
        Carrier {
            link: Link::new(nats, names, line_bytes_max, seed, clock.now()),
            clock,
            stage: Stage::None,
            attempt: 0,
            addresses: VecDeque::new(),
            found: String::new(),
            wake,
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

    /// Whether the server takes further messages.
    pub(crate) fn has_room(&self) -> bool {
        self.link.has_room()
    }

    /// Whether bytes wait for the server.
    pub(crate) fn has_output(&mut self) -> bool {
        !self.link.output().is_empty()
    }

    /// How many bytes wait for the server.
    #[cfg(test)]
    pub(crate) fn output_bytes(&mut self) -> usize {
        self.link.output().len()
    }

    /// The socket, once it is connected.
    pub(crate) fn connected(&self) -> Option<Token> {
        match self.stage {
            Stage::Connected(token) => Some(token),
            _ => None,
        }
    }

    /// When to call [`expire`](Carrier::expire).
    pub(crate) fn deadline(&self) -> Instant {
        self.link.deadline()
    }

    /// Acts on the deadline, if it has come.
    pub(crate) fn expire(&mut self, now: Instant, sink: &mut impl Sink) {
        self.link.expire(now, sink);
    }

    /// Sends a line, if the carrier is ready and the server takes more.
    pub(crate) fn publish(&mut self, line: &[u8], sink: &mut impl Sink) {
        if self.link.is_ready() && self.link.has_room() {
            self.link.publish(line, sink);
        }
    }

    /// Serves the socket, which is ready: one read.
    pub(crate) fn ready(
        &mut self,
        token: Token,
        fd: &Descriptor,
        readiness: Readiness,
        now: Instant,
        sink: &mut impl Sink,
    ) -> Progress {
        if self.stage.token() != Some(token) {
            return Progress::idle(Next::Finished(()));
        }
        let mut left = readiness;
        let mut received_bytes = 0;
        if let Stage::Connecting(_) = self.stage
            && left.is_writable()
        {
            self.take_connect_result(token, fd, &mut left, now, sink);
        }
        if let Stage::Connected(_) = self.stage
            && left.is_readable()
        {
            received_bytes = self.read(fd, &mut left, now, sink);
        }
        let next = match self.stage {
            Stage::None | Stage::LookingUp(_) => Next::Finished(()),
            Stage::Connected(_) if left.is_readable() => Next::CarryOver(Reason::BoundReached),
            Stage::Connecting(_) | Stage::Connected(_) => Next::Wait,
        };
        Progress {
            received_bytes,
            used_up: readiness.without(left),
            next,
        }
    }

    /// Whether the socket is connected, as SO_ERROR says.
    fn take_connect_result(
        &mut self,
        token: Token,
        fd: &Descriptor,
        left: &mut Readiness,
        now: Instant,
        sink: &mut impl Sink,
    ) {
        match socket::connect_result(fd) {
            Ok(()) => {
                self.stage = Stage::Connected(token);
                self.link.connected(now, self.clock.unix_time(), sink);
                self.forget_lost(fd);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                left.remove(Readiness::WRITABLE);
            }
            Err(error) => {
                self.stage = Stage::None;
                // `attend` tries the next address.
                if self.addresses.is_empty() {
                    self.lose(&error, now, sink);
                }
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
        let space = self.link.space();
        let room = space.len();
        let mut received = 0;
        match socket::read(fd, space) {
            Ok(0) => self
                .link
                .lose(&"the server has closed the connection", now, sink),
            Ok(count) => {
                received = count;
                if count < room && !left.is_read_closed() {
                    left.remove(Readiness::READABLE);
                }
                self.link.received(count, now, sink);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                left.remove(Readiness::READABLE);
            }
            Err(error) => self.link.lose(&error, now, sink),
        }
        self.forget_lost(fd);
        received
    }

    /// Forgets the socket if the link has given it up while it was served: the answer of
    /// the source closes it.
    fn forget_lost(&mut self, fd: &Descriptor) {
        if self.link.need().1 == Need::Nothing {
            self.stage = Stage::None;
            let last_words = self.link.last_words();
            if !last_words.is_empty() {
                let _not_waited_for = socket::write(fd, &last_words);
            }
        }
    }

    /// Writes once, if the socket has room. Returns whether it took everything.
    pub(crate) fn write<S: Carries>(
        &mut self,
        reactor: &mut Reactor<S>,
        now: Instant,
        sink: &mut impl Sink,
    ) -> bool {
        let Stage::Connected(token) = self.stage else {
            return false;
        };
        if !reactor.readiness(token).is_writable() {
            return false;
        }
        let offered = self.link.output();
        let all = offered.len();
        let Some(fd) = reactor.get(token).and_then(Carries::as_socket) else {
            return false;
        };
        let count = match all {
            0 => return false,
            _ => match socket::write(fd, offered) {
                Ok(count) => count,
                Err(error) if is_told_by_read(error.kind()) => 0,
                Err(error) => {
                    // `attend` closes the socket.
                    self.link.lose(&error, now, sink);
                    return false;
                }
            },
        };
        self.link.written(count);
        if count < all {
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
        count == all
    }

    /// Acts on the deadline, writes, and opens and closes sockets: for an owner that has no
    /// bound of a turn.
    pub(crate) fn flush<S: Carries>(
        &mut self,
        reactor: &mut Reactor<S>,
        now: Instant,
        sink: &mut impl Sink,
    ) {
        self.link.expire(now, sink);
        while self.write(reactor, now, sink) {}
        self.attend(reactor, now, sink);
    }

    /// Opens and closes sockets as the link needs them.
    pub(crate) fn attend<S: Carries>(
        &mut self,
        reactor: &mut Reactor<S>,
        now: Instant,
        sink: &mut impl Sink,
    ) {
        let (attempt, need) = self.link.need();
        if self.attempt != attempt || need == Need::Nothing {
            if let Some(token) = self.stage.token() {
                reactor.finish(token);
            }
            self.stage = Stage::None;
        }
        let Need::Socket(server) = need else {
            return;
        };
        if self.attempt != attempt {
            self.attempt = attempt;
            self.addresses.clear();
            self.found.clear();
            match server.host.parse::<IpAddr>() {
                Ok(ip) => self.addresses.push_back(SocketAddr::new(ip, server.port)),
                Err(_) => {
                    let lookup = look_up(&server.host, server.port, &self.wake);
                    self.stage = Stage::LookingUp(lookup);
                }
            }
        }
        let mut failure = io::Error::other("it has no address");
        if let Stage::LookingUp(lookup) = &self.stage {
            match lookup.try_recv() {
                Err(TryRecvError::Empty) => return,
                Ok(Ok(addresses)) => self.found(addresses),
                Ok(Err(error)) => failure = error,
                Err(TryRecvError::Disconnected) => {
                    failure = io::Error::other("its address cannot be looked up");
                }
            }
            self.stage = Stage::None;
        }
        if let Stage::None = self.stage
            && let Err(error) = self.connect(reactor, failure)
        {
            self.lose(&error, now, sink);
        }
    }

    fn found(&mut self, addresses: Vec<SocketAddr>) {
        for address in &addresses {
            let comma = if self.found.is_empty() { "" } else { ", " };
            self.found += &format!("{comma}{}", address.ip());
        }
        self.addresses.extend(addresses);
    }

    /// Connects to the next address of the attempt's server. `failure` is the error if
    /// there is none.
    fn connect<S: Carries>(
        &mut self,
        reactor: &mut Reactor<S>,
        mut failure: io::Error,
    ) -> io::Result<()> {
        while let Some(address) = self.addresses.pop_front() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let connected = socket::connect(address);
            match connected.and_then(|fd| reactor.insert(S::socket(fd), interest)) {
                Ok(token) => {
                    self.stage = Stage::Connecting(token);
                    return Ok(());
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// No address of the attempt's server led to a connection.
    fn lose(&mut self, error: &io::Error, now: Instant, sink: &mut impl Sink) {
        match self.found.is_empty() {
            true => self.link.lose(error, now, sink),
            false => {
                let why = format!("{error} (tried {})", self.found);
                self.link.lose(&why, now, sink);
            }
        }
    }
}

/// Whether a failed write leaves the matter to the next read. A full socket is no failure.
/// A server that ends a connection says why before it does: the read finds the reason, and
/// then the end.
fn is_told_by_read(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, WouldBlock};
    matches!(kind, WouldBlock | BrokenPipe | ConnectionReset)
}

/// Looks a name up on a thread of its own: the system's resolver blocks.
fn look_up(host: &str, port: u16, wake: &Wake) -> Lookup {
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
