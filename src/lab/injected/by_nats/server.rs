//! The servers: two NATS servers as one actor, with the clients and node n2 behind them.
//!
//! A connection takes the states of a handshake:
//!
//! ```text
//!             INFO           CONNECT, 2 SUB, PING           PONG
//!   accepted ──────> greeted ────────────────────> serving ──────> the node publishes
//! ```
//!
//! Requests are handed out from the subscriptions on: before the `PONG`, as real servers do.

use super::book::Book;
use super::script::{Event, FAULTS_UNTIL, Script};
use crate::lab::draw;
use crate::lab::injected::request::{Answer, Request, Wanted};
use crate::lab::kernel::{Actor, ActorId, FileId, Kernel, Received};
use crate::random::Random;
use crate::time::Instant;
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// The ports of the two servers.
pub(super) const PORTS: [u16; 2] = [4222, 4223];

/// The longest time until a node has left a silent server: 15 s, and faults.
const SILENCE_MAX: Duration = Duration::from_millis(15_500);

/// When a node has no excuse any more for having no connection.
const GIVES_UP: Instant = Instant::from_millis(60_000);

/// How long the node is watched after the last request: longer than any call, and a stop of
/// 2.5 s that began before the faults ended.
const REST: Duration = Duration::from_secs(6);

/// The number of the first request after the faults.
const LAST_FROM: u64 = 1_000;

/// Something that will happen at the servers.
enum Happens {
    Scripted(Event),
    /// A message for the node.
    Deliver(&'static str, Vec<u8>),
    /// Bytes for a connection.
    Say(FileId, Vec<u8>),
}

struct Connection {
    file: FileId,
    server: usize,
    input: Vec<u8>,
    output: Vec<u8>,
    said_connect: bool,
    subscriptions: usize,
    said_pong: bool,
    /// `PONG`s that the node owes.
    pings: usize,
    /// The handshake stops here: at the INFO, at the PONG, or not at all.
    stops: Option<Stop>,
    silent_since: Option<Instant>,
    /// It has said something for which the node leaves it.
    is_wrong: bool,
    /// The last time at which the connection was found alive.
    alive: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    AtInfo,
    AtPong,
}

pub(super) struct Server {
    book: Rc<RefCell<Book>>,
    random: Random,
    is_faithful: bool,
    listeners: [Option<FileId>; 2],
    connections: Vec<Connection>,
    agenda: BTreeMap<(Instant, u64), Happens>,
    entries: u64,
    stalled_until: Instant,
    /// When the run is over, once its last requests are answered.
    over: Option<Instant>,
}

impl Server {
    pub(super) fn new(script: Script, book: Rc<RefCell<Book>>) -> Server {
        let mut server = Server {
            book,
            random: script.random,
            is_faithful: script.is_faithful,
            listeners: [None; 2],
            connections: Vec::new(),
            agenda: BTreeMap::new(),
            entries: 0,
            stalled_until: Instant::ZERO,
            over: None,
        };
        for number in 0..PORTS.len() {
            let at = Instant::from_millis(server.random.below(100));
            server.add(at, Happens::Scripted(Event::Up(number)));
            server.add(FAULTS_UNTIL, Happens::Scripted(Event::Up(number)));
        }
        for (at, event) in script.events {
            server.add(at, Happens::Scripted(event));
        }
        server
    }

    fn add(&mut self, at: Instant, happens: Happens) {
        self.entries += 1;
        self.agenda.insert((at, self.entries), happens);
    }

    fn error(&self, text: String) {
        self.book.borrow_mut().error(text);
    }

