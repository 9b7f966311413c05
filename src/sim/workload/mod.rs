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
    type Summary: Debug;

    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// What each node is asked before the load, if anything.
    fn setup(&mut self, nodes: &[String], node: usize) -> Option<Request> {
        let _ = (nodes, node);
        None
    }

    /// The next operation of a client; `None` to let its turn pass.
    fn next(&mut self, turn: Turn<'_>) -> Option<Request>;

    /// The fields that a reply to a request of type `kind` must have, besides
    /// the header: all of these and no others, as in Maelstrom.
    fn reply_fields(&self, kind: &str) -> &'static [&'static str];

    /// Looks at an operation that has just ended, in whichever way.
    ///
    /// # Errors
    /// Why the reply has not the shape that it must have; this ends the run.
    fn ended(&mut self, operation: &Operation) -> Result<(), String> {
        let _ = operation;
        Ok(())
    }

    /// The next final operation at a node, after all faults have ended; `last`
    /// is the one before it there, which was done. `None` when there is no more.
    fn finale(&mut self, node: usize, last: Option<&Operation>) -> Option<Request> {
        let _ = (node, last);
        None
    }

    /// How long clients wait for a reply, at that mean latency: 5 s.
    fn timeout(&self, latency: Duration) -> Duration {
        let _ = latency;
        super::cluster::CLIENT_TIMEOUT
    }

    /// Checks a whole run.
    ///
    /// # Errors
    /// All that does not hold.
    fn check(&self, run: &Observed<'_>) -> Result<Self::Summary, Anomalies>;
}

/// What a run leaves to be checked.
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
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    pub fn messages_per_operation(&self, counts: impl Fn(&Operation) -> bool) -> f64 {
        let operations = self.history.load().filter(|operation| counts(operation));
        self.server_messages as f64 / operations.count().max(1) as f64
    }
}
