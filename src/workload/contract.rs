//! The contract of a workload: requests before, during and after the load, and a check
//! of the history.

use super::anomalies::Anomalies;
use super::history::{History, Operation, Request};
use super::statistics::Statistics;
use crate::random::Random;
use std::fmt::Debug;
use std::time::Duration;

/// How long clients wait for a reply if the workload does not say otherwise:
/// Maelstrom's 5 s.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that is about to make its next operation.
///
/// ```
/// # use eddyline::workload::{Request, Turn};
/// fn next(turn: Turn<'_>) -> Option<Request> {
///     let element = turn.random.below(10);
///     let other = &turn.nodes[(turn.node + 1) % turn.nodes.len()];
///     Some(Request::new("hand", &serde_json::json!({"element": element, "to": other})))
/// }
/// ```
#[derive(Debug)]
pub struct Turn<'a> {
    /// The number of this sequence of operations, from 0.
    pub worker: usize,
    /// The client's name. A worker gets another client after an operation whose
    /// outcome is unknown.
    pub client: &'a str,
    /// The node that will be asked, by index.
    pub node: usize,
    /// The names of all nodes.
    pub nodes: &'a [String],
    /// The source of random numbers.
    pub random: &'a mut Random,
}

/// Requests of clients to a cluster, and the check of its answers.
///
/// Those of Maelstrom are in [this module](crate::workload). For another workload,
/// implement this trait.
///
/// ```
/// use eddyline::workload::{Anomalies, Observed, Request, Turn, Workload};
/// # use eddyline::{Context, Node, Result, sim::Simulation};
/// # use std::rc::Rc;
/// # struct Clock;
/// # impl Node for Clock {
/// #     fn new(_: &Context) -> Self { Clock }
/// #     async fn handle(self: Rc<Self>, cx: Context, request: eddyline::Request) -> Result<()> {
/// #         cx.reply(&request, &serde_json::json!({"us": cx.unix_time().as_micros() as u64}))
/// #     }
/// # }
///
/// /// Asks for the wall clocks, which must agree.
/// #[derive(Clone)]
/// struct Time;
///
/// impl Workload for Time {
///     type Summary = ();
///
///     fn name(&self) -> &'static str {
///         "time"
///     }
///
///     fn next(&mut self, _: Turn<'_>) -> Option<Request> {
///         Some(Request::new("time", &()))
///     }
///
///     fn reply_fields(&self, _: &str) -> &'static [&'static str] {
///         &["us"]
///     }
///
///     fn check(&self, run: &Observed<'_>) -> Result<(), Anomalies> {
///         let mut anomalies = Anomalies::default();
///         let mut last = 0;
///         for answer in run.history.done("time") {
///             let us = answer.replied().map_or(0, |body: serde_json::Value| body["us"].as_u64().unwrap());
///             if us < last {
///                 anomalies.add(format_args!("n{} went back from {last} to {us}", answer.node));
///             }
///             last = us;
///         }
///         anomalies.or(())
///     }
/// }
///
/// Simulation::new(1).nodes(3).run::<Clock, _>(Time)?;
/// # Ok::<(), Box<eddyline::sim::Failure>>(())
/// ```
pub trait Workload: Clone {
    /// The measurements of a run that passes.
    type Summary: Debug;

    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// The request to each node before the load; `None` if there is none.
    ///
    /// ```
    /// use eddyline::workload::{Broadcast, Echo, Workload};
    ///
    /// let nodes = ["n0".to_owned(), "n1".to_owned()];
    /// assert_eq!(Broadcast::new().setup(&nodes, 0).unwrap().kind, "topology");
    /// assert!(Echo::new().setup(&nodes, 0).is_none());
    /// ```
    fn setup(&mut self, nodes: &[String], node: usize) -> Option<Request> {
        let _ = (nodes, node);
        None
    }

