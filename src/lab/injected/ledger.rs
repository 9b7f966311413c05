//! The ledger of a run: what was asked for, what came back, and whether it is right.

use super::node::Bell;
use super::request::{Answer, Request, Wanted};
use crate::runtime::COUNT_WAIT_MAX;
use crate::tcp::{QUEUE_WAIT_MAX, SEND_DEADLINE};
use crate::time::Instant;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// The timeout of a call: the default, since no plan sets another.
const RPC_TIMEOUT: Duration = Duration::from_secs(1);

/// How long after a deadline a pause may end without the loop noticing it. Such a
/// pause is between the wait and the reading of the clock. The loop asks for input
/// again when a timer is more than 5 ms late; the rest of this is the timer's tick.
const UNSEEN_PAUSE_MAX: Duration = Duration::from_millis(6);

/// How late the node may answer: longer than all faults of a run delay it together.
const SLACK: Duration = Duration::from_millis(500);

/// The requests of a run, their answers, and the mistakes that were found.
pub(super) struct Ledger {
    pub(super) requests: BTreeMap<u64, Request>,
    pub(super) port: Option<u16>,
    pub(super) bell: Rc<Bell>,
    /// The clients of the echo server that have started and not ended.
    pub(super) clients: usize,
    /// The process has ended.
    pub(super) has_ended: bool,
    /// Whether each send and each client has to succeed.
    pub(super) network_is_sound: bool,
    /// How late the node may see a reply that is in the pipe; `None` for any time.
    pub(super) lateness: Option<Duration>,
    /// Whether nothing keeps the node from its own deadlines.
    is_punctual: bool,
    /// When each pause before a reading of the clock began and ended.
    pub(super) clock_pauses: Vec<(Instant, Instant)>,
    /// The `msg_id`s that the node has given out.
    msg_ids: BTreeSet<u64>,
    /// The mistakes that were found.
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

    /// The last byte of a request is in the pipe.
    pub(super) fn written(&mut self, msg_id: u64, now: Instant) {
        let listens = self.port.is_some();
        if let Some(request) = self.requests.get_mut(&msg_id) {
            request.written = Some(now);
            request.server_listened = listens;
        }
    }

    /// The last byte of a good reply is in the pipe.
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

    /// After an early end: the requests that had to be answered nevertheless.
    pub(super) fn lost(&self) -> Vec<String> {
        let lost = |request: &&Request| !request.answered && !request.may_wait();
        let lost = self.requests.values().filter(lost);
        lost.map(|request| format!("{} {:?}", request.msg_id, request.wanted))
            .collect()
    }

    /// Takes a line of stdout. If it is a call to the other node, returns the proxy
    /// request, the call's `msg_id`, and how that node is to answer.
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
                self.error(format!("a message without a reason: {message}"));
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
            return self.error(format!("a reply to {to}, which was never sent: {message}"));
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

    /// Whether a reply is right for its request.
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
                // A long queue is a cause.
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
                // The call began after the request was written. It is due no earlier
                // than this.
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
            (None, Answer::Never | Answer::Error(_)) => Err("the other node did not send that"),
            (None, _) if body["result"]["of"] == request.msg_id => Ok(()),
            _ => Err("not what the other node said"),
        }
    }

    /// Whether a reply that was in the pipe `at` must beat a timer that is `due`.
    fn beats(&self, at: Instant, due: Instant) -> bool {
        self.lateness.is_some_and(|lateness| at + lateness <= due)
    }

    /// Whether a reply came `at` a time in a pause between the wait and the clock, and
    /// the pause ended just after the call's deadline. The loop cannot tell that
    /// from a timer that is punctual.
    fn was_unseen(&self, request: &Request, at: Instant) -> bool {
        let punctual = request.called.map_or(Instant::MAX, |called| {
            called + RPC_TIMEOUT + UNSEEN_PAUSE_MAX
        });
        let mut pauses = self.clock_pauses.iter();
        pauses.any(|&(from, to)| from <= at && at <= to && to <= punctual)
    }

    /// The bytes of all earlier sends that have succeeded.
    fn echoed_before(&self, msg_id: u64) -> u64 {
        let before = self.requests.range(..msg_id);
        let bytes = before.map(|(_, request)| match request.wanted {
            Wanted::Send(len) if request.succeeded => request.text(len).len() as u64,
            _ => 0,
        });
        bytes.sum()
    }
}
