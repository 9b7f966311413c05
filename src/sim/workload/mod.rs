//! Workloads: what clients ask for, and what must hold of the answers.

mod broadcast;
mod counter;
mod echo;
mod g_set;
mod kafka;
mod lin_kv;
pub(super) mod schema;
mod txn;
mod unique_ids;

pub use broadcast::{Broadcast, BroadcastSummary, Topology};
pub use counter::{Counter, CounterSummary};
pub use echo::{Echo, EchoSummary};
pub use g_set::{GSet, GSetSummary};
pub use kafka::{Kafka, KafkaSummary};
pub use lin_kv::{LinKv, LinKvSummary};
pub use txn::{ConsistencyModel, TxnListAppend, TxnRwRegister, TxnSummary};
pub use unique_ids::{UniqueIds, UniqueIdsSummary};

use super::history::{History, Operation, Request};
use super::report::Anomalies;
use super::statistics::Statistics;
use crate::random::Random;
use std::fmt::Debug;
use std::time::Duration;

/// A client whose turn it is to do something.
///
/// ```
/// # use eddyline::sim::{Request, workload::Turn};
/// fn next(turn: Turn<'_>) -> Option<Request> {
///     let element = turn.random.below(10);
///     let other = &turn.nodes[(turn.node + 1) % turn.nodes.len()];
///     Some(Request::new("hand", &serde_json::json!({"element": element, "to": other})))
/// }
/// ```
#[derive(Debug)]
pub struct Turn<'a> {
    /// Which strand of operations this is, from 0.
    pub worker: usize,
    /// The client's name. A strand changes it after an operation whose outcome
    /// its client did not learn.
    pub client: &'a str,
    /// The node that will be asked, by index.
    pub node: usize,
    /// The names of all nodes.
    pub nodes: &'a [String],
    /// Where to draw from.
    pub random: &'a mut Random,
}

/// What clients ask a cluster for, and what must hold of the answers.
///
/// Those of Maelstrom are in this module; another one of your own is a type
/// that implements this trait.
///
/// ```
/// use eddyline::sim::workload::{Observed, Turn};
/// use eddyline::sim::{Anomalies, Request, Simulation, Workload};
/// # use eddyline::{Context, Node, Result};
/// # use std::rc::Rc;
/// # struct Clock;
/// # impl Node for Clock {
/// #     fn new(_: &Context) -> Self { Clock }
/// #     async fn handle(self: Rc<Self>, cx: Context, request: eddyline::Request) -> Result<()> {
/// #         cx.reply(&request, &serde_json::json!({"ms": cx.now().as_nanos() / 1_000_000}))
/// #     }
/// # }
///
/// /// Asks for the time, which must not run backwards.
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
///         &["ms"]
///     }
///
///     fn check(&self, run: &Observed<'_>) -> Result<(), Anomalies> {
///         let mut anomalies = Anomalies::default();
///         let mut last = 0;
///         for answer in run.history.done("time") {
///             let ms = answer.replied().map_or(0, |body: serde_json::Value| body["ms"].as_u64().unwrap());
///             if ms < last {
///                 anomalies.add(format_args!("n{} went back from {last} to {ms}", answer.node));
///             }
///             last = ms;
///         }
///         anomalies.or(())
///     }
/// }
///
/// Simulation::new(1).nodes(3).run::<Clock, _>(Time)?;
/// # Ok::<(), Box<eddyline::sim::Failure>>(())
/// ```
pub trait Workload: Clone {
    /// What a run that passes has shown.
    ///
    /// ```
    /// # use eddyline::sim::{Report, Workload, workload::Echo};
    /// fn echoed(report: &Report<<Echo as Workload>::Summary>) -> usize {
    ///     report.summary.echoed
    /// }
    /// ```
    type Summary: Debug;

    /// Its name, for people.
    ///
    /// ```
    /// use eddyline::sim::{Workload, workload::Echo};
    ///
    /// assert_eq!(Echo::new().name(), "echo");
    /// ```
    fn name(&self) -> &'static str;