    fn happen(&mut self, happens: Happens, id: ActorId, kernel: &mut Kernel) {
        let now = kernel.now();
        match happens {
            Happens::Deliver(src, line) => {
                self.deliver(src, &line);
            }
            Happens::Say(file, bytes) => {
                let mut all = self.connections.iter_mut();
                if let Some(connection) = all.find(|connection| connection.file == file) {
                    connection.said_pong |= bytes == b"PONG\r\n";
                    connection.output.extend_from_slice(&bytes);
                }
            }
            Happens::Scripted(Event::Ask(request)) => self.ask(request, now),
            Happens::Scripted(Event::Up(server)) => {
                let listener = &mut self.listeners[server];
                listener.get_or_insert_with(|| kernel.peer_listen(PORTS[server], id));
            }
            Happens::Scripted(Event::Kill(server, resets)) => {
                if let Some(listener) = self.listeners[server].take() {
                    kernel.peer_close(listener);
                }
                let all = std::mem::take(&mut self.connections);
                for connection in all {
                    if connection.server != server {
                        self.connections.push(connection);
                        continue;
                    }
                    match resets {
                        true => kernel.peer_reset(connection.file),
                        false => kernel.peer_close(connection.file),
                    }
                    self.ended(&connection);
                }
            }
            Happens::Scripted(Event::Silence(last)) => {
                if let Some(at) = self.serving() {
                    let connection = &mut self.connections[at];
                    connection.output.extend_from_slice(last);
                    connection.silent_since = Some(now);
                    self.book.borrow_mut().serves_no_more(now);
                }
            }
            Happens::Scripted(Event::Say(bytes)) => {
                if let Some(at) = self.serving() {
                    let connection = &mut self.connections[at];
                    connection.pings += usize::from(bytes == b"PING\r\n");
                    connection.is_wrong |= bytes.starts_with(b"-ERR") || bytes.starts_with(b"HTTP");
                    connection.output.extend_from_slice(bytes);
                    if connection.is_wrong {
                        self.book.borrow_mut().serves_no_more(now);
                    }
                }
            }
            Happens::Scripted(Event::Stall(length)) => self.stalled_until = now + length,
        }
    }

    /// The connection that has subscriptions and still speaks.
    fn serving(&self) -> Option<usize> {
        let serves = |connection: &Connection| {
            connection.subscriptions == 2
                && connection.silent_since.is_none()
                && !connection.is_wrong
        };
        self.connections.iter().rposition(serves)
    }

    /// Hands a message out, if there is a subscription for it.
    fn deliver(&mut self, src: &str, line: &[u8]) -> bool {
        let Some(at) = self.serving() else {
            return false;
        };
        let output = &mut self.connections[at].output;
        let head = format!("MSG eddyline.t.n1.{src} 1 {}\r\n", line.len());
        output.extend_from_slice(head.as_bytes());
        output.extend_from_slice(line);
        output.extend_from_slice(b"\r\n");
        true
    }

    fn ask(&mut self, mut request: Request, now: Instant) {
        if self.deliver(&request.source(), &request.line()) {
            request.written = Some(now);
            let mut book = self.book.borrow_mut();
            book.requests.insert(request.msg_id, request);
        }
    }

    /// A connection of the node has ended.
    fn ended(&mut self, connection: &Connection) {
        if connection.subscriptions == 2 && self.serving().is_none() {
            self.book.borrow_mut().serves_no_more(connection.alive);
        }
    }

    fn accept(&mut self, kernel: &mut Kernel) {
        for server in 0..PORTS.len() {
            while let Some(listener) = self.listeners[server]
                && let Some(file) = kernel.peer_accept(listener)
            {
                let may_stop = kernel.now() < FAULTS_UNTIL;
                let stops = match self.random.below(20) {
                    0 if may_stop => Some(Stop::AtInfo),
                    1 if may_stop => Some(Stop::AtPong),
                    _ => None,
                };
                let mut output = Vec::new();
                if stops != Some(Stop::AtInfo) {
                    output.extend_from_slice(b"INFO {\"headers\":true}\r\n");
                }
                self.connections.push(Connection {
                    file,
                    server,
                    input: Vec::new(),
                    output,
                    said_connect: false,
                    subscriptions: 0,
                    said_pong: false,
                    pings: 0,
                    stops,
                    silent_since: None,
                    is_wrong: false,
                    alive: kernel.now(),
                });
            }
        }
    }

