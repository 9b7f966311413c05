//! Transactions: made, and read from a history.

use super::model::ConsistencyModel;
use crate::random::Random;
use crate::workload::anomalies::Anomalies;
use crate::workload::draws::index_below;
use crate::workload::history::{History, Operation, Outcome, Request};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// The most operations of a transaction, and the most writes to a key before a new key
/// replaces it: Maelstrom's numbers.
const LENGTH_MAX: usize = 4;
const KEY_WRITES_MAX: u64 = 16;

/// How many keys a final transaction reads.
const FINAL_KEYS: u64 = 16;

/// One operation within a transaction.
#[derive(Debug, Clone)]
pub(super) struct Micro {
    pub(super) is_read: bool,
    pub(super) key: u64,
    pub(super) value: Value,
}

/// A transaction of a history.
pub(super) struct Txn<'a> {
    pub(super) operation: &'a Operation,
    /// The operations of the reply if it was done, of the request otherwise. In a request,
    /// reads have no value.
    pub(super) micros: Vec<Micro>,
}

#[derive(Deserialize)]
struct Body {
    txn: Vec<(String, u64, Value)>,
}

impl<'a> Txn<'a> {
    /// All transactions of a history, and the reasons why some replies do not fit.
    pub(super) fn all(history: &'a History) -> (Vec<Txn<'a>>, Vec<String>) {
        let (mut txns, mut wrong) = (Vec::new(), Vec::new());
        for operation in history.of_kind("txn") {
            let Some(asked) = operation.asked::<Body>() else {
                continue;
            };
            let answered = match operation.replied::<Body>() {
                Some(answered) if operation.is_ok() => answered,
                _ => asked,
            };
            let micros = answered.txn.into_iter().map(|(kind, key, value)| Micro {
                is_read: kind == "r",
                key,
                value,
            });
            let micros = micros.collect();
            let txn = Txn { operation, micros };
            if let Err(why) = shape(operation) {
                wrong.push(format!("{txn}: {why}"));
                continue;
            }
            txns.push(txn);
        }
        (txns, wrong)
    }

    pub(super) fn is_committed(&self) -> bool {
        self.operation.is_ok()
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.operation.is_fail()
    }

    /// Whether its writes count under a model. Those of an aborted transaction do not. A
    /// transaction of unknown outcome counts where reads of aborted writes are forbidden:
    /// if its writes were read, then it was done.
    pub(super) fn counts(&self, model: ConsistencyModel) -> bool {
        self.is_committed() || (!self.is_aborted() && model.forbids_dirty_reads())
    }
}

/// Checks that a reply has the operations of its request, with the same writes.
pub(super) fn shape(operation: &Operation) -> Result<(), String> {
    let Outcome::Ok(_) = operation.outcome else {
        return Ok(());
    };
    let (Some(asked), Some(answered)) = (operation.asked::<Body>(), operation.replied::<Body>())
    else {
        return Err("`txn` is not a list of [type, key, value]".to_owned());
    };
    let same = asked.txn.len() == answered.txn.len()
        && asked
            .txn
            .iter()
            .zip(&answered.txn)
            .all(|(asked, answered)| {
                let is_read = asked.0 == "r";
                (&asked.0, asked.1) == (&answered.0, answered.1)
                    && (is_read || asked.2 == answered.2)
            });
    if same {
        return Ok(());
    }
    Err("`txn` has other operations than were asked for".to_owned())
}

impl fmt::Display for Txn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation { client, node, .. } = self.operation;
        let (from, to) = (self.operation.invoked, self.operation.completed);
        write!(f, "{{{client} at n{node}, {from:?}..{to:?}:")?;
        for Micro {
            is_read,
            key,
            value,
        } in &self.micros
        {
            let kind = if *is_read { "r" } else { "w" };
            write!(f, " {kind} {key} {value}")?;
        }
        write!(f, "}}")
    }
}

/// Adds the lost updates: versions of a key that several transactions have read and then
/// overwritten, each as if there were no other. Each key is one anomaly. `updates` has the
/// transaction, the key and the version that it read.
pub(super) fn check_lost_updates<V: Ord>(
    txns: &[Txn<'_>],
    updates: impl Iterator<Item = (usize, u64, V)>,
    anomalies: &mut Anomalies,
) {
    let mut by_version: BTreeMap<(u64, V), Vec<usize>> = BTreeMap::new();
    for (txn, key, version) in updates.filter(|(txn, ..)| txns[*txn].is_committed()) {
        by_version.entry((key, version)).or_default().push(txn);
    }
    let mut last = None;
    for ((key, _), updates) in by_version {
        if let [one, other, ..] = updates[..]
            && last != Some(key)
        {
            last = Some(key);
            anomalies.add(format_args!(
                "lost update of key {key}: {} and {} have overwritten the same version",
                txns[one], txns[other]
            ));
        }
    }
}

/// Generates transactions.
#[derive(Debug, Clone)]
pub(super) struct Generator {
    /// The type of a write.
    write: &'static str,
    keys: usize,
    length_max: usize,
    key_writes_max: u64,
    /// The keys in use, and the next value of each.
    active: Vec<(u64, u64)>,
    next_key: u64,
}

impl Generator {
    pub(super) fn new(write: &'static str) -> Generator {
        Generator {
            write,
            keys: 10,
            length_max: LENGTH_MAX,
            key_writes_max: KEY_WRITES_MAX,
            active: Vec::new(),
            next_key: 0,
        }
    }

    pub(super) fn set_keys(&mut self, count: usize) {
        self.keys = count.max(1);
    }

    pub(super) fn set_length_max(&mut self, count: usize) {
        self.length_max = count.max(1);
    }

    pub(super) fn set_key_writes_max(&mut self, count: u64) {
        self.key_writes_max = count.max(1);
    }

    /// The next final transaction: a read of the keys after those that `last` read. `None`
    /// when all keys that were ever in use have been read.
    pub(super) fn read_next_keys(&self, last: Option<&Operation>) -> Option<Request> {
        let begin = last.map_or(0, |last| {
            let txn = last.asked::<Body>().map(|body| body.txn);
            let last = txn.unwrap_or_default().pop();
            last.map_or(0, |(_, key, _)| key) + 1
        });
        let keys = begin..self.next_key.min(begin + FINAL_KEYS);
        let txn: Vec<Value> = keys.map(|key| json!(["r", key, null])).collect();
        (!txn.is_empty()).then(|| Request::new("txn", &json!({ "txn": txn })))
    }

    pub(super) fn next(&mut self, random: &mut Random) -> Request {
        let length = 1 + index_below(random, self.length_max);
        let mut txn = Vec::new();
        for _ in 0..length {
            let slot = index_below(random, self.keys);
            while self.active.len() <= slot {
                self.active.push((self.next_key, 1));
                self.next_key += 1;
            }
            if self.active[slot].1 > self.key_writes_max {
                self.active[slot] = (self.next_key, 1);
                self.next_key += 1;
            }
            let (key, value) = &mut self.active[slot];
            if random.chance(0.5) {
                txn.push(json!(["r", *key, null]));
            } else {
                txn.push(json!([self.write, *key, *value]));
                *value += 1;
            }
        }
        Request::new("txn", &json!({ "txn": txn }))
    }
}
