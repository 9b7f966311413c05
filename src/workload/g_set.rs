//! g-set: a set that only grows. Every element that was added is in every final read.

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::history::{Operation, Phase, Request};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;

/// Maelstrom's `g-set`: `add {element}` and `read` -> `{value: [..]}`.
///
/// Half of the operations add a new number, half read.
#[derive(Debug, Clone, Default)]
pub struct GSet {
    next: u64,
}

/// The measurements of a run of [`GSet`].
///
/// ```
/// # use eddyline::{sim::Report, workload::GSetSummary};
/// fn check(report: &Report<GSetSummary>) {
///     assert!(report.summary.added > 100 && report.summary.final_reads == 5);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GSetSummary {
    /// Elements that were added for certain.
    pub added: usize,
    /// Final reads. Each of them had all elements.
    pub final_reads: usize,
}

#[derive(Deserialize)]
struct Add {
    element: u64,
}

#[derive(Deserialize)]
struct ReadOk {
    value: Vec<u64>,
}

impl GSet {
    /// The workload.
    pub fn new() -> GSet {
        GSet::default()
    }
}

impl Workload for GSet {
    type Summary = GSetSummary;

    fn name(&self) -> &'static str {
        "g-set"
    }

    fn next(&mut self, turn: Turn<'_>) -> Option<Request> {
        if turn.random.chance(0.5) {
            return Some(Request::new("read", &()));
        }
        let element = self.next;
        self.next += 1;
        Some(Request::new("add", &json!({ "element": element })))
    }

    fn reply_fields(&self, kind: &str) -> &'static [&'static str] {
        if kind == "read" { &["value"] } else { &[] }
    }

    fn finale(&mut self, _: usize, last: Option<&Operation>) -> Option<Request> {
        last.is_none().then(|| Request::new("read", &()))
    }

    fn check(&self, run: &Observed<'_>) -> Result<GSetSummary, Anomalies> {
        let element = |operation: &Operation| Some(operation.asked::<Add>()?.element);
        let attempted = run.history.of_kind("add").filter(|add| !add.is_fail());
        let attempted: BTreeSet<u64> = attempted.filter_map(element).collect();
        let added: BTreeSet<u64> = run.history.done("add").filter_map(element).collect();
        let mut anomalies = Anomalies::default();
        let mut final_reads = 0;
        for read in run.history.done("read") {
            let (client, node) = (&read.client, read.node);
            let Some(ReadOk { value }) = read.replied() else {
                anomalies.add(format_args!(
                    "a read of n{node} by {client} was no list of elements"
                ));
                continue;
            };
            let seen: BTreeSet<u64> = value.iter().copied().collect();
            for strange in seen.difference(&attempted) {
                anomalies.add(format_args!(
                    "n{node} has element {strange}, which was never added"
                ));
            }
            if seen.len() < value.len() {
                anomalies.add(format_args!(
                    "a read of n{node} by {client} has an element twice"
                ));
            }
            if read.phase == Phase::Final {
                final_reads += 1;
                for lost in added.difference(&seen) {
                    anomalies.add(format_args!(
                        "element {lost} is lost: it was added and acknowledged, and a final read of n{node} does not have it"
                    ));
                }
            }
        }
        if final_reads == 0 {
            anomalies.add("no final read was answered: the final set is unknown");
        }
        let added = added.len();
        anomalies.or(GSetSummary { added, final_reads })
    }
}