    /// Reads and writes on a connection. Returns whether it lives.
    fn serve(&mut self, at: usize, kernel: &mut Kernel) -> bool {
        let now = kernel.now();
        let file = self.connections[at].file;
        while now >= self.stalled_until {
            let most = 1 + draw::index(&mut self.random, 20_000);
            match kernel.peer_read(file, most) {
                Received::Bytes(bytes) => {
                    let connection = &mut self.connections[at];
                    connection.alive = now;
                    if connection.silent_since.is_none() {
                        connection.input.extend_from_slice(&bytes);
                        while self.take_operation(at, now) {}
                    }
                }
                Received::Nothing => {
                    self.connections[at].alive = now;
                    break;
                }
                Received::End | Received::Reset => {
                    self.judge_leaving(&self.connections[at]);
                    kernel.peer_close(file);
                    return false;
                }
            }
        }
        let connection = &mut self.connections[at];
        while !connection.output.is_empty() {
            let most = draw::one_of(&mut self.random, [1, 40, 2_000, 50_000]);
            let most = most.min(connection.output.len());
            match kernel.peer_write(file, &connection.output[..most]) {
                Ok(count) => drop(connection.output.drain(..count)),
                // A kernel signals when there is room. An end is found by the next read.
                Err(_) => break,
            }
            if self.random.chance(0.2) {
                break;
            }
        }
        true
    }

    /// Whether the node had a reason to end a connection.
    fn judge_leaving(&self, connection: &Connection) {
        let has_reason = connection.silent_since.is_some()
            || connection.is_wrong
            || connection.stops.is_some()
            || connection.subscriptions < 2;
        if self.is_faithful && !has_reason && !self.book.borrow().is_over {
            self.error("the node has left a server that was good".to_owned());
        }
    }

    /// Takes one operation of the node. Returns whether there was a whole one.
    fn take_operation(&mut self, at: usize, now: Instant) -> bool {
        let connection = &mut self.connections[at];
        let input = &connection.input;
        let Some(end) = input.windows(2).position(|two| two == b"\r\n") else {
            return false;
        };
        let line = String::from_utf8_lossy(&input[..end]).into_owned();
        let mut taken = end + 2;
        let words: Vec<&str> = line.split(' ').collect();
        match &words[..] {
            ["CONNECT", ..] if !connection.said_connect => connection.said_connect = true,
            ["SUB", "eddyline.t.n1.*", "1"] if connection.subscriptions == 0 => {
                connection.subscriptions = 1;
            }
            ["SUB", "eddyline.t.n1.bounce.*", "2"] if connection.subscriptions == 1 => {
                connection.subscriptions = 2;
                self.book.borrow_mut().serves(now);
            }
            ["PING"] if connection.subscriptions == 2 => {
                if connection.stops != Some(Stop::AtPong) {
                    let after = draw::one_of(&mut self.random, [0, 0, 1, 200]);
                    let (file, at) = (connection.file, now + Duration::from_millis(after));
                    self.add(at, Happens::Say(file, b"PONG\r\n".to_vec()));
                }
            }
            ["PONG"] if connection.pings > 0 => connection.pings -= 1,
            ["PUB", subject, rest @ .., len] if connection.said_pong => {
                let len: usize = len.parse().unwrap_or(usize::MAX / 2);
                if input.len() < taken + len + 2 {
                    return false;
                }
                let payload = input[taken..taken + len].to_vec();
                taken += len + 2;
                let is_whole = input[..taken].ends_with(b"\r\n");
                let (subject, reply) = ((*subject).to_owned(), rest.concat());
                connection.input.drain(..taken);
                if !is_whole {
                    self.error(format!("{subject}: {len} bytes, and no end behind them"));
                }
                self.published(&subject, &reply, &payload, now);
                return true;
            }
            _ => self.error(format!("the node said: {line:?}")),
        }
        self.connections[at].input.drain(..taken);
        true
    }

