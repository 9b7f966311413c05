//! txn-rw-register: transactions over registers that are overwritten.
//!
//! A register does not show its history. Three facts give the dependencies. Every value is
//! written once, so a read names the transaction that it read from. A transaction that
//! reads a value and then writes another has overwritten it (Elle's "writes follow
//! reads"). No value came before the absent one.

use super::graph::{Graph, Why};
use super::model::{ConsistencyModel, TxnSummary};
use super::operations::{Generator, Txn, shape};
use crate::workload::anomalies::Anomalies;
use crate::workload::contract::{Observed, Turn, Workload};
use crate::workload::history::{Operation, Request};
use std::collections::{BTreeMap, BTreeSet};

/// Maelstrom's `txn-rw-register`: `txn {txn: [["r", k, null], ["w", k, v]]}` ->
/// `{txn}`; one to four operations in each, ten keys at a time.
///
/// ```
/// use eddyline::workload::TxnRwRegister;
///
/// let workload = TxnRwRegister::new().total_availability();
/// ```
#[derive(Debug, Clone)]
pub struct TxnRwRegister {
    model: ConsistencyModel,
    must_always_answer: bool,
    generator: Generator,
}

impl Default for TxnRwRegister {
    fn default() -> TxnRwRegister {
        TxnRwRegister::new()
    }
}

impl TxnRwRegister {
    /// The workload, checked for read committed.
    pub fn new() -> TxnRwRegister {
        TxnRwRegister {
            model: ConsistencyModel::ReadCommitted,
            must_always_answer: false,
            generator: Generator::new("w"),
        }
    }

    /// Another level than read committed.
    pub fn model(mut self, model: ConsistencyModel) -> TxnRwRegister {
        self.model = model;
        self
    }

    /// Every transaction must be done, with any faults.
    pub fn total_availability(mut self) -> TxnRwRegister {
        self.must_always_answer = true;
        self
    }

    /// How many keys are in use at a time.
    pub fn keys(mut self, count: usize) -> TxnRwRegister {
        self.generator.set_keys(count);
        self
    }
}

impl Workload for TxnRwRegister {
    type Summary = TxnSummary;

    fn name(&self) -> &'static str {
        "txn-rw-register"
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

    fn finale(&mut self, _: usize, last: Option<&Operation>) -> Option<Request> {
        self.generator.read_next_keys(last)
    }

    fn check(&self, run: &Observed<'_>) -> Result<TxnSummary, Anomalies> {
        let mut anomalies = Anomalies::default();
        let (txns, wrong) = Txn::all(run.history);
        wrong.into_iter().for_each(|why| anomalies.add(why));
        let registers = Registers::of(&txns, &mut anomalies);
        if self.model.forbids_dirty_reads() {
            registers.check_dirty_reads(&mut anomalies);
        }
        if self.model.forbids_internal() {
            check_internal(&txns, &mut anomalies);
        }
        let mut graph = registers.graph();
        let dependencies = graph.dependencies();
        if self.model.has_real_time() {
            graph.add_real_time(&txns);
        }
        graph.check(self.model, &txns, &mut anomalies);
        if self.must_always_answer {
            anomalies.check_availability(run.history);
        }
        anomalies.or(TxnSummary::of(run.history, dependencies))
    }
}

/// A value of a key; `None` is absent.
type Version = Option<i64>;

struct Registers<'a> {
    txns: &'a [Txn<'a>],
    /// The transaction that wrote each value, and whether it was its last to that key.
    writer: BTreeMap<(u64, i64), (usize, bool)>,
    /// The versions that each transaction read of others, by key.
    reads: Vec<(usize, u64, Version)>,
    /// The versions that transactions have read and then overwritten, by key.
    overwritten: Vec<(usize, u64, Version)>,
}

