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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
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
        let delta = |add: &Operation| add.asked().map_or(0, |add: Add| i128::from(add.delta));
        let sum: i128 = run.history.done("add").map(delta).sum();
        let all = run.history.of_kind("add");
        let unknown = all.filter(|add| !add.is_ok() && !add.is_fail());
        let unknown: Vec<i128> = unknown.map(delta).collect();
        let acceptable = Acceptable::of(sum, &unknown);
        // The most that can have been added when each addition began.
        let mut attempted: Vec<(Duration, i128)> = Vec::new();
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
            let value = i128::from(value);
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
            if !acceptable.has(value) {
                let Acceptable { least, most, .. } = &acceptable;
                anomalies.add(format_args!(
                    "the final read of n{node} is {value}, and the sum of the additions that were done is {sum} \
                     (with {} additions of unknown outcome: from {least} to {most})",
                    unknown.len()
                ));
            }
        }
        if final_reads == 0 {
            anomalies.add("no final read was answered: the final sum is unknown");
        }
        let unknown = unknown.len();
        anomalies.or(CounterSummary {
            sum: i64::try_from(sum).unwrap_or(i64::MAX),
            unknown,
            final_reads,
        })
    }
}

/// How many different sums are kept. Maelstrom's deltas have a few hundred; those of a
/// history that was made up to do harm could double with each addition.
const SUMS_MAX: usize = 1 << 16;

/// The sums that a final read may show: each addition of unknown outcome counts or does
/// not.
struct Acceptable {
    least: i128,
    most: i128,
    /// All of them; `None` beyond [`SUMS_MAX`]. Then any sum in between is accepted.
    sums: Option<BTreeSet<i128>>,
}

impl Acceptable {
    fn of(sum: i128, unknown: &[i128]) -> Acceptable {
        let (up, down): (Vec<i128>, Vec<i128>) = unknown.iter().partition(|delta| **delta > 0);
        let mut sums = Some(BTreeSet::from([sum]));
        for delta in unknown {
            sums = sums.and_then(|mut sums| {
                let with: Vec<i128> = sums.iter().map(|sum| sum + delta).collect();
                sums.extend(with);
                (sums.len() <= SUMS_MAX).then_some(sums)
            });
        }
        Acceptable {
            least: sum + down.iter().sum::<i128>(),
            most: sum + up.iter().sum::<i128>(),
            sums,
        }
    }

    fn has(&self, value: i128) -> bool {
        match &self.sums {
            Some(sums) => sums.contains(&value),
            None => (self.least..=self.most).contains(&value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_additions_count_or_do_not() {
        let acceptable = Acceptable::of(10, &[3, -5]);
        let has: Vec<i128> = (0..=20).filter(|&sum| acceptable.has(sum)).collect();
        assert_eq!(has, [5, 8, 10, 13]);
    }

    #[test]
    fn beyond_the_most_sums_only_the_ends_are_known() {
        let doubling: Vec<i128> = (0..40).map(|power| 1 << power).collect();
        let acceptable = Acceptable::of(0, &doubling);
        assert!(acceptable.sums.is_none());
        assert!(acceptable.has((1 << 40) - 1) && !acceptable.has(1 << 40) && !acceptable.has(-1));
    }
}