    fn published(&mut self, subject: &str, reply: &str, payload: &[u8], now: Instant) {
        let ways = ["c0", "c1", "c2", "c3", "c4", "n2"].map(|dest| {
            let way = format!("eddyline.t.{dest}.n1");
            (way, format!("{{\"src\":\"n1\",\"dest\":\"{dest}\""))
        });
        let fits = |(way, front): &(String, String)| {
            way == subject && payload.starts_with(front.as_bytes())
        };
        if !ways.iter().any(fits) {
            self.error(format!("published on {subject}: another message"));
        }
        let call = self.book.borrow_mut().receive(payload, now);
        if let Some((of, msg_id, answer)) = call {
            if reply != format!("eddyline.t.n1.bounce.{msg_id}-n2") {
                self.error(format!("call {msg_id} wants its report on {reply:?}"));
            }
            self.answer(of, msg_id, answer, now);
        }
    }

    /// n2 answers a call, or the server reports that it is not there.
    fn answer(&mut self, of: u64, msg_id: u64, answer: Answer, now: Instant) {
        let line = |kind: &str, src: &str| {
            let body = json!({ "type": kind, "in_reply_to": msg_id, "of": of, "code": 21 });
            let line = json!({ "src": src, "dest": "n1", "body": body });
            line.to_string().into_bytes()
        };
        let good = |after| (now + after, Happens::Deliver("n2", line("work_ok", "n2")));
        let bad = |after| (now + after, Happens::Deliver("n2", line("error", "n2")));
        let forged = || (now, Happens::Deliver("c3", line("work_ok", "c3")));
        let answers = match answer {
            Answer::After(after) => vec![good(after)],
            Answer::Error(after) => vec![bad(after)],
            Answer::Twice(after, again) => vec![good(after), good(again)],
            Answer::Forged(after) => vec![forged(), good(after)],
            Answer::Never => {
                if let Some(at) = self.serving().filter(|_| msg_id.is_multiple_of(2)) {
                    let report = format!(
                        "HMSG eddyline.t.n1.bounce.{msg_id}-n2 2 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"
                    );
                    let output = &mut self.connections[at].output;
                    output.extend_from_slice(report.as_bytes());
                }
                Vec::new()
            }
        };
        for (at, happens) in answers {
            self.add(at, happens);
        }
    }

    /// After the faults: asks for the last answers, and ends the run when they have come.
    fn end(&mut self, now: Instant) {
        if now < FAULTS_UNTIL {
            return;
        }
        let is_served = self.book.borrow().is_served();
        let has_asked = self.over.is_some();
        if is_served && !has_asked {
            self.over = Some(now + REST);
            let works = [
                Wanted::Echo(100),
                Wanted::Proxy(Answer::After(Duration::ZERO)),
                Wanted::Proxy(Answer::Never),
                Wanted::Nap(1),
            ];
            for (msg_id, wanted) in (LAST_FROM..).zip(works) {
                self.ask(Request::new(wanted, msg_id), now);
            }
        }
        if self.over.is_some_and(|over| over <= now) {
            self.book.borrow_mut().is_over = true;
        } else if now >= GIVES_UP {
            self.error("the node did not come back".to_owned());
        }
    }
}

impl Actor for Server {
    fn act(&mut self, id: ActorId, kernel: &mut Kernel) {
        let now = kernel.now();
        if self.book.borrow().is_over {
            return;
        }
        while let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= now
        {
            let happens = entry.remove();
            self.happen(happens, id, kernel);
        }
        self.accept(kernel);
        let mut at = 0;
        while at < self.connections.len() {
            if self.serve(at, kernel) {
                at += 1;
            } else {
                let connection = self.connections.remove(at);
                self.ended(&connection);
            }
        }
        let is_late = |connection: &Connection| {
            let since = connection.silent_since;
            since.is_some_and(|since| now.since(since) > SILENCE_MAX)
        };
        if self.is_faithful && self.connections.iter().any(is_late) {
            self.error("the node has not left a server that is silent".to_owned());
        }
        self.end(now);
        let is_cut = |connection: &Connection| !connection.output.is_empty();
        let soon = match self.connections.iter().any(is_cut) {
            true => Duration::from_micros(50 + self.random.below(300)),
            false => Duration::from_millis(50),
        };
        let next = self.agenda.keys().next().map(|key| key.0.since(now));
        kernel.schedule(id, next.map_or(soon, |next| next.min(soon)));
    }
}
