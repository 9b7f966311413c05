//! The link: one connection after the other to a NATS server, as a state machine.
//!
//! ```text
//!            pause over              socket connected               INFO
//!   waiting ────────────> connecting ─────────────────> awaiting ─────────> handshake
//!      ^  ^                   │                           INFO │ INFO      ^   │  │ PONG
//!      │  │                   │                              v │           │   │  │
//!      │  │                   │                         securing ──────────┘   │  │
//!      │  │                   │                              │   TLS is there  │  │
//!      │  └───────────────────┴──────────────────────────────┴─────────────────┘  v
//!      │         refused, deadline over, -ERR, the end, or no NATS              ready
//!      └───────────────────────────────────────────────────────────────────────────┘
//!                the end, -ERR, no NATS, or silence
//! ```
//!
//! `waiting` is the time until the next attempt. In the handshake `CONNECT`, the
//! subscriptions and a `PING` are on their way; the `PONG` proves that the server has
//! taken them. Each connection makes its own subscriptions. The node's `init` is not repeated.
//!
//! A server by `tls://` says its first `INFO` in plain text, and TLS follows in `securing`.
//! With `handshake_first` TLS begins with the socket, and the `INFO` comes through it. The
//! plain `INFO` is not proved. So it decides nothing but whether TLS is there, and what it
//! says besides only costs messages if it is forged. A byte behind it would be taken for
//! one of the proved server: it ends the connection.
//!
//! The link has no descriptor and no clock. Its owner connects a socket when the link is
//! connecting, carries bytes both ways, and says the time. quinn-proto and
//! watermelon-proto are built in this way too.
//!
//! # Invariants
//! - A message is handed out at most once, and written to at most one connection: a link
//!   that is lost forgets its output.
//! - Output waits up to [`OUTPUT_BYTES_MAX`] and one message. Beyond that the owner offers
//!   no more.
//! - Every state but `ready` ends by itself. `ready` ends if the server is silent for
//!   [`QUIET_MAX`] and then for [`PONG_MAX`].
//!
//! Read next: `parser.rs`; `incoming.rs`; `outgoing.rs`; `carrier.rs`, the owner.

use super::credentials::Credentials;
use super::greeting::{Info, Opening, opening, push_connect};
use super::incoming::{complaint, deliver};
use super::nats::{Address, Nats};
use super::outgoing::{Replacement, Way, error_line, push_message};
use super::parser::{Operation, Parser};
use super::servers::{LASTS_MIN, Servers};
use super::sink::Sink;
use super::subject::{Subjects, bounced};
use super::tls::{Channel, Tls};
use crate::notices::Topic;
use crate::protocol::{Error, ErrorCode, Quote};
use crate::random::Random;
use crate::time::Instant;
use crate::wire::OutputBuffer;
use std::collections::VecDeque;
use std::fmt;
use std::io::Write as _;
use std::time::Duration;

/// How long a socket may take to connect: 2 s. Another server may be there.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(2);

/// How long a server may take to answer the handshake: 2 s, and as long for TLS before it.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(2);

/// After how much silence of the server it is asked for a sign of life: 5 s. nats-server
/// asks its clients every 2 minutes, which is too long for a node that serves.
pub(crate) const QUIET_MAX: Duration = Duration::from_secs(5);

/// How long it may take to answer that: 5 s.
pub(crate) const PONG_MAX: Duration = Duration::from_secs(5);

/// How many bytes wait for a server that does not take them: 256 KiB. Then further
/// messages stay in the session's output, which has the bound of any slow reader.
pub(crate) const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// How many names of a link the server shows its operator: 4, as many as there are services.
const SHOWN_NAMES_MAX: usize = 4;

/// How many failures are remembered, so that each is logged once: 128, two for each server
/// that an operator can give.
const LOGGED_MAX: usize = 128;

/// See the picture above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting { until: Instant },
    Connecting { deadline: Instant },
    AwaitingInfo { deadline: Instant },
    Securing { deadline: Instant },
    Handshake { deadline: Instant },
    Ready { check: Instant, heard: Heard },
}

