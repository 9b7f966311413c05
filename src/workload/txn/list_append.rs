//! txn-list-append: transactions over lists that only grow.
//!
//! A list shows its whole history. So the order of all appends that were ever read is
//! known, and with it every dependency. An acknowledged append that no read has seen must
//! have come last. If a later read does not have it, that is a cycle through real time:
//! the write was lost.

use super::graph::{Graph, Why};
use super::model::{ConsistencyModel, TxnSummary};
use super::operations::{Generator, Txn, shape};
use crate::workload::anomalies::Anomalies;
use crate::workload::contract::{Observed, Turn, Workload};
use crate::workload::history::{Operation, Request};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Maelstrom's `txn-list-append`: `txn {txn: [["r", k, null], ["append", k, v]]}`
/// -> `{txn}`. A transaction has one to four operations. Ten keys are in use at a time, and
/// each takes 16 appends.
///
/// ```
/// use eddyline::workload::{ConsistencyModel, TxnListAppend};
///
/// let workload = TxnListAppend::new().model(ConsistencyModel::Serializable);
/// ```
#[derive(Debug, Clone)]
pub struct TxnListAppend {
    model: ConsistencyModel,
    generator: Generator,
}

impl Default for TxnListAppend {
    fn default() -> TxnListAppend {
        TxnListAppend::new()
    }
}

impl TxnListAppend {
    /// The workload, checked for strict serializability.
    pub fn new() -> TxnListAppend {
        TxnListAppend {
            model: ConsistencyModel::StrictSerializable,
            generator: Generator::new("append"),
        }
    }

    /// Another level than strict serializability.
    pub fn model(mut self, model: ConsistencyModel) -> TxnListAppend {
        self.model = model;
        self
    }

    /// How many keys are in use at a time.
    pub fn keys(mut self, count: usize) -> TxnListAppend {
        self.generator.set_keys(count);
        self
    }
}

impl Workload for TxnListAppend {
    type Summary = TxnSummary;

    fn name(&self) -> &'static str {
        "txn-list-append"
    }

    fn next(&mut self, turn: Turn<'_>) -> Option<Request> {
        Some(self.generator.next(turn.random))
    }

    fn reply_fields(&self, _: &str) -> &'static [&'static str] {
        &["txn"]
    }

    fn ended(&mut self, operation: &Operation) -> Result<(), String> {
        shape(operation)
    }

    /// Reads all keys, some at a time.
    fn finale(&mut self, _: usize, last: Option<&Operation>) -> Option<Request> {
        self.generator.read_next_keys(last)
    }

    fn check(&self, run: &Observed<'_>) -> Result<TxnSummary, Anomalies> {
        let mut anomalies = Anomalies::default();
        let (txns, wrong) = Txn::all(run.history);
        wrong.into_iter().for_each(|why| anomalies.add(why));
        let lists = Lists::of(&txns, &mut anomalies);
        if self.model.forbids_dirty_reads() {
            lists.check_dirty_reads(&mut anomalies);
        }
        if self.model.forbids_internal() {
            lists.check_internal(&mut anomalies);
        }
        let mut graph = lists.graph();
        let dependencies = graph.dependencies();
        if self.model.has_real_time() {
            graph.add_real_time(&txns);
        }
        graph.check(self.model, &txns, &mut anomalies);
        anomalies.or(TxnSummary::of(run.history, dependencies))
    }
}

/// A read of a key before the transaction's own appends to it: it shows only appends of
/// others.
struct Read {
    txn: usize,
    key: u64,
    list: Vec<i64>,
}

/// Everything that was appended and read.
struct Lists<'a> {
    txns: &'a [Txn<'a>],
    /// The transaction that appended each value, and whether it was its last to that key.
    writer: BTreeMap<(u64, i64), (usize, bool)>,
    reads: Vec<Read>,
    /// The longest list that was read of each key.
    longest: BTreeMap<u64, Vec<i64>>,
}