    /// The next operation of a client; `None` to make none this time.
    ///
    /// ```
    /// use eddyline::{Random, workload::{Echo, Turn, Workload}};
    ///
    /// let (nodes, mut random) = (["n0".to_owned()], Random::new(7));
    /// let turn = Turn { worker: 0, client: "c1", node: 0, nodes: &nodes, random: &mut random };
    /// assert_eq!(Echo::new().next(turn).unwrap().kind, "echo");
    /// ```
    fn next(&mut self, turn: Turn<'_>) -> Option<Request>;

    /// Whether a client's next operation follows from the answers that it has had. Tests of
    /// real processes then draw it when the client is free, and draw it ahead otherwise, so
    /// that the same seed gives the same operations.
    fn follows_answers(&self) -> bool {
        false
    }

    /// The fields of a reply to a request of type `kind`, besides the header. A
    /// reply must have all of these and no others, as in Maelstrom.
    ///
    /// ```
    /// use eddyline::workload::{GSet, Workload};
    ///
    /// assert_eq!(GSet::new().reply_fields("read"), ["value"]);
    /// assert!(GSet::new().reply_fields("add").is_empty());
    /// ```
    fn reply_fields(&self, kind: &str) -> &'static [&'static str];

    /// Looks at an operation that has just ended, with any outcome.
    ///
    /// ```
    /// # use eddyline::workload::Operation;
    /// fn ended(operation: &Operation) -> Result<(), String> {
    ///     match operation.replied::<serde_json::Value>() {
    ///         Some(body) if !body["id"].is_i64() => Err(format!("`id` is {}", body["id"])),
    ///         _ => Ok(()),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Why the reply does not have the shape that it must have. The node has then
    /// broken a rule.
    fn ended(&mut self, operation: &Operation) -> Result<(), String> {
        let _ = operation;
        Ok(())
    }

    /// The next final operation at a node, after all faults have ended; `None` when
    /// there are no more. `last` is the final operation before it at that node,
    /// which was done.
    fn finale(&mut self, node: usize, last: Option<&Operation>) -> Option<Request> {
        let _ = (node, last);
        None
    }

    /// Whether operations of type `kind` change nothing, so that one without a reply counts as
    /// not done: its effect cannot come later.
    ///
    /// ```
    /// use eddyline::workload::{GSet, Workload};
    ///
    /// assert!(GSet::new().changes_nothing("read") && !GSet::new().changes_nothing("add"));
    /// ```
    fn changes_nothing(&self, kind: &str) -> bool {
        matches!(kind, "read" | "poll" | "list_committed_offsets")
    }

    /// How long clients wait for a reply at that mean latency: 5 s.
    fn timeout(&self, latency: Duration) -> Duration {
        let _ = latency;
        CLIENT_TIMEOUT
    }

    /// Checks a whole run.
    ///
    /// ```
    /// # use eddyline::workload::{Anomalies, Observed};
    /// fn check(run: &Observed<'_>) -> Result<usize, Anomalies> {
    ///     let mut anomalies = Anomalies::default();
    ///     for read in run.history.done("read").filter(|read| read.node == 0) {
    ///         anomalies.add(format_args!("n0 answered {} at {:?}", read.client, read.completed));
    ///     }
    ///     anomalies.or(run.history.done("read").count())
    /// }
    /// ```
    ///
    /// # Errors
    /// All anomalies that were found.
    fn check(&self, run: &Observed<'_>) -> Result<Self::Summary, Anomalies>;
}

/// A run that is over, as its checker sees it.
#[derive(Debug)]
pub struct Observed<'a> {
    /// All operations.
    pub history: &'a History,
    /// How many messages went where.
    pub statistics: Statistics,
    /// How many messages went among nodes and services during the load.
    pub server_messages: u64,
}

impl<'a> Observed<'a> {
    /// A run of which nothing but the history is known, such as one that was
    /// [read](super::HistoryReader) from a file.
    pub fn of(history: &'a History) -> Observed<'a> {
        Observed {
            history,
            statistics: Statistics::default(),
            server_messages: 0,
        }
    }

    /// How many messages went among nodes and services during the load, for each
    /// of the load's operations that `counts`.
    ///
    /// ```
    /// # fn look(run: &eddyline::workload::Observed<'_>) {
    /// let for_each_add = run.messages_per_operation(|operation| operation.kind() == "add");
    /// # }
    /// ```
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    pub fn messages_per_operation(&self, counts: impl Fn(&Operation) -> bool) -> f64 {
        let operations = self.history.load().filter(|operation| counts(operation));
        self.server_messages as f64 / operations.count().max(1) as f64
    }
}
