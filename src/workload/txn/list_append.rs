//! txn-list-append: transactions over lists that only grow.
//!
//! A list shows its whole history. So the order of all appends that were ever read is
//! known, and with it every dependency. An acknowledged append that no read has seen must
//! have come last. If a later read does not have it, that is a cycle through real time:
//! the write was lost.
//!
//! The order holds for each append, also for several of one transaction. If the append of
//! another stands between them, that is a cycle of writes, on one key. Appends of aborted
//! transactions have no place in the order. Where dirty reads are allowed, those of
//! unknown outcome have none either: they may have been undone after they were read.

use super::graph::{Graph, Why};
use super::model::{ConsistencyModel, TxnSummary};
use super::operations::{Generator, Micro, Txn, check_lost_updates, shape};
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

    /// The most operations of a transaction: 4, Maelstrom's `--max-txn-length`.
    pub fn txn_length_max(mut self, count: usize) -> Self {
        self.generator.set_length_max(count);
        self
    }

    /// How many writes a key gets before a new key replaces it: 16, Maelstrom's
    /// `--max-writes-per-key`.
    pub fn writes_per_key(mut self, count: u64) -> Self {
        self.generator.set_key_writes_max(count);
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
        let lists = Lists::of(&txns, self.model, &mut anomalies);
        if self.model.forbids_dirty_reads() {
            lists.check_dirty_reads(&mut anomalies);
        }
        if self.model.forbids_lost_updates() {
            check_lost_updates(&txns, lists.updates(), &mut anomalies);
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

/// A read of a key.
struct Read {
    txn: usize,
    key: u64,
    list: Vec<i64>,
    /// Whether the transaction had appended to the key before. The list then has values
    /// that an abort would undo. A transaction that committed was not aborted.
    is_own: bool,
}

/// Everything that was appended and read.
struct Lists<'a> {
    txns: &'a [Txn<'a>],
    model: ConsistencyModel,
    /// The transaction that appended each value, and whether it was its last to that key.
    writer: BTreeMap<(u64, i64), (usize, bool)>,
    reads: Vec<Read>,
    /// The longest list that was read of each key.
    longest: BTreeMap<u64, Vec<i64>>,
}