/// How long ago a server that is ready was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Not since the handshake.
    NotYet,
    /// Since the last check.
    Lately,
    /// Before the last check.
    NotLately,
    /// It was asked for a sign of life at the last check.
    Asked,
}

/// The work that a link needs of its owner.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Need<'a> {
    /// No socket.
    Nothing,
    /// A socket for this attempt, to this server.
    Socket(&'a Address),
    /// The socket of this attempt, whose bytes it carries.
    Bytes,
}

/// A link to one of several servers, for one or several names.
#[derive(Debug)]
pub(crate) struct Link {
    parser: Parser,
    core: Core,
}

#[derive(Debug)]
struct Core {
    names: Vec<String>,
    nats: Nats,
    subjects: Subjects,
    servers: Servers,
    state: State,
    /// Counts connections, so that the owner can tell the sockets of two apart.
    attempt: u64,
    /// The properties of the server, of the last `INFO`.
    info: Info,
    output: OutputBuffer,
    /// TLS, from its first byte on.
    channel: Option<Box<Channel>>,
    /// For the socket that was given up last.
    last_words: Vec<u8>,
    /// The time of day when the socket was connected.
    unix_time: Duration,
    random: Random,
    /// The failures that were logged since the link was ready: they are not logged again.
    logged: VecDeque<String>,
}

impl Link {
    /// A link that receives messages to `names`, each of up to `line_bytes_max` bytes.
    pub(crate) fn new(
        nats: &Nats,
        names: Vec<String>,
        line_bytes_max: usize,
        seed: u64,
        now: Instant,
    ) -> Link {
        let mut random = Random::new(seed);
        Link {
            parser: Parser::new(line_bytes_max),
            core: Core {
                subjects: Subjects::new(&nats.prefix, &nats.cluster),
                servers: Servers::new(nats.servers.clone(), &mut random),
                nats: nats.clone(),
                names,
                state: State::Waiting { until: now },
                attempt: 0,
                info: Info::default(),
                output: OutputBuffer::default(),
                channel: None,
                last_words: Vec::new(),
                unix_time: Duration::ZERO,
                random,
                logged: VecDeque::new(),
            },
        }
    }

    /// Receives messages to another name too, from now on.
    pub(crate) fn add_name(&mut self, name: String) {
        self.core.names.push(name);
        if let State::Handshake { .. } | State::Ready { .. } = self.core.state {
            let mut draft = self.core.output.begin();
            self.core.subscribe(&mut draft, self.core.names.len() - 1);
            self.core.output.commit(&mut draft);
        }
    }

    /// The work that the link needs of its owner, and for which attempt.
    pub(crate) fn need(&self) -> (u64, Need<'_>) {
        let need = match self.core.state {
            State::Waiting { .. } => Need::Nothing,
            State::Connecting { .. } => Need::Socket(self.core.servers.current()),
            _ => Need::Bytes,
        };
        (self.core.attempt, need)
    }

