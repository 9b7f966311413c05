//! Transactions: a database in one key of lin-kv, copies on every node, and some with bugs.

use eddyline::sim::workload::{ConsistencyModel, TxnListAppend, TxnRwRegister, TxnSummary};
use eddyline::sim::{Failure, Latency, Nemesis, Simulation};
use eddyline::{Context, Error, ErrorCode, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

type Micro = (String, u64, Value);
type Database = BTreeMap<u64, Value>;

#[derive(Deserialize, Serialize)]
struct Body {
    txn: Vec<Micro>,
}

/// Runs a transaction on a database.
fn apply(database: &mut Database, txn: &mut [Micro]) {
    for (kind, key, value) in txn {
        match kind.as_str() {
            "r" => *value = database.get(key).cloned().unwrap_or_default(),
            "w" => drop(database.insert(*key, value.clone())),
            _ => match database.entry(*key).or_insert_with(|| json!([])) {
                Value::Array(list) => list.push(value.clone()),
                _ => unreachable!("all values are lists"),
            },
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bug {
    None,
    /// Writes without comparing.
    LosesUpdates,
    /// Answers reads from the state that it saw last.
    StaleReads,
    /// Says that a transaction was aborted, and commits it.
    DirtyAborts,
    /// Stores the first half of a transaction, then the second.
    TwoHalves,
    /// Sometimes acknowledges without storing.
    LosesAcknowledged,
}

/// The whole database is one value of lin-kv.
pub(crate) struct Stored {
    bug: Bug,
    last: RefCell<Database>,
}

impl Stored {
    async fn transact(&self, cx: &Context, txn: &mut [Micro]) -> Result<()> {
        loop {
            let body = json!({"key": "database"});
            let (before, from) = match cx.sync_rpc("lin-kv", "read", &body).await {
                Ok(reply) => {
                    let value = reply.body::<Value>()?["value"].clone();
                    let database = serde_json::from_value(value.clone()).unwrap_or_default();
                    (database, value)
                }
                Err(error) if error.code == ErrorCode::KeyDoesNotExist => {
                    (Database::new(), json!({}))
                }
                Err(error) => return Err(error),
            };
            let mut after: Database = before;
            apply(&mut after, txn);
            let to = json!(after);
            let stored = if self.bug == Bug::LosesUpdates {
                let body = json!({"key": "database", "value": to});
                cx.sync_rpc("lin-kv", "write", &body).await
            } else {
                let body = json!({"key": "database", "from": from, "to": to,
                    "create_if_not_exists": true});
                cx.sync_rpc("lin-kv", "cas", &body).await
            };
            match stored {
                Err(error) if error.code == ErrorCode::PreconditionFailed => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    *self.last.borrow_mut() = after;
                    return Ok(());
                }
            }
        }
    }
}

impl Node for Stored {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let mut body: Body = request.body()?;
        let chance = |probability| cx.random(|random| random.chance(probability));
        let reads_only = body.txn.iter().all(|(kind, _, _)| kind == "r");
        match self.bug {
            Bug::StaleReads if reads_only && body.txn.len() < 5 => {
                apply(&mut self.last.borrow_mut(), &mut body.txn);
            }
            Bug::DirtyAborts if chance(0.1) => {
                self.transact(&cx, &mut body.txn).await?;
                return Err(Error::new(ErrorCode::TxnConflict, "aborted, it says"));
            }
            Bug::TwoHalves if body.txn.len() > 1 => {
                let middle = body.txn.len() / 2;
                let (first, second) = body.txn.split_at_mut(middle);
                self.transact(&cx, first).await?;
                self.transact(&cx, second).await?;
            }
            Bug::LosesAcknowledged if chance(0.02) => {
                let mut database = self.last.borrow().clone();
                apply(&mut database, &mut body.txn);
            }
            _ => self.transact(&cx, &mut body.txn).await?,
        }
        cx.reply(&request, &body)
    }
}

fn simulation(seed: u64) -> Simulation {
    Simulation::new(seed)
        .nodes(3)
        .clients(6)
        .rate(50.0)
        .duration(Duration::from_secs(4))
        .latency(Latency::exponential_ms(5))
        .nemesis(Nemesis::every(Duration::from_secs(2)).pauses())
}

fn list_append(bug: Bug, model: ConsistencyModel) -> Result<TxnSummary, Box<Failure>> {
    list_append_with(1, bug, model)
}

pub(crate) fn build(bug: Bug) -> impl Fn(&Context) -> Stored + 'static {
    move |_| Stored {
        bug,
        last: RefCell::default(),
    }
}

fn list_append_with(
    seed: u64,
    bug: Bug,
    model: ConsistencyModel,
) -> Result<TxnSummary, Box<Failure>> {
    let workload = TxnListAppend::new().model(model);
    Ok(simulation(seed).run_with(build(bug), workload)?.summary)
}

#[test]
fn list_append_passes_on_compare_and_set() {
    let summary = list_append(Bug::None, ConsistencyModel::StrictSerializable).unwrap();
    assert!(
        summary.committed > 100 && summary.dependencies > 300,
        "{summary:?}"
    );
}

#[test]
fn wrong_list_appends_are_found_out() {
    use ConsistencyModel::{ReadCommitted, Serializable, StrictSerializable};
    // Each needs operations that meet at the wrong moment: not in each run.
    let found = |bug, model, anomaly| {
        (0..8).any(|seed| {
            let result = list_append_with(seed, bug, model);
            result.is_err_and(|failure| failure.mentions(anomaly))
        })
    };
    assert!(found(Bug::LosesUpdates, StrictSerializable, "G-single"));
    assert!(found(
        Bug::StaleReads,
        StrictSerializable,
        "G-single-realtime"
    ));
    assert!(found(Bug::DirtyAborts, ReadCommitted, "G1a"));
    assert!(found(Bug::TwoHalves, Serializable, "G-single"));
    assert!(found(Bug::TwoHalves, ReadCommitted, "G1b"));
    assert!(found(
        Bug::LosesAcknowledged,
        StrictSerializable,
        "G-single"
    ));
}

/// Every node has a copy, and tells the others of its transactions' writes.
pub(crate) struct Replicated {
    bug: CopyBug,
    database: RefCell<Database>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum CopyBug {
    None,
    DirtyAborts,
    OneWriteAtATime,
    NeedsTheOthers,
}

impl Replicated {
    async fn transact(&self, cx: &Context, txn: &mut [Micro]) {
        if self.bug != CopyBug::OneWriteAtATime {
            return apply(&mut self.database.borrow_mut(), txn);
        }
        for micro in txn {
            apply(&mut self.database.borrow_mut(), std::slice::from_mut(micro));
            cx.sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Node for Replicated {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let mut body: Body = request.body()?;
        if request.kind() == "copy" {
            apply(&mut self.database.borrow_mut(), &mut body.txn);
            return cx.reply(&request, &());
        }
        self.transact(&cx, &mut body.txn).await;
        if self.bug == CopyBug::DirtyAborts && cx.random(|random| random.chance(0.1)) {
            return Err(Error::new(ErrorCode::TxnConflict, "aborted, it says"));
        }
        let writes = body.txn.iter().filter(|(kind, _, _)| kind == "w");
        let copy = json!({ "txn": writes.collect::<Vec<_>>() });
        for peer in cx.peers() {
            if self.bug == CopyBug::NeedsTheOthers {
                cx.sync_rpc(peer, "copy", &copy).await?;
            } else {
                cx.send(peer, "copy", &copy)?;
            }
        }
        cx.reply(&request, &body)
    }
}

pub(crate) fn copies(bug: CopyBug) -> impl Fn(&Context) -> Replicated + 'static {
    move |_| Replicated {
        bug,
        database: RefCell::default(),
    }
}

fn rw_register(bug: CopyBug) -> Result<TxnSummary, Box<Failure>> {
    let nemesis = Nemesis::every(Duration::from_secs(2)).partitions();
    let simulation = Simulation::new(1).nodes(3).clients(12).nemesis(nemesis);
    let workload = TxnRwRegister::new().total_availability();
    Ok(simulation.run_with(copies(bug), workload)?.summary)
}

#[test]
fn rw_register_passes_on_copies() {
    let summary = rw_register(CopyBug::None).unwrap();
    assert!(
        summary.committed > 900 && summary.dependencies > 500,
        "{summary:?}"
    );
    assert_eq!(summary.availability, 1.0);
}

#[test]
fn wrong_rw_registers_are_found_out() {
    let failure = |bug| rw_register(bug).unwrap_err();
    let dirty = failure(CopyBug::DirtyAborts);
    assert!(dirty.mentions("G1a"), "{dirty}");
    let halves = failure(CopyBug::OneWriteAtATime);
    assert!(halves.mentions("G1b"), "{halves}");
    assert!(failure(CopyBug::NeedsTheOthers).mentions("not available"));
}

#[test]
fn cycles_of_writes_are_found_on_any_number_of_keys() {
    for keys in 1..=3 {
        for seed in 1..=12 {
            let build = copies(CopyBug::OneWriteAtATime);
            let workload = TxnRwRegister::new().keys(keys);
            let workload = workload.model(ConsistencyModel::ReadUncommitted);
            let simulation = Simulation::new(seed).clients(12);
            let found = simulation.run_with(build, workload).unwrap_err();
            assert!(found.mentions("G0"), "{keys} keys: {found}");
        }
    }
}
