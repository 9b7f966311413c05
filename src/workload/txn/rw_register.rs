//! txn-rw-register: transactions over registers that are overwritten.
//!
//! A register does not show its history. Every value is written once, so a read names the
//! transaction that it read from. These facts give the order of the versions of a key:
//!
//! | a version comes before another if | from the model on |
//! |---|---|
//! | it is the absent one | read uncommitted |
//! | a transaction read it, and then wrote the other (Elle's "writes follow reads") | read uncommitted |
//! | a transaction wrote it, and then the other | read uncommitted |
//! | a transaction wrote it, and then read the other, of another transaction | read uncommitted |
//! | it was committed, and all final reads of the key show the other | read uncommitted |
//! | a transaction left it, ended, and then one began that found or wrote the other | strict serializable |
//!
//! The first five hold for any register that has one current version. The fourth needs that
//! a transaction sees its own write until another overwrites it: Adya requires it of every
//! history. It finds cycles of writes on one key. The fifth needs a cluster that had time to
//! recover: what all nodes then read is the current version. The last holds only where the
//! order of real time must be kept. Elle has the second and third of these for every run,
//! and others on request.
//!
//! Blind writes that no transaction has read stay without an order, but for the last two
//! facts. Nothing is inferred from the absence of cycles: to find all orders that are
//! possible is NP-complete.

