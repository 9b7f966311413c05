//! What was asked, what has to come back, and what came.

use super::node::Bell;
use crate::runtime::COUNT_WAIT_MAX;
use crate::tcp::{QUEUE_WAIT_MAX, SEND_DEADLINE};
use crate::time::Instant;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// A call's timeout, which no test here sets.
const RPC_TIMEOUT: Duration = Duration::from_secs(1);

/// How late timers may be seen behind a pause of which the loop cannot know: one
/// between its wait and its clock. It looks for input again when they are later;
/// the rest of this is the timer's tick.
const UNSEEN_PAUSE_MAX: Duration = Duration::from_millis(6);

/// How much later than it must the node may answer: longer than the faults of a run
/// take together.
const SLACK: Duration = Duration::from_millis(500);

/// What a request asks for.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    Init,
    /// With so many bytes.
    Echo(usize),
    Proxy(Answer),
    Start,
    Send(usize),
    Stats,
    /// Of so many milliseconds.
    Nap(u64),
    Bell,
    /// So many messages of so many bytes.
    Spam(u64, usize),
    Unknown,
}

/// What the other node answers a call with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    After(Duration),
    Error(Duration),
    Twice(Duration, Duration),
    /// Somebody else answers first.
    Forged(Duration),
    Never,
}

/// A request, and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) wanted: Wanted,
    pub(super) msg_id: u64,
    /// When its last byte was in the pipe.
    pub(super) written: Option<Instant>,
    pub(super) answered: bool,
    /// With something other than an error.
    succeeded: bool,
    /// For a proxy: when the first good reply was in the pipe.
    reply_written: Option<Instant>,
    /// For a proxy: when the other node had the call.
    called: Option<Instant>,
    /// For a spam: how many of its messages came.
    told: u64,
    /// For a send: the server was known to listen when it was written.
    server_listened: bool,
}

impl Request {
    pub(super) fn new(wanted: Wanted, msg_id: u64) -> Request {
        Request {
            wanted,
            msg_id,
            written: None,
            answered: false,
            succeeded: false,
            reply_written: None,
            called: None,
            told: 0,
            server_listened: false,
        }
    }

    fn source(&self) -> String {
        format!("c{}", self.msg_id % 5)
    }

    fn text(&self, len: usize) -> String {
        let mut text = format!("{}:", self.msg_id);
        let more = len.saturating_sub(text.len());
        let alphabet = "abcdefghijklmnopqrstuvw";
        text.push_str(&alphabet.repeat(more.div_ceil(alphabet.len()))[..more]);
        text
    }

    /// The request as a line, without its newline.
    pub(super) fn line(&self) -> Vec<u8> {
        let id = self.msg_id;
        let body = match &self.wanted {
            Wanted::Init => {
                json!({ "type": "init", "msg_id": id, "node_id": "n1", "node_ids": ["n1", "n2"] })
            }
            Wanted::Echo(len) => json!({ "type": "echo", "msg_id": id, "echo": self.text(*len) }),
            Wanted::Proxy(_) => json!({
                "type": "proxy", "msg_id": id, "target": "n2",
                "inner": { "type": "work", "of": id },
            }),
            Wanted::Start => json!({ "type": "tcp_echo_start", "msg_id": id, "port": 0 }),
            Wanted::Send(len) => {
                json!({ "type": "tcp_echo_send", "msg_id": id, "data": self.text(*len) })
            }
            Wanted::Stats => json!({ "type": "tcp_echo_stats", "msg_id": id }),
            Wanted::Nap(millis) => json!({ "type": "nap", "msg_id": id, "millis": millis }),
            Wanted::Bell => json!({ "type": "bell", "msg_id": id }),
            Wanted::Spam(count, bytes) => {
                json!({ "type": "spam", "msg_id": id, "count": count, "bytes": bytes })
            }
            Wanted::Unknown => json!({ "type": "no_such_thing", "msg_id": id }),
        };
        let line = json!({ "src": self.source(), "dest": "n1", "body": body });
        line.to_string().into_bytes()
    }

    /// Whether a process that ended early may have left it unanswered.
    fn may_wait(&self) -> bool {
        matches!(
            self.wanted,
            Wanted::Proxy(_) | Wanted::Nap(_) | Wanted::Bell
        )
    }
}

/// The account of a run.
pub(super) struct Ledger {
    pub(super) requests: BTreeMap<u64, Request>,
    pub(super) port: Option<u16>,
    pub(super) bell: Rc<Bell>,
    /// Clients of the echo server that have not come to their end.
    pub(super) clients: usize,
    /// The process has ended.
    pub(super) has_ended: bool,
    /// Whether a send has to succeed, and a client.
    pub(super) network_is_sound: bool,
    /// How late the node hears of a reply that is there; `None` if that may take
    /// for ever.
    pub(super) lateness: Option<Duration>,
    /// Whether deadlines that the node keeps can be judged by the clock.
    is_punctual: bool,
    /// From when to when the process has stood still in front of the clock.
    pub(super) clock_pauses: Vec<(Instant, Instant)>,
    /// The numbers of the node's own messages.
    msg_ids: BTreeSet<u64>,
    /// What was found wrong.
    pub(super) errors: Vec<String>,
}

