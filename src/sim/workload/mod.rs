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
    /// How many messages went among servers during the load, for each of its
    /// operations.
    pub server_messages_per_operation: f64,
}
