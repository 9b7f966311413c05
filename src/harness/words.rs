//! A run in the words of a Jepsen history: events of clients and of the nemesis, in order.
//!
//! Words are [those that the reader knows](crate::workload::HistoryReader). Where they say
//! less than was sent, the event has the fields of the request and the body of the reply too,
//! so that a history that was written can be judged again.

use super::edn::Edn;
use super::record::Record;
use crate::protocol::{Error, ErrorCode};
use crate::workload::faults::{FaultKind, FaultSpan};
use crate::workload::{History, Operation, Outcome, Phase};
use serde_json::{Value, json};
use std::time::Duration;

/// One line of a history.
pub(crate) struct Event {
    pub(crate) at: Duration,
    /// The number of a client; `None` for the nemesis.
    pub(crate) process: Option<u64>,
    /// `invoke`, `ok`, `fail` or `info`.
    pub(crate) kind: &'static str,
    pub(crate) f: String,
    pub(crate) value: Edn,
    /// A name and a text.
    pub(crate) error: Option<(String, String)>,
    pub(crate) node: Option<usize>,
    pub(crate) is_final: bool,
    pub(crate) request: Option<Value>,
    pub(crate) reply: Option<Value>,
}

/// The origin of an event: an operation, or a fault, by index.
enum Origin {
    Invoked(usize),
    Completed(usize),
    Began(usize),
    Ended(usize),
}

/// All events of a run, in order. The setup is left out, as in Jepsen.
///
/// Only the order is held. The events have the replies as trees, ten times as long as their text,
/// so each is made when its turn comes.
pub(crate) fn events(record: &Record) -> impl Iterator<Item = Event> + '_ {
    let mut order = Vec::new();
    for (index, operation) in record.history.operations().iter().enumerate() {
        if operation.phase == Phase::Setup {
            continue;
        }
        // At one time, an operation ends before its client's next one begins.
        let place = 2 * index + 2;
        order.push((operation.invoked, place, Origin::Invoked(index)));
        if operation.completed != Duration::MAX {
            order.push((operation.completed, place + 1, Origin::Completed(index)));
        }
    }
    for (index, span) in record.faults.iter().enumerate() {
        order.push((span.from, 0, Origin::Began(index)));
        order.extend(span.to.map(|to| (to, 1, Origin::Ended(index))));
    }
    order.sort_by_key(|(at, place, _)| (*at, *place));
    order
        .into_iter()
        .map(|(at, _, origin)| event(record, at, &origin))
}

fn event(record: &Record, at: Duration, origin: &Origin) -> Event {
    let operations = record.history.operations();
    match *origin {
        Origin::Invoked(index) => {
            let operation = &operations[index];
            invocation(record, operation, process(operation, index))
        }
        Origin::Completed(index) => {
            let operation = &operations[index];
            completion(record, operation, process(operation, index))
        }
        Origin::Began(index) => {
            let span = &record.faults[index];
            let nodes = span.nodes.iter().map(|node| match record.nodes.get(*node) {
                Some(name) => Edn::text(name.as_str()),
                None => Edn::text(format!("n{node}")),
            });
            let value = Edn::vector([Edn::vector(nodes), Edn::text(span.detail.as_str())]);
            nemesis(at, fault_words(span)[0], value)
        }
        Origin::Ended(index) => nemesis(at, fault_words(&record.faults[index])[1], Edn::Nil),
    }
}

/// The names of the beginning and the end of a fault.
fn fault_words(span: &FaultSpan) -> [&'static str; 2] {
    match span.kind {
        FaultKind::Partition => ["start-partition", "stop-partition"],
        FaultKind::Pause => ["pause", "resume"],
        FaultKind::Crash => ["kill", "start"],
        FaultKind::ClockJump => ["bump-clock", "reset-clock"],
        FaultKind::Broker => ["kill-broker", "start-broker"],
    }
}

