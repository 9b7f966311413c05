//! Histories of other testers: lines of JSON, as Jepsen and Maelstrom record them.
//!
//! ```text
//!   {"time":54165834,"type":"invoke","process":0,"f":"add","value":7}
//!   {"time":67927940,"type":"ok","process":0,"f":"add","value":7}
//! ```
//!
//! `process` is the number of a client, or the name of a part of the tester, whose lines
//! are skipped. `type` is `invoke`, `ok`, `fail` (certainly not done) or `info` (outcome
//! unknown). `time` is in nanoseconds since the start. `f` and `value` are the operation,
//! in the words of the workload: `shapes` has the table. A line can also have `error`, a
//! pair of name and text, and `final?`. Our own histories have the index of the asked node
//! as `node`, and where the words of a workload say less than was sent, the fields as
//! `request` and the body of the reply as `reply`. Other keys are ignored.
//!
//! Jepsen keeps its histories as EDN, and Knossos reads one map a line. A line of JSON is
//! the same map, and tools for it are everywhere. A completion stands in a line of its own,
//! as there, and the reader pairs it with its invocation.

mod kafka;
mod line;
mod shapes;

use super::history::{History, Operation, Outcome, Phase};
use crate::protocol::{Error, ErrorCode};
use kafka::Consumers;
use line::{Line, LineKind, Process};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Reads the history of a run from lines of JSON, for a [`Workload`](super::Workload) to
/// check.
///
/// ```
/// use eddyline::workload::{Anomalies, Counter, HistoryReader, Observed, Workload};
///
/// let history = HistoryReader::new("g-counter").nodes(3).read(
///     r#"{"time":1000,"type":"invoke","process":0,"f":"add","value":2}
///        {"time":2000,"type":"ok","process":0,"f":"add","value":2}
///        {"time":9000,"type":"invoke","process":1,"f":"read","value":null,"final?":true}
///        {"time":9500,"type":"ok","process":1,"f":"read","value":3,"final?":true}"#,
/// )?;
/// let found = Counter::g().check(&Observed::of(&history)).unwrap_err();
/// assert!(found.found()[0].contains("3, more than the 2 that was added"));
/// # Ok::<(), eddyline::workload::HistoryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct HistoryReader {
    workload: String,
    nodes: usize,
}

/// The reason why a text is no history.
///
/// ```
/// use eddyline::workload::HistoryReader;
///
/// let error = HistoryReader::new("echo").read("{}\n").unwrap_err();
/// assert_eq!(error.line, Some(1));
/// assert!(error.to_string().starts_with("line 1: "));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryError {
    /// The line, from 1. `None` if no line is wrong, but the name of the workload.
    pub line: Option<usize>,
    /// The mistake in it.
    pub why: String,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.why)
    }
}

impl std::error::Error for HistoryError {}

/// How long a cluster has to recover before a read counts as final, in histories whose
/// lines do not say so. Maelstrom waits twice as long.
const RECOVERY_MIN: Duration = Duration::from_secs(5);

impl HistoryReader {
    /// A reader of histories of that workload, by Maelstrom's name: `lin-kv`, for example.
    pub fn new(workload: impl Into<String>) -> HistoryReader {
        HistoryReader {
            workload: workload.into(),
            nodes: 1,
        }
    }

    /// How many nodes the run had: 1. It matters where the lines have no `node`. Only sentences for people depend on it: client
    /// number i asked node i modulo `count`.
    pub fn nodes(mut self, count: usize) -> HistoryReader {
        self.nodes = count.max(1);
        self
    }

    /// Reads a history.
    ///
    /// Where no line has `final?`, the reads that began 5 s or more after the last write
    /// and the last fault count as final.
    ///
    /// # Errors
    /// The first line that is wrong, and why: it is no such object, its operation is none
    /// of the workload's, it has no invocation, or its time goes back.
    pub fn read(&self, text: &str) -> Result<History, HistoryError> {
        if !shapes::WORKLOADS.contains(&&*self.workload) {
            let known = shapes::WORKLOADS.join(", ");
            let why = format!(
                "no workload is called {:?}: there are {known}",
                self.workload
            );
            return Err(HistoryError { line: None, why });
        }
        let mut assembly = Assembly {
            reader: self,
            history: History::default(),
            pending: BTreeMap::new(),
            now: 0,
            last_change: 0,
            written: BTreeSet::new(),
            consumers: Consumers::default(),
        };
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let line: Result<Line, String> =
                serde_json::from_str(line).map_err(|error| error.to_string());
            let taken = line.and_then(|line| assembly.take(line));
            taken.map_err(|why| HistoryError {
                line: Some(index + 1),
                why,
            })?;
        }
        Ok(assembly.finish())
    }
}

/// A history of which some lines have been read.
struct Assembly<'a> {
    reader: &'a HistoryReader,
    history: History,
    /// The operation of each client that has not ended yet, by its index.
    pending: BTreeMap<u64, usize>,
    now: u64,
    /// The time of the last line that was a fault, or belonged to a write.
    last_change: u64,
    /// The key and the value of each write of a transaction. A checker needs them to be
    /// different.
    written: BTreeSet<(u64, String)>,
    consumers: Consumers,
}

