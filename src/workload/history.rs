//! The history of a run: every operation of every client, with its times and its outcome.
//!
//! ```text
//!   Request ──invoked──> Operation ──completed──> Outcome::Ok     a reply came
//!                                                 Outcome::Fail   a definite error came
//!                                                 Outcome::Info   neither: the effect is unknown
//! ```
//!
//! Times are durations since the start of the run. A history is the same on a virtual and
//! on a real clock.
//!
//! Read next: [`Workload`](super::Workload), which makes requests and checks histories.

use super::statistics::quantile;
use crate::protocol::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::rc::Rc;
use std::time::Duration;

/// A request of a client: a type, and the body's other fields.
///
/// ```
/// use eddyline::workload::Request;
/// use serde_json::json;
///
/// let request = Request::new("add", &json!({"element": 7}));
/// assert_eq!(request.kind, "add");
/// assert_eq!(request.fields.get(), r#"{"element":7}"#);
/// ```
#[derive(Debug, Clone)]
pub struct Request {
    /// The body's `type`.
    pub kind: &'static str,
    /// The body's fields without its header, a JSON object.
    pub fields: Box<RawValue>,
}

impl Request {
    /// A request of type `kind` with these fields; `&()` for none.
    ///
    /// # Panics
    /// When `fields` do not serialise to a JSON object. That is a mistake in
    /// the workload, and no run can go on with it.
    pub fn new<T: Serialize + ?Sized>(kind: &'static str, fields: &T) -> Request {
        let fields = match to_raw_value(fields) {
            Ok(fields) if fields.get() == "null" => RawValue::from_string("{}".to_owned()),
            fields => fields,
        };
        match fields {
            Ok(fields) if fields.get().starts_with('{') => Request { kind, fields },
            Ok(fields) => panic!("the fields of {kind:?} are no JSON object: {fields}"),
            Err(error) => panic!("the fields of {kind:?} do not serialise: {error}"),
        }
    }
}

/// The end of an operation, as its client saw it.
///
/// ```
/// # use eddyline::workload::{Operation, Outcome};
/// fn tell(operation: &Operation) -> String {
///     match &operation.outcome {
///         Outcome::Ok(body) => format!("done: {body}"),
///         Outcome::Fail(error) => format!("not done: {error}"),
///         Outcome::Info(error) => format!("unknown: {error}"),
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The operation was done. The body of the reply, as JSON.
    Ok(Box<str>),
    /// The operation was not done, and never will be: a definite error.
    Fail(Error),
    /// The operation may have been done: an indefinite error, or no reply in time
    /// (error 0).
    Info(Error),
}

/// The part of a run in which an operation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the load, once for each node.
    Setup,
    /// The load.
    Load,
    /// After all faults have ended and the cluster had time to recover.
    Final,
}

/// One operation of a client.
///
/// ```
/// # use eddyline::workload::Operation;
/// fn tell(operation: &Operation) -> String {
///     let Operation { client, node, invoked, .. } = operation;
///     format!("{client} asked n{node} to {} at {invoked:?}", operation.kind())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Operation {
    /// The client. It makes one operation at a time, and none after an
    /// operation whose outcome is unknown.
    pub client: Rc<str>,
    /// The node that was asked, by index.
    pub node: usize,
    /// The part of the run.
    pub phase: Phase,
    /// The request.
    pub request: Request,
    /// When the request was sent, since the start of the run.
    pub invoked: Duration,
    /// When the outcome came or the client gave up, since the start of the run;
    /// [`Duration::MAX`] if the run ended before that.
    pub completed: Duration,
    /// The outcome.
    pub outcome: Outcome,
}

impl Operation {
    /// Whether it was done.
    pub fn is_ok(&self) -> bool {
        matches!(self.outcome, Outcome::Ok(_))
    }

    /// Whether it was certainly not done.
    pub fn is_fail(&self) -> bool {
        matches!(self.outcome, Outcome::Fail(_))
    }