impl<'a> Lists<'a> {
    fn of(txns: &'a [Txn<'a>], model: ConsistencyModel, anomalies: &mut Anomalies) -> Lists<'a> {
        let mut lists = Lists {
            txns,
            model,
            writer: BTreeMap::new(),
            reads: Vec::new(),
            longest: BTreeMap::new(),
        };
        for (index, txn) in txns.iter().enumerate() {
            let mut appended: BTreeMap<u64, i64> = BTreeMap::new();
            for Micro { key, value, .. } in txn.micros.iter().filter(|micro| !micro.is_read) {
                let value = value.as_i64().unwrap_or_default();
                if let Some(earlier) = appended.insert(*key, value) {
                    lists.writer.insert((*key, earlier), (index, false));
                }
                lists.writer.insert((*key, value), (index, true));
            }
        }
        for (index, txn) in txns.iter().enumerate() {
            let mut appended: BTreeSet<u64> = BTreeSet::new();
            for micro in txn.micros.iter().filter(|_| txn.is_committed()) {
                if micro.is_read {
                    let is_own = appended.contains(&micro.key);
                    lists.read(index, micro, is_own, anomalies);
                } else {
                    appended.insert(micro.key);
                }
            }
        }
        lists.check_orders(anomalies);
        lists
    }

    fn read(&mut self, txn: usize, micro: &Micro, is_own: bool, anomalies: &mut Anomalies) {
        let (shown, key) = (&self.txns[txn], micro.key);
        let list: Option<Vec<i64>> = match &micro.value {
            Value::Null => Some(Vec::new()),
            value => value
                .as_array()
                .and_then(|items| items.iter().map(Value::as_i64).collect()),
        };
        let Some(mut list) = list else {
            let value = &micro.value;
            anomalies.add(format_args!(
                "{shown}: {value} of key {key} is no list of integers"
            ));
            return;
        };
        let mut sorted = list.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            anomalies.add(format_args!("duplicate element in key {key}: {shown}"));
            return;
        }
        if !self.model.forbids_dirty_reads() {
            // An append that was undone may have been read before. It has no place in the
            // order of the others.
            list.retain(|value| self.counts(key, *value));
        }
        let longest = self.longest.entry(key).or_default();
        if list.len() > longest.len() {
            longest.clone_from(&list);
        }
        self.reads.push(Read {
            txn,
            key,
            list,
            is_own,
        });
    }

    /// Whether an append has a place in the order of the appends to its key. One that was
    /// never made has: it is an anomaly of its own.
    fn counts(&self, key: u64, value: i64) -> bool {
        let writer = self.writer.get(&(key, value));
        writer.is_none_or(|(txn, _)| self.txns[*txn].counts(self.model))
    }

    /// Checks that each read of a key is the beginning of the longest, and that each value was
    /// appended. The first read that is not stands for all of its key.
    fn check_orders(&self, anomalies: &mut Anomalies) {
        let mut incompatible: BTreeSet<u64> = BTreeSet::new();
        for Read { txn, key, list, .. } in &self.reads {
            let longest = &self.longest[key];
            let shown = &self.txns[*txn];
            if !longest.starts_with(list) && incompatible.insert(*key) {
                anomalies.add(format_args!(
                    "incompatible order of key {key}: another transaction read {longest:?}: {shown}"
                ));
            }
            let is_strange = |value: &&i64| !self.writer.contains_key(&(*key, **value));
            let mut strange = list.iter().filter(is_strange);
            if let Some(value) = strange.next() {
                let more = match strange.count() {
                    0 => String::new(),
                    more => format!(", with {more} more in that list"),
                };
                anomalies.add(format_args!(
                    "{value} of key {key} was never appended{more}: {shown}"
                ));
            }
        }
    }

    /// The versions that transactions have read, and then appended to.
    fn updates(&self) -> impl Iterator<Item = (usize, u64, &[i64])> {
        let mut writes: BTreeSet<(usize, u64)> = BTreeSet::new();
        writes.extend(self.writer.iter().map(|((key, _), (txn, _))| (*txn, *key)));
        let mut read: BTreeSet<(usize, u64)> = BTreeSet::new();
        let reads = self.reads.iter().filter(|read| !read.is_own);
        let firsts = reads.filter(move |first| read.insert((first.txn, first.key)));
        let updates = firsts.filter(move |read| writes.contains(&(read.txn, read.key)));
        updates.map(|read| (read.txn, read.key, &read.list[..]))
    }

    fn check_dirty_reads(&self, anomalies: &mut Anomalies) {
        for Read { txn, key, list, .. } in &self.reads {
            let shown = &self.txns[*txn];
            for value in list {
                if let Some(&(writer, _)) = self.writer.get(&(*key, *value))
                    && self.txns[writer].is_aborted()
                {
                    anomalies.add(format_args!(
                        "G1a, a read of an aborted append: {shown} has {value} of {}",
                        self.txns[writer]
                    ));
                    // The first stands for all of the list.
                    break;
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
            let mut expected: BTreeMap<u64, (Option<&[Value]>, Vec<&Value>)> = BTreeMap::new();
            for micro in &txn.micros {
                let (known, appended) = expected.entry(micro.key).or_default();
                if !micro.is_read {
                    appended.push(&micro.value);
                    continue;
                }
                let list = micro.value.as_array().map_or(&[][..], Vec::as_slice);
                let before = list.len().checked_sub(appended.len());
                let fits = before.is_some_and(|before| {
                    let (before, since) = list.split_at(before);
                    let is_same = known.is_none_or(|known| known == before);
                    is_same && since.iter().eq(appended.iter().copied())
                });
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
        // The appends of aborted transactions are left out. Their neighbours then follow
        // each other.
        let orders = self.longest.iter().map(|(key, list)| {
            let list = list.iter().filter(|value| self.counts(*key, **value));
            (*key, list.copied().collect())
        });
        let orders: BTreeMap<u64, Vec<i64>> = orders.collect();
        for (&key, list) in &orders {
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
        for Read { txn, key, list, .. } in &self.reads {
            let last = list.iter().rfind(|value| self.counts(*key, **value));
            let from = last.and_then(|&last| writer(*key, last));
            if from == Some(*txn) {
                // It saw its own append. The order of the appends says the rest.
                continue;
            }
            if let Some(from) = from {
                graph.add(from, *txn, Why::WriteRead(*key));
            }
            let seen = list.iter().filter(|value| self.counts(*key, **value));
            match orders[key].get(seen.count()) {
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