impl Ledger {
    pub(super) fn new(
        bell: Rc<Bell>,
        network_is_sound: bool,
        lateness: Option<Duration>,
        is_punctual: bool,
    ) -> Ledger {
        Ledger {
            requests: BTreeMap::new(),
            port: None,
            bell,
            clients: 0,
            has_ended: false,
            network_is_sound,
            lateness,
            is_punctual,
            clock_pauses: Vec::new(),
            msg_ids: BTreeSet::new(),
            errors: Vec::new(),
        }
    }

    pub(super) fn error(&mut self, text: String) {
        self.errors.push(text);
    }

    /// A request's last byte is in the pipe.
    pub(super) fn written(&mut self, msg_id: u64, now: Instant) {
        let listens = self.port.is_some();
        if let Some(request) = self.requests.get_mut(&msg_id) {
            request.written = Some(now);
            request.server_listened = listens;
        }
    }

    /// A good reply's last byte is in the pipe.
    pub(super) fn reply_written(&mut self, msg_id: u64, now: Instant) {
        if let Some(request) = self.requests.get_mut(&msg_id) {
            request.reply_written.get_or_insert(now);
        }
    }

    pub(super) fn all_answered(&self) -> bool {
        self.requests.values().all(|request| request.answered)
    }

    pub(super) fn waits_for_bell(&self) -> bool {
        let waits = |request: &Request| !request.answered && matches!(request.wanted, Wanted::Bell);
        self.requests.values().any(waits)
    }

    pub(super) fn unanswered(&self) -> Vec<String> {
        let open = self.requests.values().filter(|request| !request.answered);
        open.map(|request| format!("{} {:?}", request.msg_id, request.wanted))
            .collect()
    }

    /// After an early end: what has to be answered nevertheless.
    pub(super) fn lost(&self) -> Vec<String> {
        let lost = |request: &&Request| !request.answered && !request.may_wait();
        let lost = self.requests.values().filter(lost);
        lost.map(|request| format!("{} {:?}", request.msg_id, request.wanted))
            .collect()
    }

    /// Takes a line of stdout. A call to the other node comes back, with what
    /// that node is to do.
    pub(super) fn receive(&mut self, line: &[u8], now: Instant) -> Option<(u64, u64, Answer)> {
        let message: Value = match serde_json::from_slice(line) {
            Ok(message) => message,
            Err(error) => {
                let line = String::from_utf8_lossy(line)
                    .chars()
                    .take(200)
                    .collect::<String>();
                self.error(format!("a line of stdout is no message: {error}: {line:?}"));
                return None;
            }
        };
        let body = &message["body"];
        if message["src"] != "n1" {
            self.error(format!("a message that is not from n1: {message}"));
        }
        if let Some(msg_id) = body["msg_id"].as_u64()
            && !self.msg_ids.insert(msg_id)
        {
            self.error(format!("msg_id {msg_id} was given out twice"));
        }
        match (body["in_reply_to"].as_u64(), body["type"].as_str()) {
            (Some(to), _) => {
                self.answered(to, &message, now);
                None
            }
            (None, Some("work")) => self.call(body, now),
            (None, Some("tell")) => {
                let of = body["of"].as_str().and_then(|of| of.parse().ok());
                if let Some(request) = of.and_then(|of| self.requests.get_mut(&of)) {
                    request.told += 1;
                }
                None
            }
            _ => {
                self.error(format!("a message that nobody asked for: {message}"));
                None
            }
        }
    }

    fn call(&mut self, body: &Value, now: Instant) -> Option<(u64, u64, Answer)> {
        let of = body["of"].as_u64()?;
        let msg_id = body["msg_id"].as_u64()?;
        let request = self.requests.get_mut(&of)?;
        let Wanted::Proxy(answer) = request.wanted else {
            return None;
        };
        if request.called.replace(now).is_some() {
            self.error(format!("proxy {of} called twice"));
        }
        Some((of, msg_id, answer))
    }

    fn answered(&mut self, to: u64, message: &Value, now: Instant) {
        let Some(request) = self.requests.get_mut(&to) else {
            return self.error(format!("a reply to {to}, which nobody sent: {message}"));
        };
        if std::mem::replace(&mut request.answered, true) {
            return self.error(format!("a second reply to {to}: {message}"));
        }
        let request = request.clone();
        if request.written.is_none() {
            self.error(format!("a reply to {to} before all of it was written"));
        }
        if message["dest"] != request.source() {
            self.error(format!("the reply to {to} is for another: {message}"));
        }
        let succeeded = message["body"]["type"] != "error";
        if let Some(request) = self.requests.get_mut(&to) {
            request.succeeded = succeeded;
        }
        if let Err(wrong) = self.judge(&request, &message["body"], now) {
            let text: String = message.to_string().chars().take(300).collect();
            self.error(format!(
                "the reply to {to} {:?}: {wrong}: {text}",
                request.wanted
            ));
        }
    }

