//! lin-kv: a key-value store whose every key is linearizable.

mod search;

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::draws::index_below;
use super::history::{Operation, Outcome, Request};
use crate::protocol::ErrorCode;
use search::{Action, Attempt, Verdict, WORK_MAX};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many operations a key takes before a new key replaces it, and how many
/// of unknown outcome. Such an operation may take effect at any later time, so each one
/// may double the work of the search.
const KEY_OPERATIONS_MAX: u32 = 100;
const KEY_UNKNOWN_MAX: u32 = 10;

/// How many processes a key of a group takes before a new key replaces it: Maelstrom's 20. A
/// process ends with an operation of unknown outcome.
const KEY_PROCESSES_MAX: usize = 20;

/// How many comparisons the searches of all keys may make together: some seconds. When they are
/// used up, each further key has a few milliseconds, which are enough for most.
const TOTAL_WORK_MAX: u64 = 8 * WORK_MAX;
const WORK_MIN: u64 = 1 << 20;

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
    choice: Choice,
    /// The keys in use, and how many operations each has had.
    active: Vec<Key>,
    next_key: u64,
}

/// How clients choose their keys.
#[derive(Debug, Clone, Copy)]
enum Choice {
    /// Each operation draws one of so many.
    Drawn(usize),
    /// Each group of two clients a node has its own. One client a node only reads.
    Groups,
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
            choice: Choice::Drawn(3),
            active: Vec::new(),
            next_key: 0,
        }
    }

    /// How many keys are in use at a time.
    pub fn keys(mut self, count: usize) -> LinKv {
        self.choice = Choice::Drawn(count.max(1));
        self
    }

    /// Keys as Maelstrom's clients choose them: each two clients a node share a key, half of
    /// them only read it, and the others write it or exchange its value. A key lasts until 20
    /// clients have used it. The number of clients must be a multiple of twice that of nodes.
    ///
    /// A long history of one key finds more than many short ones do. The keys of
    /// [`new`](LinKv::new) are simpler to check and fit any number of clients.
    ///
    /// ```
    /// use eddyline::{Random, workload::{LinKv, Turn, Workload}};
    ///
    /// let (nodes, mut random) = (["n0".to_owned()], Random::new(7));
    /// let turn = Turn { worker: 0, client: "c0", node: 0, nodes: &nodes, random: &mut random };
    /// assert_eq!(LinKv::new().groups().next(turn).unwrap().kind, "read");
    /// ```
    pub fn groups(mut self) -> LinKv {
        self.choice = Choice::Groups;
        self
    }

    /// The key of a slot, unless as many operations of it have an unknown outcome.
    fn key(&mut self, slot: usize, operations_max: u32, unknown_max: u32) -> u64 {
        while self.active.len() <= slot {
            let number = self.fresh_key();
            self.active.push(number);
        }
        let Key {
            operations,
            unknown,
            ..
        } = self.active[slot];
        if operations >= operations_max || unknown >= unknown_max {
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
        let (key, only_reads) = match self.choice {
            Choice::Drawn(keys) => {
                let slot = index_below(turn.random, keys);
                (self.key(slot, KEY_OPERATIONS_MAX, KEY_UNKNOWN_MAX), None)
            }
            Choice::Groups => {
                let nodes = turn.nodes.len();
                // The last process uses the key too, until its own outcome is unknown.
                let spare = (KEY_PROCESSES_MAX + 1).saturating_sub(2 * nodes).max(1);
                let unknown_max = u32::try_from(spare).unwrap_or(u32::MAX);
                let key = self.key(turn.worker / (2 * nodes), u32::MAX, unknown_max);
                (key, Some(turn.worker % (2 * nodes) < nodes))
            }
        };
        let mut value = || turn.random.below(5);
        let (one, other) = (value(), value());
        let action = match only_reads {
            None => turn.random.below(3),
            Some(true) => 0,
            Some(false) => 1 + turn.random.below(3),
        };
        Some(match action {
            0 => Request::new("read", &json!({ "key": key })),
            1 => Request::new("write", &json!({ "key": key, "value": one })),
            _ => Request::new("cas", &json!({ "key": key, "from": one, "to": other })),
        })
    }

    /// A key is replaced when the outcomes of too many operations are unknown.
    fn follows_answers(&self) -> bool {
        true
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
        let (mut undecided, mut work) = (0, TOTAL_WORK_MAX);
        for (key, attempts) in &by_key {
            if let Some(why) = never_written(*key, attempts) {
                anomalies.add(why);
                continue;
            }
            let bound = WORK_MAX.min(work).max(WORK_MIN);
            let (verdict, used) = search::linearize(attempts, bound);
            work = work.saturating_sub(used);
            match verdict {
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

/// The reads of a value that no operation can have written, as a sentence about the first. No
/// order explains such a read, so none is searched for.
fn never_written(key: u64, attempts: &[Attempt<'_>]) -> Option<String> {
    let written = attempts.iter().filter_map(|attempt| match attempt.action {
        Action::Write(value) | Action::Cas(_, value) => Some(value),
        Action::Read(_) => None,
    });
    let written: BTreeSet<i64> = written.collect();
    let mut strange = attempts.iter().filter_map(|attempt| match attempt.action {
        Action::Read(Some(value)) if !written.contains(&value) => Some((value, attempt.operation)),
        _ => None,
    });
    let (
        value,
        Operation {
            client,
            node,
            invoked,
            ..
        },
    ) = strange.next()?;
    let more = match strange.count() {
        0 => String::new(),
        more => format!(", and {more} more reads of that key are such"),
    };
    Some(format!(
        "n{node} read {value} of key {key}, which was never written (asked by {client} at {invoked:?}){more}"
    ))
}

/// How many operations before the one that does not fit are shown.
const CONTEXT_SHOWN: usize = 6;

fn explain(key: u64, attempts: &[Attempt<'_>], index: usize) -> String {
    let describe = |attempt: &Attempt<'_>| {
        let operation = attempt.operation;
        let (client, node) = (&operation.client, operation.node);
        let (from, to) = (operation.invoked, operation.completed);
        let action = match attempt.action {
            Action::Read(Some(value)) => format!("a read of {value}"),
            Action::Read(None) => "a read without a value".to_owned(),
            Action::Write(value) => format!("a write of {value}"),
            Action::Cas(from, to) => format!("a cas from {from} to {to}"),
        };
        if attempt.is_open {
            format!("{action} (of {client} at n{node}, {from:?} to never)")
        } else {
            format!("{action} (of {client} at n{node}, {from:?} to {to:?})")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Error;
    use crate::random::Random;

    /// The next operation of a worker: its type and its key.
    fn next(workload: &mut LinKv, worker: usize, random: &mut Random) -> (Request, u64) {
        let nodes = ["n0".to_owned(), "n1".to_owned()];
        let turn = Turn {
            worker,
            client: "c0",
            node: worker % 2,
            nodes: &nodes,
            random,
        };
        let request = workload.next(turn).unwrap();
        let fields: KeyFields = serde_json::from_str(request.fields.get()).unwrap();
        (request, fields.key)
    }

    #[test]
    fn a_group_has_a_key_of_its_own_and_half_of_it_only_reads() {
        let (mut workload, mut random) = (LinKv::new().groups(), Random::new(1));
        for _ in 0..100 {
            for worker in 0..8 {
                let (request, key) = next(&mut workload, worker, &mut random);
                assert_eq!(key, (worker / 4) as u64);
                assert_eq!(request.kind == "read", worker % 4 < 2, "{worker}");
            }
        }
    }

    #[test]
    fn a_key_of_a_group_lasts_for_twenty_processes() {
        let (mut workload, mut random) = (LinKv::new().groups(), Random::new(1));
        for unknown in 0..=17 {
            let (request, key) = next(&mut workload, 2, &mut random);
            // Four processes began with it, and each unknown outcome adds one.
            assert_eq!(key, u64::from(unknown > 16), "{unknown}");
            let operation = Operation {
                client: "c0".into(),
                node: 0,
                phase: crate::workload::Phase::Load,
                request,
                invoked: Duration::ZERO,
                completed: Duration::MAX,
                outcome: Outcome::Info(Error::timeout("no reply")),
            };
            workload.ended(&operation).unwrap();
        }
    }

    #[test]
    fn a_read_of_what_no_operation_can_have_written_is_an_anomaly_without_a_search() {
        let mut history = crate::workload::History::default();
        let mut add = |request: Request, outcome: Outcome| {
            history.push(Operation {
                client: "c1".into(),
                node: 0,
                phase: crate::workload::Phase::Load,
                request,
                invoked: Duration::ZERO,
                completed: Duration::from_secs(1),
                outcome,
            });
        };
        for value in 0..200 {
            let write = Request::new("write", &json!({ "key": 0, "value": value % 5 }));
            add(write, Outcome::Info(Error::timeout("no reply")));
        }
        for _ in 0..2 {
            let reply = r#"{"type":"read_ok","value":9}"#;
            let read = Request::new("read", &json!({ "key": 0 }));
            add(read, Outcome::Ok(reply.into()));
        }
        let found = LinKv::new().check(&Observed::of(&history)).unwrap_err();
        let text = &found.found()[0];
        assert!(
            text.starts_with("n0 read 9 of key 0, which was never written"),
            "{text}"
        );
        assert!(text.contains("1 more") && found.total() == 1, "{text}");
    }
}