impl Assembly<'_> {
    fn take(&mut self, line: Line) -> Result<(), String> {
        if line.time < self.now {
            return Err(format!(
                "the time goes back from {} to {}",
                self.now, line.time
            ));
        }
        self.now = line.time;
        let Process::Client(process) = line.process else {
            self.last_change = line.time;
            return Ok(());
        };
        if line.f != "read" {
            self.last_change = line.time;
        }
        match line.r#type {
            LineKind::Invoke => self.invoke(process, &line),
            kind => self.complete(process, kind, &line),
        }
    }

    fn invoke(&mut self, process: u64, line: &Line) -> Result<(), String> {
        if self.pending.contains_key(&process) {
            return Err(format!(
                "client {process} has an operation that has not ended"
            ));
        }
        let request = match (&*self.reader.workload, &line.request) {
            (workload, Some(fields)) => shapes::verbatim(workload, &line.f, fields)?,
            ("kafka", None) => self.consumers.request(process, &line.f, &line.value)?,
            (workload, None) => shapes::request(workload, &line.f, &line.value)?,
        };
        self.check_written(&line.value)?;
        if line.from_the_beginning {
            self.consumers.begin_final(process);
        }
        let is_final = line.is_final || self.consumers.is_final(process);
        let nodes = u64::try_from(self.reader.nodes).unwrap_or(u64::MAX);
        let index = self.history.push(Operation {
            client: format!("c{process}").into(),
            node: usize::try_from(line.node.as_u64().unwrap_or(process % nodes))
                .unwrap_or_default(),
            phase: if is_final { Phase::Final } else { Phase::Load },
            request,
            invoked: Duration::from_nanos(line.time),
            completed: Duration::MAX,
            outcome: Outcome::Info(Error::timeout("the history ended before the operation did")),
        });
        self.pending.insert(process, index);
        Ok(())
    }

    /// Checks that no write of a transaction repeats a value of its key.
    fn check_written(&mut self, value: &Value) -> Result<(), String> {
        if !self.reader.workload.starts_with("txn-") {
            return Ok(());
        }
        for micro in value.as_array().into_iter().flatten() {
            let (Some(key), false) = (micro[1].as_u64(), micro[0] == "r") else {
                continue;
            };
            let value = micro[2].to_string();
            if !self.written.insert((key, value)) {
                return Err(format!(
                    "{} is written to key {key} a second time",
                    micro[2]
                ));
            }
        }
        Ok(())
    }

    fn complete(&mut self, process: u64, kind: LineKind, line: &Line) -> Result<(), String> {
        let index = self.pending.remove(&process);
        let index = index.ok_or_else(|| format!("client {process} has begun no operation"))?;
        let operation = self.history.get_mut(index);
        let asked = operation.kind();
        if asked != line.f {
            return Err(format!(
                "client {process} has begun {asked:?} and not {:?}",
                line.f
            ));
        }
        operation.completed = Duration::from_nanos(line.time);
        operation.outcome = match kind {
            LineKind::Ok => {
                let body = match (&*self.reader.workload, &line.reply) {
                    (_, Some(body)) => json!(body).to_string(),
                    ("kafka", None) => self.consumers.reply(process, operation, line)?,
                    (workload, None) => shapes::reply(workload, &line.f, &line.value)?,
                };
                Outcome::Ok(body.into())
            }
            LineKind::Fail => Outcome::Fail(error(&line.error, ErrorCode::Abort)),
            LineKind::Info | LineKind::Invoke => {
                Outcome::Info(error(&line.error, ErrorCode::Timeout))
            }
        };
        Ok(())
    }

    fn finish(mut self) -> History {
        let has_finals = |operation: &Operation| operation.phase == Phase::Final;
        if self.history.operations().iter().any(has_finals) {
            return self.history;
        }
        let begin = Duration::from_nanos(self.last_change) + RECOVERY_MIN;
        for index in 0..self.history.operations().len() {
            let operation = self.history.get_mut(index);
            if operation.kind() == "read" && operation.invoked >= begin {
                operation.phase = Phase::Final;
            }
        }
        self.history
    }
}

/// Jepsen's form of an error: a name and a text.
fn error(value: &Value, default: ErrorCode) -> Error {
    let name = value[0].as_str().or(value.as_str()).unwrap_or_default();
    let code = match name {
        "timeout" => ErrorCode::Timeout,
        "node-not-found" => ErrorCode::NodeNotFound,
        "not-supported" => ErrorCode::NotSupported,
        "temporarily-unavailable" => ErrorCode::TemporarilyUnavailable,
        "malformed-request" => ErrorCode::MalformedRequest,
        "crash" => ErrorCode::Crash,
        "abort" => ErrorCode::Abort,
        "key-does-not-exist" => ErrorCode::KeyDoesNotExist,
        "key-already-exists" => ErrorCode::KeyAlreadyExists,
        "precondition-failed" => ErrorCode::PreconditionFailed,
        "txn-conflict" => ErrorCode::TxnConflict,
        _ => default,
    };
    Error::new(code, value[1].as_str().unwrap_or(name))
}

#[cfg(test)]
mod tests;