    /// Whether messages reach the server.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.core.state, State::Ready { .. })
    }

    /// When to call [`expire`](Link::expire).
    pub(crate) fn deadline(&self) -> Instant {
        match self.core.state {
            State::Waiting { until } => until,
            State::Connecting { deadline }
            | State::AwaitingInfo { deadline }
            | State::Securing { deadline }
            | State::Handshake { deadline } => deadline,
            State::Ready { check, .. } => check,
        }
    }

    /// Acts on the deadline, if it has come.
    pub(crate) fn expire(&mut self, now: Instant, sink: &mut impl Sink) {
        if now < self.deadline() {
            return;
        }
        match self.core.state {
            State::Waiting { .. } => {
                for warning in std::mem::take(&mut self.core.nats.warnings) {
                    sink.log(Topic::Connection, format_args!("{warning}"));
                }
                self.core.attempt += 1;
                let deadline = now + CONNECT_MAX;
                self.core.state = State::Connecting { deadline };
                self.parser.reset();
            }
            State::Connecting { .. } => {
                self.lose(&"it did not answer in time", now, sink);
            }
            State::Securing { .. } => {
                self.lose(&"it did not finish the handshake of TLS in time", now, sink);
            }
            State::AwaitingInfo { .. } | State::Handshake { .. } => {
                self.lose(&"it did not finish the handshake in time", now, sink);
            }
            State::Ready { heard, .. } => self.check(heard, now, sink),
        }
    }

    /// The regular look at a server that is ready. At the first one, the connection has lasted.
    fn check(&mut self, heard: Heard, now: Instant, sink: &mut impl Sink) {
        self.core.servers.lasted();
        let (check, heard) = match heard {
            Heard::NotYet => (now + QUIET_MAX.saturating_sub(LASTS_MIN), Heard::NotLately),
            Heard::Lately => (now + QUIET_MAX, Heard::NotLately),
            Heard::NotLately => {
                self.core.push(|out| out.extend_from_slice(b"PING\r\n"));
                (now + PONG_MAX, Heard::Asked)
            }
            Heard::Asked => return self.lose(&"it has fallen silent", now, sink),
        };
        self.core.state = State::Ready { check, heard };
    }

    /// The socket of this attempt is connected, at this time of day.
    pub(crate) fn connected(&mut self, now: Instant, unix_time: Duration, sink: &mut impl Sink) {
        let State::Connecting { .. } = self.core.state else {
            return;
        };
        self.core.unix_time = unix_time;
        let deadline = now + HANDSHAKE_MAX;
        self.core.state = State::AwaitingInfo { deadline };
        let wants_tls = self.core.servers.current().tls.is_some();
        let is_first = self.core.nats.tls.as_ref().is_some_and(Tls::is_first);
        if wants_tls
            && is_first
            && let Err(why) = self.core.open_channel()
        {
            self.lose(&why, now, sink);
        }
    }

    /// The socket of this attempt is of no use.
    pub(crate) fn lose(&mut self, why: &dyn fmt::Display, now: Instant, sink: &mut impl Sink) {
        self.core.lose(why, now, sink);
    }

    /// Bytes for the socket that the link has just given up. They may be lost: the owner
    /// writes once, and closes the socket.
    pub(crate) fn last_words(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.core.last_words)
    }

    /// Where the next read may write.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        match &mut self.core.channel {
            None => self.parser.space(),
            Some(channel) => channel.space(),
        }
    }

    /// Takes the first `count` bytes of [`space`](Link::space) in.
    pub(crate) fn received(&mut self, count: usize, now: Instant, sink: &mut impl Sink) {
        if let State::Ready { heard, .. } = &mut self.core.state {
            *heard = Heard::Lately;
        }
        let done = match &mut self.core.channel {
            None => {
                self.parser.filled(count);
                self.take_plain(now, sink)
            }
            Some(channel) => {
                channel.filled(count);
                self.take_sealed(now, sink)
            }
        };
        if let Err(why) = done {
            self.core.lose(&why, now, sink);
        }
    }

    /// Takes in what the parser has. `Err` says why the connection is of no use.
    fn take_plain(&mut self, now: Instant, sink: &mut impl Sink) -> Result<(), String> {
        let was_plain = self.core.channel.is_none();
        loop {
            match self.parser.next() {
                Ok(None) => return Ok(()),
                Ok(Some(operation)) => self.core.take_in(operation, now, sink)?,
                Err(malformed) => return Err(malformed.to_string()),
            }
            if was_plain && self.core.channel.is_some() {
                return match self.parser.is_empty() {
                    true => Ok(()),
                    false => Err("it sent more in front of TLS than its INFO".to_owned()),
                };
            }
        }
    }

    /// The same for what has come through TLS.
    fn take_sealed(&mut self, now: Instant, sink: &mut impl Sink) -> Result<(), String> {
        while let Some(channel) = &mut self.core.channel {
            let count = channel.read(self.parser.space())?;
            if channel.is_open()
                && let State::Securing { deadline } = self.core.state
            {
                self.core.greet(deadline)?;
            }
            if count == 0 {
                return Ok(());
            }
            self.parser.filled(count);
            self.take_plain(now, sink)?;
        }
        Ok(())
    }

    /// Whether the server takes further messages.
    pub(crate) fn has_room(&self) -> bool {
        self.core.waiting() < OUTPUT_BYTES_MAX
    }

    /// Sends one message of a node, a line without its newline, if the link is ready. A
    /// message that the server would not take is refused: see the table at
    /// [`Way::replacement`].
    pub(crate) fn publish(&mut self, line: &[u8], sink: &mut impl Sink) {
        self.core.publish(line, sink);
    }

    /// The bytes for the server.
    pub(crate) fn output(&mut self) -> &[u8] {
        let Core {
            channel, output, ..
        } = &mut self.core;
        match channel {
            None => output.pending(),
            Some(channel) => channel.seal(output),
        }
    }

    /// The first `count` bytes of the output were written.
    pub(crate) fn written(&mut self, count: usize) {
        match &mut self.core.channel {
            None => self.core.output.consume(count),
            Some(channel) => channel.written(count),
        }
    }
}

