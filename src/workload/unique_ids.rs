//! unique-ids: no id is given out twice.

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::history::{Operation, Request};
use serde_json::Value;
use std::collections::BTreeMap;

/// Maelstrom's `unique-ids`: `generate` -> `{id}`, of any JSON type.
///
/// ```
/// use eddyline::workload::UniqueIds;
///
/// let workload = UniqueIds::new().total_availability();
/// ```
#[derive(Debug, Clone, Default)]
pub struct UniqueIds {
    must_always_answer: bool,
}

/// The measurements of a run of [`UniqueIds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct UniqueIdsSummary {
    /// How many different ids were given out.
    pub ids: usize,
}

impl UniqueIds {
    /// The workload.
    pub fn new() -> UniqueIds {
        UniqueIds::default()
    }

    /// Every request must be answered, with any faults: Maelstrom's
    /// `--availability total`.
    pub fn total_availability(mut self) -> UniqueIds {
        self.must_always_answer = true;
        self
    }
}

impl Workload for UniqueIds {
    type Summary = UniqueIdsSummary;

    fn name(&self) -> &'static str {
        "unique-ids"
    }

    fn next(&mut self, _: Turn<'_>) -> Option<Request> {
        Some(Request::new("generate", &()))
    }

    fn reply_fields(&self, _: &str) -> &'static [&'static str] {
        &["id"]
    }

    fn check(&self, run: &Observed<'_>) -> Result<UniqueIdsSummary, Anomalies> {
        let mut anomalies = Anomalies::default();
        let mut known: BTreeMap<String, Vec<&Operation>> = BTreeMap::new();
        for operation in run.history.done("generate") {
            if let Some(why) = operation.unreadable() {
                let (client, node) = (&operation.client, operation.node);
                anomalies.add(format_args!("n{node} gave {client} no id: {why}"));
                continue;
            }
            let id = operation
                .replied()
                .map(|mut reply: Value| reply["id"].take());
            let id = id.unwrap_or_default().to_string();
            known.entry(id).or_default().push(operation);
        }
        for (id, given) in &known {
            if let [first, second, ..] = given[..] {
                let times = given.len();
                anomalies.add(format_args!(
                    "duplicate id {id}: n{} gave it to {} and n{} to {}, {times} times in all",
                    first.node, first.client, second.node, second.client
                ));
            }
        }
        if self.must_always_answer {
            anomalies.check_availability(run.history);
        }
        let ids = known.len();
        anomalies.or(UniqueIdsSummary { ids })
    }
}