use super::graph::{Graph, Why};
use super::model::{ConsistencyModel, TxnSummary};
use super::operations::{Generator, Micro, Txn, check_lost_updates, shape};
use crate::workload::anomalies::Anomalies;
use crate::workload::contract::{Observed, Turn, Workload};
use crate::workload::history::{Operation, Phase, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Maelstrom's `txn-rw-register`: `txn {txn: [["r", k, null], ["w", k, v]]}` ->
/// `{txn}`; one to four operations in each, ten keys at a time.
///
/// A register does not show its history, so the checker infers which value came before
/// which: from the absence at the beginning, from what a transaction reads and writes one
/// after the other, from final reads that agree, and, for strict serializability, from real
/// time. Writes that no transaction reads and that are not the last ones have no order under
/// the weaker models, so a cycle through them is not found.
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
        let registers = Registers::of(&txns, self.model, &mut anomalies);
        if self.model.forbids_dirty_reads() {
            registers.check_dirty_reads(&mut anomalies);
        }
        if self.model.forbids_lost_updates() {
            let updates = registers.overwritten.iter().copied();
            check_lost_updates(&txns, updates, &mut anomalies);
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
    model: ConsistencyModel,
    /// The transaction that wrote each value, and whether it was its last to that key.
    writer: BTreeMap<(u64, i64), (usize, bool)>,
    /// The versions that each transaction read of others, by key.
    reads: Vec<(usize, u64, Version)>,
    /// The versions that transactions have read and then overwritten, by key.
    overwritten: Vec<(usize, u64, Version)>,
    /// The versions of each key, and those that are known to have come after each.
    order: BTreeMap<(u64, Version), BTreeSet<i64>>,
}

/// The last that a transaction has seen of a key.
#[derive(Clone, Copy)]
struct Sight {
    version: Version,
    /// Its own last write, if there is one.
    own: Option<i64>,
}

impl<'a> Registers<'a> {
    fn of(
        txns: &'a [Txn<'a>],
        model: ConsistencyModel,
        anomalies: &mut Anomalies,
    ) -> Registers<'a> {
        let mut registers = Registers {
            txns,
            model,
            writer: BTreeMap::new(),
            reads: Vec::new(),
            overwritten: Vec::new(),
            order: BTreeMap::new(),
        };
        for (index, txn) in txns.iter().enumerate() {
            let mut seen: BTreeMap<u64, Sight> = BTreeMap::new();
            for micro in &txn.micros {
                if !micro.is_read {
                    registers.wrote(index, micro, &mut seen);
                } else if txn.is_committed() {
                    registers.has_read(index, micro, &mut seen);
                }
            }
        }
        registers.find_last_versions();
        if model.has_real_time() {
            registers.follow_real_time();
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

    /// A write comes after what its transaction has last seen of the key.
    fn wrote(&mut self, txn: usize, micro: &Micro, seen: &mut BTreeMap<u64, Sight>) {
        let (key, value) = (micro.key, micro.value.as_i64().unwrap_or_default());
        let sight = Sight {
            version: Some(value),
            own: Some(value),
        };
        if let Some(before) = seen.insert(key, sight) {
            self.comes_before(key, before.version, value);
            match before.own {
                Some(earlier) => drop(self.writer.insert((key, earlier), (txn, false))),
                None => self.overwritten.push((txn, key, before.version)),
            }
        }
        self.writer.insert((key, value), (txn, true));
    }

    /// A read of another's value after an own write shows that the own one was overwritten.
    fn has_read(&mut self, txn: usize, micro: &Micro, seen: &mut BTreeMap<u64, Sight>) {
        let (key, version) = (micro.key, micro.value.as_i64());
        let before = seen.get(&key).copied();
        let own = before.and_then(|before| before.own);
        if let (Some(own), Some(value)) = (own, version) {
            let is_own = self.writer.get(&(key, value));
            if is_own.is_some_and(|(writer, _)| *writer == txn) {
                return;
            }
            self.comes_before(key, Some(own), value);
        } else if own.is_some() {
            return;
        }
        self.reads.push((txn, key, version));
        seen.insert(key, Sight { version, own });
    }

    fn comes_before(&mut self, key: u64, version: Version, next: i64) {
        if version != Some(next) {
            self.order.entry((key, version)).or_default().insert(next);
        }
    }

    /// If all final reads of a key agree, then every other write came before their value.
    fn find_last_versions(&mut self) {
        let mut last: BTreeMap<u64, (Version, Duration)> = BTreeMap::new();
        let mut disputed: BTreeSet<u64> = BTreeSet::new();
        for &(txn, key, version) in &self.reads {
            let Operation { phase, invoked, .. } = *self.txns[txn].operation;
            if phase != Phase::Final {
                continue;
            }
            let (known, first) = last.entry(key).or_insert((version, invoked));
            *first = invoked.min(*first);
            if *known != version {
                disputed.insert(key);
            }
        }
        last.retain(|key, _| !disputed.contains(key));
        let writers = self.writer.iter().filter(|(_, (_, is_last))| *is_last);
        let writers: Vec<(u64, i64, usize)> = writers
            .map(|((key, value), (txn, _))| (*key, *value, *txn))
            .collect();
        for (key, value, txn) in writers {
            if let Some(&(Some(version), since)) = last.get(&key)
                && self.txns[txn].is_committed()
                && self.txns[txn].operation.completed < since
            {
                self.comes_before(key, Some(value), version);
            }
        }
    }

    /// If real time orders two transactions, it orders the versions that they leave and find.
    fn follow_real_time(&mut self) {
        let mut touches: BTreeMap<u64, Vec<Touch>> = BTreeMap::new();
        for txn in self.txns.iter().filter(|txn| txn.is_committed()) {
            let mut of_txn: BTreeMap<u64, (Version, Version)> = BTreeMap::new();
            for Micro { key, value, .. } in &txn.micros {
                let version = value.as_i64();
                of_txn.entry(*key).or_insert((version, version)).1 = version;
            }
            let Operation {
                invoked, completed, ..
            } = *txn.operation;
            for (key, (found, left)) in of_txn {
                touches.entry(key).or_default().push(Touch {
                    found,
                    left,
                    invoked,
                    completed,
                });
            }
        }
        for (key, mut touches) in touches {
            touches.sort_by_key(|touch| touch.completed);
            let begins = touches.iter().scan(Duration::ZERO, |latest, touch| {
                *latest = touch.invoked.max(*latest);
                Some(*latest)
            });
            let latest_begins: Vec<Duration> = begins.collect();
            for touch in &touches {
                let ended = touches.partition_point(|other| other.completed < touch.invoked);
                let Some(last) = ended.checked_sub(1) else {
                    continue;
                };
                // Those that ended before another of them began come before it, too.
                let direct = touches[..ended].iter().rev();
                let direct = direct.take_while(|other| other.completed >= latest_begins[last]);
                for other in direct {
                    if let (Some(_), Some(found)) = (other.left, touch.found) {
                        self.comes_before(key, other.left, found);
                    }
                }
            }
        }
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
        let mut readers: BTreeMap<(u64, Version), Vec<usize>> = BTreeMap::new();
        for &(txn, key, version) in &self.reads {
            if let Some(from) = self.writer_of(key, version) {
                graph.add(from, txn, Why::WriteRead(key));
            }
            readers.entry((key, version)).or_default().push(txn);
        }
        for &(key, version) in self.order.keys() {
            for to in self.next_writers(key, version) {
                if let Some(from) = self.writer_of(key, version) {
                    graph.add(from, to, Why::WriteWrite(key));
                }
                for &reader in readers.get(&(key, version)).into_iter().flatten() {
                    graph.add(reader, to, Why::ReadWrite(key));
                }
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

    /// The transaction that wrote a version, if its writes count.
    fn writer_of(&self, key: u64, version: Version) -> Option<usize> {
        let (txn, _) = *self.writer.get(&(key, version?))?;
        self.txns[txn].counts(self.model).then_some(txn)
    }

    /// The writers of the next versions that count. Those of aborted transactions are passed
    /// over: the versions after them follow.
    fn next_writers(&self, key: u64, version: Version) -> BTreeSet<usize> {
        let (mut writers, mut passed) = (BTreeSet::new(), BTreeSet::new());
        let mut todo = vec![version];
        while let Some(version) = todo.pop() {
            for &next in self.order.get(&(key, version)).into_iter().flatten() {
                match self.writer_of(key, Some(next)) {
                    Some(writer) => drop(writers.insert(writer)),
                    None if passed.insert(next) => todo.push(Some(next)),
                    None => {}
                }
            }
        }
        writers
    }
}

/// A transaction at a key: the version that it found there, or wrote first, and the one that
/// it left.
struct Touch {
    found: Version,
    left: Version,
    invoked: Duration,
    completed: Duration,
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
