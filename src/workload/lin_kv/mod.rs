//! lin-kv: a key-value store whose every key is linearizable.

mod search;

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::draws::index_below;
use super::history::{Operation, Outcome, Request};
use crate::protocol::ErrorCode;
use search::{Action, Attempt, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many operations a key takes before a new key replaces it, and how many
/// of unknown outcome. Such an operation may take effect at any later time, so each one
/// may double the work of the search.
const KEY_OPERATIONS_MAX: u32 = 100;
const KEY_UNKNOWN_MAX: u32 = 10;

/// Maelstrom's `lin-kv`: `read {key}` -> `{value}`, `write {key, value}`,
/// `cas {key, from, to}`; values from 0 to 4.
///
/// A read that fails with error 20 has seen that there is no such key. Any other
/// operation that fails has not happened and shows nothing else, as in Jepsen.
///
/// ```
/// use eddyline::workload::LinKv;
///
/// let workload = LinKv::new().keys(5);
/// ```
#[derive(Debug, Clone)]
pub struct LinKv {
    keys: usize,
    /// The keys in use, and how many operations each has had.
    active: Vec<Key>,
    next_key: u64,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    number: u64,
    operations: u32,
    unknown: u32,
}

/// The measurements of a run of [`LinKv`].
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct LinKvSummary {
    /// How many keys were used. Each of them is linearizable.
    pub keys: usize,
    /// Operations that were done.
    pub done: usize,
    /// Keys whose search was given up, because there were too many operations of unknown
    /// outcome.
    pub undecided: usize,
}

#[derive(Deserialize)]
struct KeyFields {
    key: u64,
    value: Option<i64>,
    from: Option<i64>,
    to: Option<i64>,
}

impl Default for LinKv {
    fn default() -> LinKv {
        LinKv::new()
    }
}

impl LinKv {
    /// The workload, with three keys in use at a time.
    pub fn new() -> LinKv {
        LinKv {
            keys: 3,
            active: Vec::new(),
            next_key: 0,
        }
    }

    /// How many keys are in use at a time.
    pub fn keys(mut self, count: usize) -> LinKv {
        self.keys = count.max(1);
        self
    }

    fn key(&mut self, slot: usize) -> u64 {
        while self.active.len() <= slot {
            let number = self.fresh_key();
            self.active.push(number);
        }
        let Key {
            operations,
            unknown,
            ..
        } = self.active[slot];
        if operations >= KEY_OPERATIONS_MAX || unknown >= KEY_UNKNOWN_MAX {
            self.active[slot] = self.fresh_key();
        }
        self.active[slot].operations += 1;
        self.active[slot].number
    }

    fn fresh_key(&mut self) -> Key {
        self.next_key += 1;
        Key {
            number: self.next_key - 1,
            operations: 0,
            unknown: 0,
        }
    }
}

impl Workload for LinKv {
    type Summary = LinKvSummary;

    fn name(&self) -> &'static str {
        "lin-kv"
    }

    fn next(&mut self, turn: Turn<'_>) -> Option<Request> {
        let key = self.key(index_below(turn.random, self.keys));
        let mut value = || turn.random.below(5);
        let (one, other) = (value(), value());
        Some(match turn.random.below(3) {
            0 => Request::new("read", &json!({ "key": key })),
            1 => Request::new("write", &json!({ "key": key, "value": one })),
            _ => Request::new("cas", &json!({ "key": key, "from": one, "to": other })),
        })
    }

    fn reply_fields(&self, kind: &str) -> &'static [&'static str] {
        if kind == "read" { &["value"] } else { &[] }
    }

    fn ended(&mut self, operation: &Operation) -> Result<(), String> {
        if let (Outcome::Info(_), Some(KeyFields { key, .. })) =
            (&operation.outcome, operation.asked())
            && operation.kind() != "read"
            && let Some(known) = self.active.iter_mut().find(|known| known.number == key)
        {
            known.unknown += 1;
        }
        Ok(())
    }

    fn timeout(&self, latency: Duration) -> Duration {
        latency.saturating_mul(10).max(Duration::from_secs(1))
    }

    fn check(&self, run: &Observed<'_>) -> Result<LinKvSummary, Anomalies> {
        let mut anomalies = Anomalies::default();
        let mut by_key: BTreeMap<u64, Vec<Attempt<'_>>> = BTreeMap::new();
        let mut done = 0;
        for operation in run.history.operations() {
            done += usize::from(operation.is_ok());
            let Some(asked) = operation.asked::<KeyFields>() else {
                continue;
            };
            match action(operation, &asked) {
                Ok(Some(action)) => by_key.entry(asked.key).or_default().push(Attempt {
                    action,
                    operation,
                    is_open: !operation.is_ok() && !operation.is_fail(),
                }),
                Ok(None) => {}
                Err(why) => anomalies.add(why),
            }
        }
        let mut undecided = 0;
        for (key, attempts) in &by_key {
            match search::linearize(attempts) {
                Verdict::Linearizable => {}
                Verdict::Undecided => undecided += 1,
                Verdict::Not(index) => anomalies.add(explain(*key, attempts, index)),
            }
        }
        let keys = by_key.len();
        anomalies.or(LinKvSummary {
            keys,
            done,
            undecided,
        })
    }
}

/// The action of an operation on its key, certain or possible. `None` if it had none
/// that matters.
fn action(operation: &Operation, asked: &KeyFields) -> Result<Option<Action>, String> {
    let kind = operation.kind();
    if let Outcome::Fail(error) = &operation.outcome {
        let absent = kind == "read" && error.code == ErrorCode::KeyDoesNotExist;
        return Ok(absent.then_some(Action::Read(None)));
    }
    Ok(match (kind, asked) {
        ("read", _) => match &operation.outcome {
            Outcome::Ok(_) => {
                let value: Option<Value> = operation.replied();
                let value = value
                    .map(|mut reply| reply["value"].take())
                    .unwrap_or_default();
                let Some(number) = value.as_i64() else {
                    let node = operation.node;
                    return Err(format!("n{node} read {value}, which was never written"));
                };
                Some(Action::Read(Some(number)))
            }
            // Its result is unknown, and it changed nothing.
            Outcome::Info(_) | Outcome::Fail(_) => None,
        },
        (
            "write",
            KeyFields {
                value: Some(value), ..
            },
        ) => Some(Action::Write(*value)),
        (
            "cas",
            KeyFields {
                from: Some(from),
                to: Some(to),
                ..
            },
        ) => Some(Action::Cas(*from, *to)),
        _ => None,
    })
}

/// How many operations before the one that does not fit are shown.
const CONTEXT_SHOWN: usize = 6;

fn explain(key: u64, attempts: &[Attempt<'_>], index: usize) -> String {
    let describe = |attempt: &Attempt<'_>| {
        let operation = attempt.operation;
        let (client, node) = (&operation.client, operation.node);
        let (from, to) = (operation.invoked, operation.completed);
        let action = attempt.action;
        if attempt.is_open {
            format!("{action:?} (of {client} at n{node}, {from:?} to never)")
        } else {
            format!("{action:?} (of {client} at n{node}, {from:?} to {to:?})")
        }
    };
    let culprit = &attempts[index];
    let around = attempts.iter().take(index).rev().take(CONTEXT_SHOWN);
    let around: Vec<String> = around.map(describe).collect();
    format!(
        "key {key} is not linearizable: {} fits in no order of what came before it: {}",
        describe(culprit),
        around.join("; ")
    )
}
