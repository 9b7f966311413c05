//! broadcast: every value reaches every node. It measures how fast, and at what cost.

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::elements::{self, Dialect, Elements};
use super::history::{History, Operation, Request};
use super::statistics::quantile;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// The neighbours of each node, as the `topology` message tells them. Nodes may ignore
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// A roughly square grid: Maelstrom's default.
    Grid,
    /// One after another.
    Line,
    /// A tree whose nodes have at most this many children.
    Tree(usize),
    /// All nodes are neighbours of each other.
    Total,
}

/// Maelstrom's `broadcast`: `topology` once, then `broadcast {message}` and
/// `read` -> `{messages}`, half of each.
///
/// ```
/// use eddyline::workload::{Broadcast, Topology};
///
/// let workload = Broadcast::new().topology(Topology::Tree(4));
/// ```
#[derive(Debug, Clone)]
pub struct Broadcast {
    topology: Topology,
    next: u64,
}

/// The measurements of a run of [`Broadcast`].
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct BroadcastSummary {
    /// How many values are known to exist. Each is in all final reads.
    pub values: usize,
    /// The time from when a value is known until no read misses it any more: the median
    /// of all values, measured as by Jepsen's set-full checker.
    pub stable_latency_median: Duration,
    /// The 99th percentile.
    pub stable_latency_p99: Duration,
    /// The longest.
    pub stable_latency_max: Duration,
    /// Messages among servers during the load, for each operation. Reads count too.
    pub messages_per_operation: f64,
}

#[derive(Deserialize)]
struct Message {
    message: u64,
}

#[derive(Deserialize)]
struct Messages {
    messages: Vec<u64>,
}

impl Default for Broadcast {
    fn default() -> Broadcast {
        Broadcast::new()
    }
}

impl Broadcast {
    /// The workload, on a grid.
    pub fn new() -> Broadcast {
        Broadcast {
            topology: Topology::Grid,
            next: 0,
        }
    }

    /// The values of a history: how many are stable, and which are lost.
    pub fn elements(history: &History) -> Elements {
        elements::check(history, &DIALECT, &mut Anomalies::default())
    }

    /// Another topology than the grid.
    pub fn topology(mut self, topology: Topology) -> Broadcast {
        self.topology = topology;
        self
    }
}

impl Topology {
    /// Whether two of `count` nodes are neighbours.
    fn neighbours(self, count: usize, one: usize, other: usize) -> bool {
        let (low, high) = (one.min(other), one.max(other));
        if low == high {
            return false;
        }
        match self {
            Topology::Total => true,
            Topology::Line => high - low == 1,
            Topology::Tree(children) => (high - 1) / children.max(1) == low,
            Topology::Grid => {
                let side = (1..=count).find(|side| side * side >= count).unwrap_or(1);
                high - low == side || (high - low == 1 && high / side == low / side)
            }
        }
    }
}

impl Workload for Broadcast {
    type Summary = BroadcastSummary;

    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn setup(&mut self, nodes: &[String], _: usize) -> Option<Request> {
        let count = nodes.len();
        let mut topology: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (one, name) in nodes.iter().enumerate() {
            let others = (0..count).filter(|&other| self.topology.neighbours(count, one, other));
            topology.insert(name, others.map(|other| nodes[other].as_str()).collect());
        }
        Some(Request::new("topology", &json!({ "topology": topology })))
    }

    fn next(&mut self, turn: Turn<'_>) -> Option<Request> {
        if turn.random.chance(0.5) {
            return Some(Request::new("read", &()));
        }
        let message = self.next;
        self.next += 1;
        Some(Request::new("broadcast", &json!({ "message": message })))
    }

    fn reply_fields(&self, kind: &str) -> &'static [&'static str] {
        if kind == "read" { &["messages"] } else { &[] }
    }

    fn finale(&mut self, _: usize, last: Option<&Operation>) -> Option<Request> {
        last.is_none().then(|| Request::new("read", &()))
    }

    fn check(&self, run: &Observed<'_>) -> Result<BroadcastSummary, Anomalies> {
        let mut anomalies = Anomalies::default();
        let elements = elements::check(run.history, &DIALECT, &mut anomalies);
        let latencies = &elements.stable_latencies;
        anomalies.or(BroadcastSummary {
            values: elements.known,
            stable_latency_median: quantile(latencies, 0.5),
            stable_latency_p99: quantile(latencies, 0.99),
            stable_latency_max: quantile(latencies, 1.0),
            messages_per_operation: run.messages_per_operation(|_| true),
        })
    }
}

const DIALECT: Dialect = Dialect {
    write: "broadcast",
    element: |broadcast| Some(broadcast.asked::<Message>()?.message),
    elements: |read| Some(read.replied::<Messages>()?.messages),
    noun: "value",
    done: "broadcast",
};

#[cfg(test)]
mod tests {
    use super::*;

    fn degree(topology: Topology, count: usize, one: usize) -> usize {
        (0..count)
            .filter(|&other| topology.neighbours(count, one, other))
            .count()
    }

    #[test]
    fn every_topology_has_its_neighbours() {
        assert_eq!(degree(Topology::Grid, 25, 0), 2);
        assert_eq!(degree(Topology::Grid, 25, 12), 4);
        assert_eq!(degree(Topology::Grid, 25, 4), 2);
        assert_eq!(degree(Topology::Line, 5, 0), 1);
        assert_eq!(degree(Topology::Line, 5, 2), 2);
        assert_eq!(degree(Topology::Tree(4), 25, 0), 4);
        assert_eq!(degree(Topology::Tree(4), 25, 1), 5);
        assert_eq!(degree(Topology::Total, 5, 3), 4);
    }
}
