//! The link: one connection after the other to a NATS server, as a state machine.
//!
//! ```text
//!            pause over              socket connected               INFO
//!   waiting ────────────> connecting ─────────────────> awaiting ─────────> handshake
//!      ^  ^                   │                           INFO │               │  │ PONG
//!      │  └───────────────────┴──────────────────────────────────┴─────────────┘  v
//!      │         refused, deadline over, -ERR, the end, or no NATS              ready
//!      └───────────────────────────────────────────────────────────────────────────┘
//!                the end, -ERR, no NATS, or silence
//! ```
//!
//! `waiting` is the time until the next attempt. In the handshake `CONNECT`, the
//! subscriptions and a `PING` are on their way; the `PONG` proves that the server has
//! taken them. Each connection makes its own subscriptions. The node's `init` is not repeated.
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
//! Read next: `parser.rs`; `outgoing.rs`; `carrier.rs`, the owner.

use super::greeting::{Info, push_connect};
use super::nats::{Address, Nats};
use super::outgoing::{Way, error_line, is_from};
use super::parser::{Operation, Parser};
use super::servers::Servers;
use super::subject::{Subjects, bounced, last_token, name_of};
use crate::protocol::{Error, ErrorCode, Quote};
use crate::random::Random;
use crate::time::Instant;
use crate::wire::OutputBuffer;
use std::fmt;
use std::io::Write as _;
use std::time::Duration;

/// How long a socket may take to connect: 2 s. Another server may be there.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(2);

/// How long a server may take to answer the handshake: 2 s.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(2);

/// After how much silence of the server it is asked for a sign of life: 5 s. nats-server
/// asks its clients every 2 minutes, which is too long for a node that serves.
pub(crate) const QUIET_MAX: Duration = Duration::from_secs(5);

/// How long it may take to answer that: 5 s.
pub(crate) const PONG_MAX: Duration = Duration::from_secs(5);

/// How many bytes wait for a server that does not take them: 256 KiB. Then further
/// messages stay in the session's output, which has the bound of any slow reader.
pub(crate) const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// The longest line of a `PUB`: 4 KiB, nats-server's own limit. A longer one would end the
/// connection. It has two names in it, or four.
pub(crate) const CONTROL_LINE_BYTES_MAX: usize = 4096;

/// How many names of a link the server shows its operator: 4, as many as there are services.
const SHOWN_NAMES_MAX: usize = 4;

/// Receives what a link finds.
pub(crate) trait Sink {
    /// A message for the node, without a newline.
    fn line(&mut self, line: &[u8]);
    /// A message that was longer than the node accepts.
    fn too_long(&mut self, excerpt: &[u8]);
    /// A line for people.
    fn log(&mut self, text: fmt::Arguments<'_>);
}

/// See the picture above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting { until: Instant },
    Connecting { deadline: Instant },
    AwaitingInfo { deadline: Instant },
    Handshake { deadline: Instant },
    Ready { check: Instant, heard: Heard },
}