fn nemesis(at: Duration, f: &str, value: Edn) -> Event {
    Event {
        at,
        process: None,
        kind: "info",
        f: f.to_owned(),
        value,
        error: None,
        node: None,
        is_final: false,
        request: None,
        reply: None,
    }
}

/// The number of an operation's client: c7 is 7.
pub(crate) fn process(operation: &Operation, index: usize) -> u64 {
    let digits = operation
        .client
        .trim_start_matches(|c: char| !c.is_ascii_digit());
    // A client of another name gets a number for each operation.
    let own = || 1_000_000_000 + u64::try_from(index).unwrap_or_default();
    digits.parse().unwrap_or_else(|_| own())
}

fn invocation(record: &Record, operation: &Operation, process: u64) -> Event {
    let fields: Value = operation.asked().unwrap_or_default();
    let request = (record.workload == "kafka").then(|| fields.clone());
    Event {
        at: operation.invoked,
        process: Some(process),
        kind: "invoke",
        f: operation.kind().to_owned(),
        value: asked(record.workload, operation.kind(), &fields),
        error: None,
        node: Some(operation.node),
        is_final: operation.phase == Phase::Final,
        request,
        reply: None,
    }
}

fn completion(record: &Record, operation: &Operation, process: u64) -> Event {
    let fields: Value = operation.asked().unwrap_or_default();
    let mut event = invocation(record, operation, process);
    event.at = operation.completed;
    event.request = None;
    match &operation.outcome {
        Outcome::Ok(body) => {
            event.kind = "ok";
            let reply: Value = serde_json::from_str(body).unwrap_or_default();
            event.value = answered(record.workload, operation.kind(), &fields, &reply);
            event.reply = (record.workload == "kafka").then_some(reply);
        }
        Outcome::Fail(error) => {
            event.kind = "fail";
            event.error = Some(named(error));
        }
        Outcome::Info(error) => {
            event.kind = "info";
            event.error = Some(named(error));
        }
    }
    event
}

/// An error by Jepsen's name.
fn named(error: &Error) -> (String, String) {
    let name = match error.code {
        ErrorCode::Timeout => "timeout",
        ErrorCode::NodeNotFound => "node-not-found",
        ErrorCode::NotSupported => "not-supported",
        ErrorCode::TemporarilyUnavailable => "temporarily-unavailable",
        ErrorCode::MalformedRequest => "malformed-request",
        ErrorCode::Crash => "crash",
        ErrorCode::Abort => "abort",
        ErrorCode::KeyDoesNotExist => "key-does-not-exist",
        ErrorCode::KeyAlreadyExists => "key-already-exists",
        ErrorCode::PreconditionFailed => "precondition-failed",
        ErrorCode::TxnConflict => "txn-conflict",
        other => return (format!("error-{}", other.number()), error.text.clone()),
    };
    (name.to_owned(), error.text.clone())
}

/// The value of an operation that begins.
pub(crate) fn asked(workload: &str, kind: &str, fields: &Value) -> Edn {
    match (workload, kind) {
        ("echo", _) => Edn::of(&fields["echo"]),
        ("broadcast", "broadcast") => Edn::of(&fields["message"]),
        ("g-set", "add") => Edn::of(&fields["element"]),
        ("g-counter" | "pn-counter", "add") => Edn::of(&fields["delta"]),
        ("lin-kv", "read") => Edn::of(&json!([fields["key"], null])),
        ("lin-kv", "write") => Edn::of(&json!([fields["key"], fields["value"]])),
        ("lin-kv", "cas") => Edn::of(&json!([fields["key"], [fields["from"], fields["to"]]])),
        ("txn-list-append" | "txn-rw-register", _) => transaction(&fields["txn"]),
        ("kafka", "send") => Edn::vector([Edn::vector([
            Edn::keyword("send"),
            Edn::of(&fields["key"]),
            Edn::of(&fields["msg"]),
        ])]),
        ("kafka", "poll") => Edn::vector([Edn::vector([Edn::keyword("poll")])]),
        _ if fields.as_object().is_none_or(serde_json::Map::is_empty) => Edn::Nil,
        _ => Edn::of(fields),
    }
}