impl Core {
    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut draft = self.output.begin();
        write(&mut draft);
        self.output.commit(&mut draft);
    }

    fn lose(&mut self, why: &dyn fmt::Display, now: Instant, sink: &mut impl Sink) {
        if let State::Waiting { .. } = self.state {
            return;
        }
        let was_ready = matches!(self.state, State::Ready { .. });
        let text = format!("{}: {why}", self.servers.current());
        if was_ready || !self.logged.contains(&text) {
            let tried = match self.servers.all_tried().filter(|_| !was_ready) {
                Some(all) => format!("; no server was reached of {all}"),
                None => String::new(),
            };
            sink.lost(format_args!("the connection to {text}{tried}"));
            self.logged.push_back(text);
            if self.logged.len() > LOGGED_MAX {
                self.logged.pop_front();
            }
        }
        let pause = self.servers.failed(&mut self.random);
        self.state = State::Waiting { until: now + pause };
        self.output = OutputBuffer::default();
        let channel = self.channel.take();
        self.last_words = channel
            .map(|channel| channel.last_words())
            .unwrap_or_default();
    }

    /// How many bytes wait for the server.
    fn waiting(&self) -> usize {
        self.output.len() + self.channel.as_deref().map_or(0, Channel::waiting)
    }

    /// Acts on an operation of the server. `Err` says why the connection is of no use.
    fn take_in(
        &mut self,
        operation: Operation<'_>,
        now: Instant,
        sink: &mut impl Sink,
    ) -> Result<(), String> {
        if matches!(self.state, State::AwaitingInfo { .. }) && !operation.may_come_first() {
            return Err("it sent something in front of its INFO".to_owned());
        }
        match operation {
            Operation::Info(json) => return self.inform(json, now),
            // A server that asks and does not read gets no more answers than fit.
            Operation::Ping if self.waiting() < OUTPUT_BYTES_MAX => {
                self.push(|out| out.extend_from_slice(b"PONG\r\n"));
            }
            Operation::Pong => self.greeted(now, sink),
            Operation::Ping | Operation::Ok => {}
            Operation::Error(text) => {
                let text = String::from_utf8_lossy(text);
                return complaint(&text, &self.nats.credentials, sink);
            }
            Operation::TooLong { subject, bytes } => {
                let subject = String::from_utf8_lossy(subject);
                sink.too_long(format!("{bytes} bytes on {subject}").as_bytes());
            }
            Operation::Message {
                subject,
                sid,
                headers,
                payload,
            } => match sid % 2 {
                1 => deliver(subject, payload, sink),
                _ => self.report(subject, sid, headers, sink),
            },
        }
        Ok(())
    }

    /// A server may send its properties at any time. The first ones open the handshake.
    fn inform(&mut self, json: &[u8], now: Instant) -> Result<(), String> {
        self.info = serde_json::from_slice(json)
            .map_err(|error| format!("it sent an INFO that cannot be read: {error}"))?;
        let urls = std::mem::take(&mut self.info.connect_urls);
        self.servers.learn(&urls);
        let State::AwaitingInfo { deadline } = self.state else {
            return Ok(());
        };
        let wants_tls = self.servers.current().tls.is_some();
        match opening(wants_tls, self.channel.is_some(), &self.info)? {
            Opening::Connect => self.greet(deadline),
            Opening::Tls => {
                let deadline = now + HANDSHAKE_MAX;
                self.state = State::Securing { deadline };
                self.open_channel()
            }
        }
    }

    fn open_channel(&mut self) -> Result<(), String> {
        let (Some(name), Some(tls)) = (&self.servers.current().tls, &self.nats.tls) else {
            return Err("tls:// needs the certificate of a CA: --ca-file".to_owned());
        };
        self.channel = Some(Channel::open(tls, name, self.unix_time)?);
        Ok(())
    }

    /// Begins the handshake of NATS.
    fn greet(&mut self, deadline: Instant) -> Result<(), String> {
        let proof = self.nats.credentials.proof(self.info.nonce.as_deref())?;
        self.state = State::Handshake { deadline };
        let mut draft = self.output.begin();
        // A few names tell which program it is. All of them might not fit into a line.
        let name = self.names[..self.names.len().min(SHOWN_NAMES_MAX)].join(",");
        let is_tls = self.channel.is_some();
        push_connect(&mut draft, &name, proof, &self.info, is_tls);
        for index in 0..self.names.len() {
            self.subscribe(&mut draft, index);
        }
        draft.extend_from_slice(b"PING\r\n");
        self.output.commit(&mut draft);
        Ok(())
    }

    /// Appends the subscriptions of a name: the odd number has its messages, the even one
    /// reports.
    fn subscribe(&self, draft: &mut Vec<u8>, index: usize) {
        let name = &self.names[index];
        for is_report in [false, true] {
            let sid = 2 * index + 1 + usize::from(is_report);
            draft.extend_from_slice(b"SUB ");
            match is_report {
                false => self.subjects.push_messages_to(draft, name),
                true => self.subjects.push_bounces_to(draft, name),
            }
            let _infallible = write!(draft, " {sid}\r\n");
        }
    }

    /// A `PONG`. The first one says that the server has taken the handshake.
    fn greeted(&mut self, now: Instant, sink: &mut impl Sink) {
        if let State::Handshake { .. } = self.state {
            // The first look finds whether the connection has lasted.
            let check = now + LASTS_MIN;
            let heard = Heard::NotYet;
            self.state = State::Ready { check, heard };
            self.logged.clear();
            let server = self.servers.current();
            sink.log(Topic::Connection, format_args!("connected to {server}"));
            let proves_itself = !matches!(self.nats.credentials, Credentials::None);
            if proves_itself && !self.info.auth_required {
                let text = "asks for no credentials: anyone can publish under any name";
                sink.log(Topic::Connection, format_args!("{server} {text}"));
            }
        }
    }

    /// The server's report about a message that had no receiver: the call ends with error 1.
    fn report(&self, subject: &[u8], sid: u64, headers: &[u8], sink: &mut impl Sink) {
        let index = usize::try_from(sid / 2).unwrap_or(0).wrapping_sub(1);
        let is_report = headers.starts_with(b"NATS/1.0 503");
        if let (true, Some(name), Some((number, dest))) =
            (is_report, self.names.get(index), bounced(subject))
        {
            let text = format!("{} is not connected to the cluster", Quote(&dest));
            let error = Error::new(ErrorCode::NodeNotFound, text);
            sink.undelivered(&error_line((&dest, name), None, &number, &error));
        }
    }

    fn publish(&mut self, line: &[u8], sink: &mut impl Sink) {
        let Some(way) = Way::of(line) else {
            return sink.log(
                Topic::Unsent,
                format_args!("a line of this node is no message: not sent"),
            );
        };
        if let Err(why) = self.push_message(&way, line) {
            sink.log(
                Topic::Unsent,
                format_args!("a message to {} was not sent: {why}", Quote(&way.dest)),
            );
            match way.replacement(&why) {
                Replacement::Reply(line) => sink.undelivered(&line),
                // If it does not fit either, there is no other way to the caller.
                Replacement::Message(way, line) => _ = self.push_message(&way, &line),
                Replacement::None => {}
            }
        }
    }

    fn push_message(&mut self, way: &Way<'_>, line: &[u8]) -> Result<(), String> {
        let mut draft = self.output.begin();
        let pushed = push_message(&mut draft, &self.subjects, way, line, self.info.max_payload);
        self.output.commit(&mut draft);
        pushed
    }
}