/// How long ago a server that is ready was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
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
    random: Random,
    /// The last failure that was logged: the same one again is not.
    logged: String,
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
                random,
                logged: String::new(),
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
                self.core.attempt += 1;
                let deadline = now + CONNECT_MAX;
                self.core.state = State::Connecting { deadline };
                self.parser.reset();
            }
            State::Connecting { .. } => {
                self.lose(&"it did not answer in time", now, sink);
            }
            State::AwaitingInfo { .. } | State::Handshake { .. } => {
                self.lose(&"it did not finish the handshake in time", now, sink);
            }
            State::Ready { heard, .. } => self.check(heard, now, sink),
        }
    }

    /// The regular look at a server that is ready.
    fn check(&mut self, heard: Heard, now: Instant, sink: &mut impl Sink) {
        let (check, heard) = match heard {
            Heard::Lately => (now + QUIET_MAX, Heard::NotLately),
            Heard::NotLately => {
                self.core.push(|out| out.extend_from_slice(b"PING\r\n"));
                (now + PONG_MAX, Heard::Asked)
            }
            Heard::Asked => return self.lose(&"it has fallen silent", now, sink),
        };
        self.core.state = State::Ready { check, heard };
    }

    /// The socket of this attempt is connected.
    pub(crate) fn connected(&mut self, now: Instant) {
        if let State::Connecting { .. } = self.core.state {
            let deadline = now + HANDSHAKE_MAX;
            self.core.state = State::AwaitingInfo { deadline };
        }
    }

    /// The socket of this attempt is of no use.
    pub(crate) fn lose(&mut self, why: &dyn fmt::Display, now: Instant, sink: &mut impl Sink) {
        self.core.lose(why, now, sink);
    }

    /// Where the next read may write.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.parser.space()
    }

    /// Takes the first `count` bytes of [`space`](Link::space) in.
    pub(crate) fn received(&mut self, count: usize, now: Instant, sink: &mut impl Sink) {
        self.parser.filled(count);
        if let State::Ready { heard, .. } = &mut self.core.state {
            *heard = Heard::Lately;
        }
        let attempt = self.core.attempt;
        loop {
            let done = match self.parser.next() {
                Ok(None) => return,
                Ok(Some(operation)) => self.core.take_in(operation, now, sink),
                Err(malformed) => Err(malformed.to_string()),
            };
            if let Err(why) = done {
                return self.core.lose(&why, now, sink);
            }
            debug_assert_eq!(attempt, self.core.attempt);
        }
    }

    /// Whether the server takes further messages.
    pub(crate) fn has_room(&self) -> bool {
        self.core.output.len() < OUTPUT_BYTES_MAX
    }

    /// Sends one message of a node, a line without its newline, if the link is ready. A
    /// message that the server would not take is refused: see the table at `Core::refuse`.
    pub(crate) fn publish(&mut self, line: &[u8], sink: &mut impl Sink) {
        self.core.publish(line, sink);
    }

    /// The bytes for the server.
    pub(crate) fn output(&self) -> &[u8] {
        self.core.output.pending()
    }

    /// The first `count` bytes of the output were written.
    pub(crate) fn written(&mut self, count: usize) {
        self.core.output.consume(count);
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
        if was_ready || text != self.logged {
            sink.log(format_args!(
                "the connection to {text}; another attempt follows"
            ));
            self.logged = text;
        }
        let pause = self.servers.failed(&mut self.random);
        self.state = State::Waiting { until: now + pause };
        self.output = OutputBuffer::default();
    }

    /// Acts on an operation of the server. `Err` says why the connection is of no use.
    fn take_in(
        &mut self,
        operation: Operation<'_>,
        now: Instant,
        sink: &mut impl Sink,
    ) -> Result<(), String> {
        match operation {
            Operation::Info(json) => return self.inform(json),
            // A server that asks and does not read gets no more answers than fit.
            Operation::Ping if self.output.len() < OUTPUT_BYTES_MAX => {
                self.push(|out| out.extend_from_slice(b"PONG\r\n"));
            }
            Operation::Pong => self.greeted(now, sink),
            Operation::Ping | Operation::Ok => {}
            Operation::Error(text) => return complaint(&String::from_utf8_lossy(text), sink),
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

    /// A server may send its properties at any time; the first time they open the
    /// handshake.
    fn inform(&mut self, json: &[u8]) -> Result<(), String> {
        self.info = serde_json::from_slice(json)
            .map_err(|error| format!("it sent an INFO that cannot be read: {error}"))?;
        if self.info.tls_required {
            return Err("it requires TLS, which this program does not speak".to_owned());
        }
        let urls = std::mem::take(&mut self.info.connect_urls);
        self.servers.learn(&urls);
        if let State::AwaitingInfo { deadline } = self.state {
            self.state = State::Handshake { deadline };
            self.greet();
        }
        Ok(())
    }

    fn greet(&mut self) {
        let mut draft = self.output.begin();
        // A few names tell which program it is. All of them might not fit into a line.
        let name = self.names[..self.names.len().min(SHOWN_NAMES_MAX)].join(",");
        push_connect(&mut draft, &name, &self.nats.credentials, &self.info);
        for index in 0..self.names.len() {
            self.subscribe(&mut draft, index);
        }
        draft.extend_from_slice(b"PING\r\n");
        self.output.commit(&mut draft);
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
            let check = now + QUIET_MAX;
            let heard = Heard::NotLately;
            self.state = State::Ready { check, heard };
            self.servers.succeeded();
            self.logged.clear();
            let server = self.servers.current();
            sink.log(format_args!("connected to {server}"));
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
            sink.line(&error_line((&dest, name), None, &number, &error));
        }
    }

    fn publish(&mut self, line: &[u8], sink: &mut impl Sink) {
        let Some(way) = Way::of(line) else {
            return sink.log(format_args!("a line of this node is no message: not sent"));
        };
        if line.len() > self.info.max_payload {
            let limit = self.info.max_payload;
            let why = format!(
                "a message of {} bytes is over the server's limit of {limit}",
                line.len()
            );
            return self.refuse(&way, &why, sink);
        }
        let mut draft = self.output.begin();
        let begin = draft.len();
        draft.extend_from_slice(b"PUB ");
        self.subjects.push_message(&mut draft, &way.dest, &way.src);
        if let Some(number) = way.call() {
            draft.push(b' ');
            self.subjects
                .push_bounce(&mut draft, &way.src, number, &way.dest);
        }
        push_length(&mut draft, line.len());
        let fits = draft.len() - begin <= CONTROL_LINE_BYTES_MAX;
        if fits {
            draft.extend_from_slice(line);
            draft.extend_from_slice(b"\r\n");
        } else {
            draft.truncate(begin);
        }
        self.output.commit(&mut draft);
        if !fits {
            self.refuse(&way, "the names are too long for a subject", sink);
        }
    }

    /// Tells that a message was not sent.
    ///
    /// | the message | it is told to | as |
    /// |---|---|---|
    /// | a call | its author | error 11 in place of the reply |
    /// | a reply | the caller | error 13 in its place |
    /// | neither | people | a line on stderr |
    fn refuse(&mut self, way: &Way<'_>, why: &str, sink: &mut impl Sink) {
        let dest = &*way.dest;
        sink.log(format_args!(
            "a message to {} was not sent: {why}",
            Quote(dest)
        ));
        if let Some(number) = way.call() {
            let error = Error::temporarily_unavailable(format!("nothing was sent: {why}"));
            sink.line(&error_line((dest, &way.src), None, number, &error));
        } else if let Some(number) = &way.in_reply_to {
            let error = Error::crash(format!("the reply was not sent: {why}"));
            let msg_id = way.msg_id.and_then(|number| number.parse().ok());
            let line = error_line((&way.src, dest), msg_id, number, &error);
            if line.len() <= self.info.max_payload && dest.len() + way.src.len() < 1000 {
                self.publish(&line, sink);
            }
        }
    }
}

