//! g-set: a set that only grows. Every element that was added is in every final read.

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::elements::{self, Dialect, Elements};
use super::history::{History, Operation, Phase, Request};
use serde::Deserialize;
use serde_json::json;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
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

    /// The elements of a history: how many are stable, and which are lost.
    pub fn elements(history: &History) -> Elements {
        elements::check(history, &DIALECT, &mut Anomalies::default())
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
        let mut anomalies = Anomalies::default();
        elements::check(run.history, &DIALECT, &mut anomalies);
        let reads = run.history.done("read");
        anomalies.or(GSetSummary {
            added: run.history.done("add").count(),
            final_reads: reads.filter(|read| read.phase == Phase::Final).count(),
        })
    }
}

const DIALECT: Dialect = Dialect {
    write: "add",
    element: |add| Some(add.asked::<Add>()?.element),
    elements: |read| Some(read.replied::<ReadOk>()?.value),
    noun: "element",
    done: "added",
};