/// The value of an operation that was done.
pub(crate) fn answered(workload: &str, kind: &str, fields: &Value, reply: &Value) -> Edn {
    match (workload, kind) {
        ("echo", _) => Edn::of(reply),
        ("unique-ids", _) => Edn::of(&reply["id"]),
        ("broadcast", "read") => Edn::of(&reply["messages"]),
        ("g-set" | "g-counter" | "pn-counter", "read") => Edn::of(&reply["value"]),
        ("lin-kv", "read") => Edn::of(&json!([fields["key"], reply["value"]])),
        ("txn-list-append" | "txn-rw-register", _) => transaction(&reply["txn"]),
        ("kafka", "send") => {
            let sent = json!([reply["offset"], fields["msg"]]);
            let words = [
                Edn::keyword("send"),
                Edn::of(&fields["key"]),
                Edn::of(&sent),
            ];
            Edn::vector([Edn::vector(words)])
        }
        ("kafka", "poll") => {
            let logs = reply["msgs"].as_object().into_iter().flatten();
            let logs = logs.map(|(key, log)| (Edn::text(key.as_str()), Edn::of(log)));
            let words = [Edn::keyword("poll"), Edn::Map(logs.collect())];
            Edn::vector([Edn::vector(words)])
        }
        _ => asked(workload, kind, fields),
    }
}

fn transaction(txn: &Value) -> Edn {
    let micros = txn.as_array().into_iter().flatten();
    Edn::vector(micros.map(|micro| {
        let parts = micro.as_array().into_iter().flatten().enumerate();
        Edn::vector(parts.map(|(place, part)| match (place, part.as_str()) {
            (0, Some(kind)) => Edn::keyword(kind),
            _ => Edn::of(part),
        }))
    }))
}

impl Event {
    /// The event as a map, for `history.edn`.
    pub(crate) fn into_edn(self, index: usize) -> Edn {
        let number = |number: u64| Edn::Number(number.into());
        let nanos = u64::try_from(self.at.as_nanos()).unwrap_or(u64::MAX);
        let mut entries = vec![
            ("index", number(u64::try_from(index).unwrap_or_default())),
            ("time", number(nanos)),
            ("type", Edn::keyword(self.kind)),
            (
                "process",
                self.process.map_or(Edn::keyword("nemesis"), number),
            ),
            ("f", Edn::keyword(self.f.as_str())),
            ("value", self.value),
        ];
        if let Some((name, text)) = &self.error {
            let error = [Edn::keyword(name.as_str()), Edn::text(text.as_str())];
            entries.push(("error", Edn::vector(error)));
        }
        if let Some(node) = self.node {
            entries.push(("node", number(u64::try_from(node).unwrap_or_default())));
        }
        if self.is_final {
            entries.push(("final?", Edn::Bool(true)));
        }
        for (name, body) in [("request", &self.request), ("reply", &self.reply)] {
            entries.extend(body.as_ref().map(|body| (name, Edn::of(body))));
        }
        Edn::map(entries)
    }

    /// The event as a line of `history.txt`.
    pub(crate) fn to_line(&self) -> String {
        let process = self
            .process
            .map_or(":nemesis".to_owned(), |it| it.to_string());
        let mut line = format!("{process}\t:{}\t:{}\t{}", self.kind, self.f, self.value);
        if let Some((name, text)) = &self.error {
            let text = text.replace(['\n', '\t'], " ");
            line.push_str(&format!("\t[:{name} {text}]"));
        }
        line.push('\n');
        line
    }
}

/// The names of the kinds of operations, for counts.
pub(crate) fn kinds(history: &History) -> Vec<&'static str> {
    let mut kinds: Vec<&str> = history.operations().iter().map(Operation::kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
