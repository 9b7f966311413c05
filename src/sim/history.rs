//! The history: what clients asked for, and what they learned of it.

use crate::protocol::Error;
use crate::time::Instant;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::rc::Rc;
use std::time::Duration;

/// A request that a workload has a client make: a type, and the body's other
/// fields.
///
/// ```
/// use eddyline::sim::Request;
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
    /// ```
    /// let read = eddyline::sim::Request::new("read", &());
    /// assert_eq!(read.fields.get(), "{}");
    /// ```
    ///
    /// # Panics
    /// When `fields` do not serialise to a JSON object: that is a mistake in
    /// the workload, which no simulation can get around.
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

/// How an operation ended.
///
/// ```
/// # use eddyline::sim::{Operation, Outcome};
/// fn tell(operation: &Operation) -> String {
///     match &operation.outcome {
///         Outcome::Ok(body) => format!("done: {body}"),
///         Outcome::Fail(error) => format!("not done: {error}"),
///         Outcome::Info(error) => format!("nobody knows: {error}"),
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It was done. The body of the reply, as JSON.
    Ok(Box<str>),
    /// It was not done, and never will be: a definite error.
    Fail(Error),
    /// Nobody knows: an indefinite error, or no reply in time (error 0).
    Info(Error),
}

/// When in a run an operation was made.
///
/// ```
/// # use eddyline::sim::{History, Phase};
/// fn final_reads(history: &History) -> usize {
///     history.done("read").filter(|read| read.phase == Phase::Final).count()
/// }
/// ```
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
/// # use eddyline::sim::Operation;
/// fn tell(operation: &Operation) -> String {
///     let Operation { client, node, invoked, .. } = operation;
///     format!("{client} asked n{node} to {} at {invoked:?}", operation.kind())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Operation {
    /// The client. It makes one operation at a time, and none after one whose
    /// outcome it did not learn.
    pub client: Rc<str>,
    /// The node that it asked, by index.
    pub node: usize,
    /// When in the run.
    pub phase: Phase,
    /// What it asked for.
    pub request: Request,
    /// When it asked.
    pub invoked: Instant,
    /// When it learned the outcome, or gave up.
    pub completed: Instant,
    /// What it learned.
    pub outcome: Outcome,
}

impl Operation {
    /// Whether it was done.
    ///
    /// ```
    /// # fn count(history: &eddyline::sim::History) {
    /// let done = history.load().filter(|operation| operation.is_ok()).count();
    /// # }
    /// ```
    pub fn is_ok(&self) -> bool {
        matches!(self.outcome, Outcome::Ok(_))
    }

    /// Whether it was certainly not done.
    ///
    /// ```
    /// # fn count(history: &eddyline::sim::History) {
    /// let refused = history.load().filter(|operation| operation.is_fail()).count();
    /// # }
    /// ```
    pub fn is_fail(&self) -> bool {
        matches!(self.outcome, Outcome::Fail(_))
    }

    /// The request's type.
    ///
    /// ```
    /// # fn count(history: &eddyline::sim::History) {
    /// let adds = history.load().filter(|operation| operation.kind() == "add").count();
    /// # }
    /// ```
    pub fn kind(&self) -> &'static str {
        self.request.kind
    }

    /// How long it took.
    ///
    /// ```
    /// # fn longest(history: &eddyline::sim::History) {
    /// let slowest = history.load().max_by_key(|operation| operation.latency());
    /// # }
    /// ```
    pub fn latency(&self) -> Duration {
        self.completed.since(self.invoked)
    }

    /// The fields of the request, as a type of yours. `None` when it has
    /// another shape.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Add {
    ///     delta: i64,
    /// }
    ///
    /// # fn sum(history: &eddyline::sim::History) {
    /// let adds = history.done("add").filter_map(|add| add.asked::<Add>());
    /// let sum: i64 = adds.map(|add| add.delta).sum();
    /// # }
    /// ```
    pub fn asked<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(self.request.fields.get()).ok()
    }

    /// The fields of the reply, as a type of yours. `None` when there is none,
    /// or it has another shape.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct ReadOk {
    ///     value: i64,
    /// }
    ///
    /// # fn greatest(history: &eddyline::sim::History) {
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
}

/// All operations of a run, in the order in which they were invoked.
///
/// ```
/// # use eddyline::sim::{Failure, Report};
/// # fn look<S>(report: &Report<S>) {
/// let slow = report.history.latency(0.99);
/// let adds = report.history.done("add").count();
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
    ///
    /// ```
    /// # fn look(history: &eddyline::sim::History) {
    /// let first = history.operations().first().map(|operation| operation.invoked);
    /// # }
    /// ```
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operations of one type.
    ///
    /// ```
    /// # fn look(history: &eddyline::sim::History) {
    /// let reads = history.of_kind("read").count();
    /// # }
    /// ```
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Operation> {
        self.operations
            .iter()
            .filter(move |operation| operation.kind() == kind)
    }

    /// The operations that were done, of one type.
    ///
    /// ```
    /// # fn look(history: &eddyline::sim::History) {
    /// assert!(history.done("read").count() <= history.of_kind("read").count());
    /// # }
    /// ```
    pub fn done<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Operation> {
        self.of_kind(kind).filter(|operation| operation.is_ok())
    }

    /// The operations of the load: what rates and averages are counted over.
    ///
    /// ```
    /// # fn look(history: &eddyline::sim::History) {
    /// let at_n0 = history.load().filter(|operation| operation.node == 0).count();
    /// # }
    /// ```
    pub fn load(&self) -> impl Iterator<Item = &Operation> {
        let operations = self.operations.iter();
        operations.filter(|operation| operation.phase == Phase::Load)
    }

    /// The part of the load's operations that were done, from 0 to 1.
    ///
    /// ```
    /// # fn look(history: &eddyline::sim::History) {
    /// assert!(history.availability() > 0.99);
    /// # }
    /// ```
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
    /// # fn look(history: &eddyline::sim::History) {
    /// let (median, longest) = (history.latency(0.5), history.latency(1.0));
    /// assert!(median <= longest);
    /// # }
    /// ```
    pub fn latency(&self, quantile: f64) -> Duration {
        let done = self.load().filter(|operation| operation.is_ok());
        let mut latencies: Vec<Duration> = done.map(Operation::latency).collect();
        latencies.sort_unstable();
        super::report::quantile(&latencies, quantile)
    }
}