impl<'a> Lists<'a> {
    fn of(txns: &'a [Txn<'a>], anomalies: &mut Anomalies) -> Lists<'a> {
        let mut lists = Lists {
            txns,
            writer: BTreeMap::new(),
            reads: Vec::new(),
            longest: BTreeMap::new(),
        };
        for (index, txn) in txns.iter().enumerate() {
            let mut appended: BTreeMap<u64, i64> = BTreeMap::new();
            for micro in &txn.micros {
                let key = micro.key;
                if !micro.is_read {
                    let value = micro.value.as_i64().unwrap_or_default();
                    if let Some(earlier) = appended.insert(key, value) {
                        lists.writer.insert((key, earlier), (index, false));
                    }
                    lists.writer.insert((key, value), (index, true));
                } else if txn.is_committed() {
                    lists.read(
                        index,
                        key,
                        &micro.value,
                        appended.contains_key(&key),
                        anomalies,
                    );
                }
            }
        }
        lists.check_orders(anomalies);
        lists
    }

    fn read(&mut self, txn: usize, key: u64, value: &Value, own: bool, anomalies: &mut Anomalies) {
        let shown = &self.txns[txn];
        let list: Option<Vec<i64>> = match value {
            Value::Null => Some(Vec::new()),
            value => serde_json::from_value(value.clone()).ok(),
        };
        let Some(list) = list else {
            anomalies.add(format_args!(
                "{shown}: {value} of key {key} is no list of integers"
            ));
            return;
        };
        let distinct: BTreeSet<i64> = list.iter().copied().collect();
        if distinct.len() < list.len() {
            anomalies.add(format_args!("duplicate element in key {key}: {shown}"));
            return;
        }
        let longest = self.longest.entry(key).or_default();
        // After the transaction's own appends, a read shows values that an abort would
        // undo. This transaction committed, so their order is certain as well.
        if list.len() > longest.len() {
            longest.clone_from(&list);
        }
        if !own {
            self.reads.push(Read { txn, key, list });
        }
    }

    /// Checks that each read of a key is the beginning of the longest, and that each value was
    /// appended.
    fn check_orders(&self, anomalies: &mut Anomalies) {
        for Read { txn, key, list } in &self.reads {
            let longest = &self.longest[key];
            let shown = &self.txns[*txn];
            if !longest.starts_with(list) {
                anomalies.add(format_args!(
                    "incompatible order of key {key}: another transaction read {longest:?}: {shown}"
                ));
            }
            for value in list
                .iter()
                .filter(|value| !self.writer.contains_key(&(*key, **value)))
            {
                anomalies.add(format_args!(
                    "{value} of key {key} was never appended: {shown}"
                ));
            }
        }
    }

    fn check_dirty_reads(&self, anomalies: &mut Anomalies) {
        for Read { txn, key, list } in &self.reads {
            let shown = &self.txns[*txn];
            for value in list {
                if let Some(&(writer, _)) = self.writer.get(&(*key, *value))
                    && self.txns[writer].is_aborted()
                {
                    anomalies.add(format_args!(
                        "G1a, a read of an aborted append: {shown} has {value} of {}",
                        self.txns[writer]
                    ));
                }
            }
            if let Some(last) = list.last()
                && let Some(&(writer, false)) = self.writer.get(&(*key, *last))
                && writer != *txn
            {
                anomalies.add(format_args!(
                    "G1b, a read of an intermediate state: {shown} ends in {last} of {}",
                    self.txns[writer]
                ));
            }
        }
    }

    /// Checks that, within a transaction, each read of a key is the one before it plus the
    /// transaction's appends since.
    fn check_internal(&self, anomalies: &mut Anomalies) {
        for txn in self.txns.iter().filter(|txn| txn.is_committed()) {
            let mut expected: BTreeMap<u64, (Option<Vec<Value>>, Vec<Value>)> = BTreeMap::new();
            for micro in &txn.micros {
                let (known, appended) = expected.entry(micro.key).or_default();
                if !micro.is_read {
                    appended.push(micro.value.clone());
                    continue;
                }
                let list = micro.value.as_array().cloned().unwrap_or_default();
                let fits = match known {
                    Some(known) => list == [&known[..], &appended[..]].concat(),
                    None => list.ends_with(appended),
                };
                if !fits {
                    anomalies.add(format_args!(
                        "internal: a transaction does not see itself on key {}: {txn}",
                        micro.key
                    ));
                }
                *known = Some(list);
                appended.clear();
            }
        }
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::new(self.txns.len());
        let writer = |key: u64, value: i64| Some(self.writer.get(&(key, value))?.0);
        let mut unseen: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (&(key, value), &(txn, _)) in &self.writer {
            let seen = self
                .longest
                .get(&key)
                .is_some_and(|list| list.contains(&value));
            if !seen && self.txns[txn].is_committed() {
                unseen.entry(key).or_default().push(txn);
            }
        }
        for (&key, list) in &self.longest {
            for pair in list.windows(2) {
                if let (Some(one), Some(other)) = (writer(key, pair[0]), writer(key, pair[1])) {
                    graph.add(one, other, Why::WriteWrite(key));
                }
            }
            // Appends that were never read came after all that were.
            let last = list.last().and_then(|&last| writer(key, last));
            for &txn in unseen.get(&key).into_iter().flatten() {
                if let Some(last) = last {
                    graph.add(last, txn, Why::WriteWrite(key));
                }
            }
        }
        for Read { txn, key, list } in &self.reads {
            if let Some(from) = list.last().and_then(|&last| writer(*key, last)) {
                graph.add(from, *txn, Why::WriteRead(*key));
            }
            match self.longest[key].get(list.len()) {
                Some(&next) => {
                    if let Some(to) = writer(*key, next) {
                        graph.add(*txn, to, Why::ReadWrite(*key));
                    }
                }
                None => {
                    for &to in unseen.get(key).into_iter().flatten() {
                        graph.add(*txn, to, Why::ReadWrite(*key));
                    }
                }
            }
        }
        graph
    }
}