    /// Whether a reply is one that its request may get.
    fn judge(&mut self, request: &Request, body: &Value, now: Instant) -> Result<(), &'static str> {
        let longest = match request.wanted {
            Wanted::Send(_) => SEND_DEADLINE,
            Wanted::Stats => COUNT_WAIT_MAX,
            _ => Duration::MAX,
        };
        let due = request.written.map(|at| at + longest + SLACK);
        if self.is_punctual && due.is_some_and(|due| due < now) {
            return Err("it took too long");
        }
        let kind = body["type"].as_str().unwrap_or("none");
        let code = (kind == "error").then(|| body["code"].as_u64().unwrap_or(u64::MAX));
        let be = |holds: bool, what: &'static str| if holds { Ok(()) } else { Err(what) };
        match (&request.wanted, code) {
            (Wanted::Init, None) => be(kind == "init_ok", "another type"),
            (Wanted::Echo(len), None) => be(
                body["echo"] == request.text(*len),
                "another text than was sent",
            ),
            (Wanted::Proxy(answer), _) => self.judge_proxy(request, *answer, body, code, now),
            (Wanted::Start, None) => {
                let port = body["port"]
                    .as_u64()
                    .and_then(|port| u16::try_from(port).ok());
                be(port.is_some(), "no port")?;
                let same = self.port.is_none_or(|known| Some(known) == port);
                self.port = port;
                be(same, "another port than before")
            }
            (Wanted::Start, Some(11)) => be(!self.network_is_sound, "an error without a cause"),
            (Wanted::Send(len), None) => be(
                body["echoed"] == request.text(*len),
                "another text than was sent",
            ),
            (Wanted::Send(_), Some(22)) => be(!request.server_listened, "the server listens"),
            (Wanted::Send(_), Some(11)) => {
                // A queue that is too long is a cause.
                let waited = request.written.is_some_and(|at| at + QUEUE_WAIT_MAX <= now);
                be(waited || !self.network_is_sound, "an error without a cause")
            }
            (Wanted::Send(_), Some(0 | 13)) => {
                be(!self.network_is_sound, "an error without a cause")
            }
            (Wanted::Stats, None) => {
                let bytes = body["bytes"].as_u64().unwrap_or(0);
                be(
                    bytes >= self.echoed_before(request.msg_id),
                    "fewer bytes than were echoed",
                )
            }
            (Wanted::Nap(millis), None) => {
                let due = request
                    .written
                    .map(|at| at + Duration::from_millis(*millis));
                be(due.is_none_or(|due| due <= now), "too early")
            }
            (Wanted::Bell, None) => be(kind == "bell_ok", "another type"),
            (Wanted::Spam(count, _), None) => be(
                request.told == *count,
                "not all of its messages came before it",
            ),
            (Wanted::Unknown, Some(10)) => Ok(()),
            (_, Some(_)) => Err("an error that it cannot have"),
            (Wanted::Unknown, None) => Err("no error"),
        }
    }

    fn judge_proxy(
        &self,
        request: &Request,
        answer: Answer,
        body: &Value,
        code: Option<u64>,
        now: Instant,
    ) -> Result<(), &'static str> {
        let Some(written) = request.written else {
            return Ok(());
        };
        match (code, answer) {
            (Some(0), _) => {
                // The call began after the request was written, and so is due
                // no earlier than this.
                let due = written + RPC_TIMEOUT;
                if now < due {
                    return Err("a timeout before its time");
                }
                match request.reply_written {
                    Some(at) if self.beats(at, due) && !self.was_unseen(request, at) => {
                        Err("its reply was there before the timeout")
                    }
                    _ => Ok(()),
                }
            }
            (Some(21), Answer::Error(_)) => Ok(()),
            (None, Answer::Never | Answer::Error(_)) => Err("nobody sent that"),
            (None, _) if body["result"]["of"] == request.msg_id => Ok(()),
            _ => Err("not what the other node said"),
        }
    }

    /// Whether a reply that was there `at` comes before a timer that is `due`.
    fn beats(&self, at: Instant, due: Instant) -> bool {
        self.lateness.is_some_and(|lateness| at + lateness <= due)
    }

    /// Whether a reply that was there `at` came in a pause between the wait and the
    /// clock that ended just behind the call's deadline: nobody can tell that from
    /// a timer that is punctual.
    fn was_unseen(&self, request: &Request, at: Instant) -> bool {
        let punctual = request.called.map_or(Instant::MAX, |called| {
            called + RPC_TIMEOUT + UNSEEN_PAUSE_MAX
        });
        let mut pauses = self.clock_pauses.iter();
        pauses.any(|&(from, to)| from <= at && at <= to && to <= punctual)
    }

    /// The bytes of sends that were asked for before and have succeeded.
    fn echoed_before(&self, msg_id: u64) -> u64 {
        let before = self.requests.range(..msg_id);
        let bytes = before.map(|(_, request)| match request.wanted {
            Wanted::Send(len) if request.succeeded => request.text(len).len() as u64,
            _ => 0,
        });
        bytes.sum()
    }
}