    /// The request's type.
    pub fn kind(&self) -> &'static str {
        self.request.kind
    }

    /// The time from the request to the outcome.
    pub fn latency(&self) -> Duration {
        self.completed.saturating_sub(self.invoked)
    }

    /// The fields of the request, as a type of yours. `None` when they have
    /// another shape.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Add {
    ///     delta: i64,
    /// }
    ///
    /// # fn sum(history: &eddyline::workload::History) {
    /// let adds = history.done("add").filter_map(|add| add.asked::<Add>());
    /// let sum: i64 = adds.map(|add| add.delta).sum();
    /// # }
    /// ```
    pub fn asked<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(self.request.fields.get()).ok()
    }

    /// The fields of the reply, as a type of yours. `None` when there is no reply
    /// or it has another shape.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct ReadOk {
    ///     value: i64,
    /// }
    ///
    /// # fn greatest(history: &eddyline::workload::History) {
    /// let reads = history.of_kind("read").filter_map(|read| read.replied::<ReadOk>());
    /// let greatest = reads.map(|read| read.value).max();
    /// # }
    /// ```
    pub fn replied<T: DeserializeOwned>(&self) -> Option<T> {
        match &self.outcome {
            Outcome::Ok(body) => serde_json::from_str(body).ok(),
            Outcome::Fail(_) | Outcome::Info(_) => None,
        }
    }

    /// Why the reply cannot be read, with the place in its body; `None` if it can, or if there is
    /// none. A half of a surrogate pair, a number such as `1e999` and a depth of more than 127
    /// pass as JSON until a value is made of them.
    pub(super) fn unreadable(&self) -> Option<String> {
        let Outcome::Ok(body) = &self.outcome else {
            return None;
        };
        let error = serde_json::from_str::<serde_json::Value>(body).err()?;
        Some(format!("its body is no JSON that can be read: {error}"))
    }
}

/// All operations of a run, in the order in which they were invoked.
///
/// ```
/// # use eddyline::workload::History;
/// # fn look(history: &History) {
/// let slow = history.latency(0.99);
/// let adds = history.done("add").count();
/// println!("{adds} adds, 99 of 100 operations within {slow:?}");
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct History {
    operations: Vec<Operation>,
}

impl History {
    pub(super) fn push(&mut self, operation: Operation) -> usize {
        self.operations.push(operation);
        self.operations.len() - 1
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Operation {
        &mut self.operations[index]
    }

    /// All operations.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operations of one type.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Operation> {
        self.operations
            .iter()
            .filter(move |operation| operation.kind() == kind)
    }

    /// The operations of one type that were done.
    pub fn done<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Operation> {
        self.of_kind(kind).filter(|operation| operation.is_ok())
    }

    /// The operations of the load. Rates and averages are computed from these.
    pub fn load(&self) -> impl Iterator<Item = &Operation> {
        let operations = self.operations.iter();
        operations.filter(|operation| operation.phase == Phase::Load)
    }

    /// The part of the load's operations that were done, from 0 to 1.
    pub fn availability(&self) -> f64 {
        let (mut all, mut done) = (0u32, 0u32);
        for operation in self.load() {
            all += 1;
            done += u32::from(operation.is_ok());
        }
        if all == 0 {
            return 1.0;
        }
        f64::from(done) / f64::from(all)
    }

    /// A quantile (0 to 1) of the latencies of the load's operations that were
    /// done; zero if none was.
    ///
    /// ```
    /// # fn look(history: &eddyline::workload::History) {
    /// let (median, longest) = (history.latency(0.5), history.latency(1.0));
    /// assert!(median <= longest);
    /// # }
    /// ```
    pub fn latency(&self, fraction: f64) -> Duration {
        let done = self.load().filter(|operation| operation.is_ok());
        let mut latencies: Vec<Duration> = done.map(Operation::latency).collect();
        latencies.sort_unstable();
        quantile(&latencies, fraction)
    }
}