impl<'a> Registers<'a> {
    fn of(txns: &'a [Txn<'a>], anomalies: &mut Anomalies) -> Registers<'a> {
        let mut registers = Registers {
            txns,
            writer: BTreeMap::new(),
            reads: Vec::new(),
            overwritten: Vec::new(),
        };
        for (index, txn) in txns.iter().enumerate() {
            let mut written: BTreeMap<u64, i64> = BTreeMap::new();
            let mut read: BTreeMap<u64, Version> = BTreeMap::new();
            for micro in &txn.micros {
                let (key, value) = (micro.key, micro.value.as_i64());
                if !micro.is_read {
                    let value = value.unwrap_or_default();
                    match written.insert(key, value) {
                        Some(earlier) => {
                            registers.writer.insert((key, earlier), (index, false));
                        }
                        None => {
                            let read = read.get(&key).map(|&version| (index, key, version));
                            registers.overwritten.extend(read);
                        }
                    }
                    registers.writer.insert((key, value), (index, true));
                } else if txn.is_committed() && !written.contains_key(&key) {
                    read.insert(key, value);
                    registers.reads.push((index, key, value));
                }
            }
        }
        for &(txn, key, version) in &registers.reads {
            if let Some(value) = version
                && !registers.writer.contains_key(&(key, value))
            {
                let shown = &txns[txn];
                anomalies.add(format_args!(
                    "{value} of key {key} was never written: {shown}"
                ));
            }
        }
        registers
    }

    fn check_dirty_reads(&self, anomalies: &mut Anomalies) {
        for &(txn, key, version) in &self.reads {
            let Some(value) = version else { continue };
            let Some(&(writer, is_last)) = self.writer.get(&(key, value)) else {
                continue;
            };
            let (reader, wrote) = (&self.txns[txn], &self.txns[writer]);
            if wrote.is_aborted() {
                anomalies.add(format_args!(
                    "G1a, a read of an aborted write: {reader} has {value} of {wrote}"
                ));
            }
            if !is_last && writer != txn {
                anomalies.add(format_args!(
                    "G1b, a read of an intermediate state: {reader} has {value} of {wrote}"
                ));
            }
        }
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::new(self.txns.len());
        let writer = |key: u64, version: Version| Some(self.writer.get(&(key, version?))?.0);
        let mut readers: BTreeMap<(u64, Version), Vec<usize>> = BTreeMap::new();
        for &(txn, key, version) in &self.reads {
            if let Some(from) = writer(key, version) {
                graph.add(from, txn, Why::WriteRead(key));
            }
            readers.entry((key, version)).or_default().push(txn);
        }
        for &(txn, key, version) in &self.overwritten {
            if let Some(from) = writer(key, version) {
                graph.add(from, txn, Why::WriteWrite(key));
            }
            for &reader in readers.get(&(key, version)).into_iter().flatten() {
                graph.add(reader, txn, Why::ReadWrite(key));
            }
        }
        // A transaction that saw a key absent came before all committed writes to it.
        let committed = self
            .writer
            .iter()
            .filter(|(_, (txn, _))| self.txns[*txn].is_committed());
        let writers: BTreeSet<(u64, usize)> =
            committed.map(|((key, _), (txn, _))| (*key, *txn)).collect();
        for (key, txn) in writers {
            for &reader in readers.get(&(key, None)).into_iter().flatten() {
                graph.add(reader, txn, Why::ReadWrite(key));
            }
        }
        graph
    }
}

/// Checks that a read returns what its own transaction has read or written before.
fn check_internal(txns: &[Txn<'_>], anomalies: &mut Anomalies) {
    for txn in txns.iter().filter(|txn| txn.is_committed()) {
        let mut known = BTreeMap::new();
        for micro in &txn.micros {
            let before = known.insert(micro.key, &micro.value);
            if micro.is_read && before.is_some_and(|before| *before != micro.value) {
                anomalies.add(format_args!(
                    "internal: a transaction does not see itself on key {}: {txn}",
                    micro.key
                ));
            }
        }
    }
}
