//! g-counter and pn-counter: every final read is the sum of all additions.

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::history::{Operation, Phase, Request};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Maelstrom's `g-counter` and `pn-counter`: `add {delta}` and `read` -> `{value}`. As there,
/// half of the operations of a `pn-counter` add, and a third of those of a `g-counter`: it
/// leaves out the negative ones.
///
/// ```
/// use eddyline::workload::Counter;
///
/// let workload = Counter::pn();
/// ```
#[derive(Debug, Clone)]
pub struct Counter {
    decrements: bool,
}

/// The measurements of a run of [`Counter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterSummary {
    /// The sum of all additions that were done.
    pub sum: i64,
    /// How many additions have an unknown outcome.
    pub unknown: usize,
    /// How many final reads there were.
    pub final_reads: usize,
}

#[derive(Deserialize)]
struct Add {
    delta: i64,
}

#[derive(Deserialize)]
struct ReadOk {
    value: i64,
}

impl Counter {
    /// `g-counter`: deltas from 0 to 4.
    pub fn g() -> Counter {
        Counter { decrements: false }
    }

    /// `pn-counter`: deltas from -5 to 4.
    pub fn pn() -> Counter {
        Counter { decrements: true }
    }
}

impl Workload for Counter {
    type Summary = CounterSummary;

    fn name(&self) -> &'static str {
        if self.decrements {
            "pn-counter"
        } else {
            "g-counter"
        }
    }

    fn next(&mut self, turn: Turn<'_>) -> Option<Request> {
        let reads = if self.decrements {
            1.0 / 2.0
        } else {
            2.0 / 3.0
        };
        if turn.random.chance(reads) {
            return Some(Request::new("read", &()));
        }
        let delta = if self.decrements {
            turn.random.below(10).cast_signed() - 5
        } else {
            turn.random.below(5).cast_signed()
        };
        Some(Request::new("add", &json!({ "delta": delta })))
    }

    fn reply_fields(&self, kind: &str) -> &'static [&'static str] {
        if kind == "read" { &["value"] } else { &[] }
    }

    fn finale(&mut self, _: usize, last: Option<&Operation>) -> Option<Request> {
        last.is_none().then(|| Request::new("read", &()))
    }

    fn check(&self, run: &Observed<'_>) -> Result<CounterSummary, Anomalies> {
        let delta = |add: &Operation| add.asked().map_or(0, |add: Add| add.delta);
        let sum: i64 = run.history.done("add").map(delta).sum();
        let all = run.history.of_kind("add");
        let unknown: Vec<&Operation> = all.filter(|add| !add.is_ok() && !add.is_fail()).collect();
        // Each addition of unknown outcome counts or does not.
        let mut acceptable = BTreeSet::from([sum]);
        for add in &unknown {
            let with: Vec<i64> = acceptable.iter().map(|sum| sum + delta(add)).collect();
            acceptable.extend(with);
        }
        // The most that can have been added when each addition began.
        let mut attempted: Vec<(Duration, i64)> = Vec::new();
        for add in run.history.of_kind("add").filter(|add| !add.is_fail()) {
            let before = attempted.last().map_or(0, |(_, sum)| *sum);
            attempted.push((add.invoked, before + delta(add)));
        }
        let mut anomalies = Anomalies::default();
        let mut final_reads = 0;
        for read in run.history.done("read") {
            let node = read.node;
            let Some(ReadOk { value }) = read.replied() else {
                anomalies.add(format_args!("n{node} answered a read with no integer"));
                continue;
            };
            if !self.decrements && value < 0 {
                anomalies.add(format_args!(
                    "n{node} read {value}, and nothing was ever subtracted"
                ));
            }
            if !self.decrements {
                let begun = attempted.partition_point(|(at, _)| *at <= read.completed);
                let most = begun.checked_sub(1).map_or(0, |last| attempted[last].1);
                if value > most {
                    anomalies.add(format_args!(
                        "n{node} read {value}, more than the {most} that was added until then"
                    ));
                }
            }
            if read.phase != Phase::Final {
                continue;
            }
            final_reads += 1;
            if !acceptable.contains(&value) {
                let (least, most) = (acceptable.first(), acceptable.last());
                anomalies.add(format_args!(
                    "the final read of n{node} is {value}, and the sum of the additions that were done is {sum} \
                     (with {} additions of unknown outcome: from {least:?} to {most:?})",
                    unknown.len()
                ));
            }
        }
        if final_reads == 0 {
            anomalies.add("no final read was answered: the final sum is unknown");
        }
        let unknown = unknown.len();
        anomalies.or(CounterSummary {
            sum,
            unknown,
            final_reads,
        })
    }
}