    /// What each node is asked before the load, if anything.
    ///
    /// ```
    /// use eddyline::sim::{Workload, workload::{Broadcast, Echo}};
    ///
    /// let nodes = ["n0".to_owned(), "n1".to_owned()];
    /// assert_eq!(Broadcast::new().setup(&nodes, 0).unwrap().kind, "topology");
    /// assert!(Echo::new().setup(&nodes, 0).is_none());
    /// ```
    fn setup(&mut self, nodes: &[String], node: usize) -> Option<Request> {
        let _ = (nodes, node);
        None
    }

    /// The next operation of a client; `None` to let its turn pass.
    ///
    /// ```
    /// use eddyline::{Random, sim::{Workload, workload::{Echo, Turn}}};
    ///
    /// let (nodes, mut random) = (["n0".to_owned()], Random::new(7));
    /// let turn = Turn { worker: 0, client: "c1", node: 0, nodes: &nodes, random: &mut random };
    /// assert_eq!(Echo::new().next(turn).unwrap().kind, "echo");
    /// ```
    fn next(&mut self, turn: Turn<'_>) -> Option<Request>;

    /// The fields that a reply to a request of type `kind` must have, besides
    /// the header: all of these and no others, as in Maelstrom.
    ///
    /// ```
    /// use eddyline::sim::{Workload, workload::GSet};
    ///
    /// assert_eq!(GSet::new().reply_fields("read"), ["value"]);
    /// assert!(GSet::new().reply_fields("add").is_empty());
    /// ```
    fn reply_fields(&self, kind: &str) -> &'static [&'static str];

    /// Looks at an operation that has just ended, in whichever way.
    ///
    /// ```
    /// # use eddyline::sim::Operation;
    /// fn ended(operation: &Operation) -> Result<(), String> {
    ///     match operation.replied::<serde_json::Value>() {
    ///         Some(body) if !body["id"].is_i64() => Err(format!("`id` is {}", body["id"])),
    ///         _ => Ok(()),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Why the reply has not the shape that it must have; this ends the run.
    fn ended(&mut self, operation: &Operation) -> Result<(), String> {
        let _ = operation;
        Ok(())
    }

    /// The next final operation at a node, after all faults have ended; `last`
    /// is the one before it there, which was done. `None` when there is no more.
    ///
    /// ```
    /// use eddyline::sim::{Workload, workload::GSet};
    ///
    /// assert_eq!(GSet::new().finale(0, None).unwrap().kind, "read");
    /// ```
    fn finale(&mut self, node: usize, last: Option<&Operation>) -> Option<Request> {
        let _ = (node, last);
        None
    }

    /// How long clients wait for a reply, at that mean latency: 5 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use eddyline::sim::{Workload, workload::Echo};
    ///
    /// assert_eq!(Echo::new().timeout(Duration::ZERO), Duration::from_secs(5));
    /// ```
    fn timeout(&self, latency: Duration) -> Duration {
        let _ = latency;
        super::cluster::CLIENT_TIMEOUT
    }

    /// Checks a whole run.
    ///
    /// ```
    /// # use eddyline::sim::{Anomalies, workload::Observed};
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
    /// All that does not hold.
    fn check(&self, run: &Observed<'_>) -> Result<Self::Summary, Anomalies>;
}

/// What a run leaves to be checked.
///
/// ```
/// # use eddyline::sim::workload::Observed;
/// fn each_add_costs(run: &Observed<'_>) -> f64 {
///     run.server_messages as f64 / run.history.done("add").count() as f64
/// }
/// ```
#[derive(Debug)]
pub struct Observed<'a> {
    /// All operations.
    pub history: &'a History,
    /// How many messages went where.
    pub statistics: Statistics,
    /// How many messages went among nodes and services during the load.
    pub server_messages: u64,
}

impl Observed<'_> {
    /// How many messages went among nodes and services during the load, for each
    /// of its operations that `counts`.
    ///
    /// ```
    /// # fn look(run: &eddyline::sim::workload::Observed<'_>) {
    /// let for_each_add = run.messages_per_operation(|operation| operation.kind() == "add");
    /// # }
    /// ```
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    pub fn messages_per_operation(&self, counts: impl Fn(&Operation) -> bool) -> f64 {
        let operations = self.history.load().filter(|operation| counts(operation));
        self.server_messages as f64 / operations.count().max(1) as f64
    }
}