/// Hands a message out, if it comes from the name that its subject gives.
fn deliver(subject: &[u8], payload: &mut [u8], sink: &mut impl Sink) {
    let Some(name) = name_of(last_token(subject)) else {
        let subject = String::from_utf8_lossy(subject);
        return sink.log(format_args!(
            "refused: the subject {subject:?} names no sender"
        ));
    };
    if !is_from(payload, &name) {
        return sink.log(format_args!(
            "refused: a message whose src is not {}, the sender that its subject names",
            Quote(&name)
        ));
    }
    // A line cannot have a newline. In JSON it can only be a blank.
    if let Some(first) = memchr::memchr(b'\n', payload) {
        let newlines = payload[first..].iter_mut().filter(|byte| **byte == b'\n');
        newlines.for_each(|byte| *byte = b' ');
    }
    sink.line(payload);
}

/// An error of the server. Some leave the connection as it is.
fn complaint(text: &str, sink: &mut impl Sink) -> Result<(), String> {
    let stays = ["permissions violation", "invalid subject"];
    let lower = text.to_ascii_lowercase();
    if stays.iter().any(|beginning| lower.starts_with(beginning)) {
        sink.log(format_args!("the NATS server says: {text}"));
        return Ok(());
    }
    Err(format!("it says: {text}"))
}

/// Appends a blank, a number and the end of a line.
fn push_length(out: &mut Vec<u8>, length: usize) {
    out.push(b' ');
    let _infallible = write!(out, "{length}\r\n");
}
