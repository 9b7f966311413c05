//! A run of a plan: the cluster, the load, the check and the verdict.

use super::check::unavailable;
use super::evidence::{Evidence, Shown};
use super::plan::Plan;
use super::processes::Processes;
use super::progress::Progress;
use super::record::{Problem, Record, Verdict};
use crate::time::{Clock, MonotonicClock};
use crate::workload::{
    Anomalies, Broadcast, Counter, Driver, Echo, GSet, History, Kafka, LinKv, Load, TxnListAppend,
    TxnRwRegister, UniqueIds, Workload,
};
use serde::Serialize;
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

/// A test that is over. `{}` prints the result in words, and the closing line of its verdict.
///
/// ```no_run
/// use eddyline::harness::{Plan, Stderr, run};
///
/// let mut plan = Plan::new("target/release/node".into());
/// plan.workload = "echo";
/// let tested = run(&plan, Box::new(Stderr::open()), false)?;
/// print!("{tested}");
/// std::process::exit(tested.record.verdict.exit_status().into());
/// # #[allow(unreachable_code)]
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Tested {
    /// Everything that happened.
    pub record: Record,
    /// Why the verdict is unknown, a sentence each.
    pub doubts: Vec<String>,
    /// The folder of its files, if they were saved.
    pub folder: Option<PathBuf>,
    /// Why its files could not be written, if they could not.
    pub(super) not_written: Option<String>,
    /// Made once, for the files and for programs.
    evidence: OnceCell<Vec<Shown>>,
}

impl Tested {
    pub(super) fn evidence(&self) -> &[Shown] {
        self.evidence.get_or_init(|| Evidence::all(&self.record))
    }
}

/// Runs a test: starts the nodes, puts them under load and faults, kills them, and checks the
/// history.
///
/// `progress` gets lines about the run while it lasts. If `is_redrawn`, it is a terminal, and
/// one of the lines is redrawn. A write that waits holds the run up: those of
/// [`Stderr`](super::Stderr) do not.
///
/// # Errors
/// - [`InvalidInput`](io::ErrorKind::InvalidInput) when the program of the NATS server is none: it
///   ends, or does not listen.
/// - Another kind when the kernel refuses what the tester itself needs.
///
/// What nodes do is no error: it is in the record.
pub fn run(plan: &Plan, progress: Box<dyn Write>, is_redrawn: bool) -> io::Result<Tested> {
    let progress = Progress::new(progress, is_redrawn);
    let keys = |own: usize| plan.key_count.unwrap_or(own);
    let writes = plan.writes_per_key.unwrap_or(16);
    let length = plan.txn_length_max.unwrap_or(4);
    match plan.workload {
        "echo" => drive(plan, progress, Echo::plain()),
        "unique-ids" => drive(plan, progress, UniqueIds::new()),
        "broadcast" => drive(plan, progress, Broadcast::new().topology(plan.topology)),
        "g-set" => drive(plan, progress, GSet::new()),
        "g-counter" => drive(plan, progress, Counter::g()),
        "pn-counter" => drive(plan, progress, Counter::pn()),
        "kafka" => {
            let kafka = Kafka::new().keys(keys(10)).writes_per_key(writes);
            drive(plan, progress, kafka)
        }
        "txn-list-append" => {
            let txn = TxnListAppend::new().model(plan.model).keys(keys(10));
            let txn = txn.txn_length_max(length).writes_per_key(writes);
            drive(plan, progress, txn)
        }
        "txn-rw-register" => {
            let txn = TxnRwRegister::new().model(plan.model).keys(keys(10));
            let txn = txn.txn_length_max(length).writes_per_key(writes);
            drive(plan, progress, txn)
        }
        "lin-kv" => {
            let lin_kv = match plan.key_count {
                Some(count) => LinKv::new().keys(count),
                None => LinKv::new().groups(),
            };
            drive(plan, progress, lin_kv)
        }
        other => Err(io::Error::other(format!("there is no workload {other:?}"))),
    }
}

fn drive<W: Workload>(plan: &Plan, progress: Progress, workload: W) -> io::Result<Tested>
where
    W::Summary: Serialize,
{
    let clock = MonotonicClock::start();
    let started = clock.unix_time();
    let name = workload.name();
    let load = Load {
        clients: Some(plan.clients()),
        rate: plan.rate,
        duration: plan.time_limit,
        recovery: plan.recovery,
        is_on_real_time: true,
    };
    let mut processes = Processes::new(plan, progress)?;
    let latency = plan.latency.mean();
    let driver = Driver::new(&mut processes, workload, &load, plan.seed, latency);
    let finished = driver.run();
    let (notes, faults, statistics) = processes.finish()?;
    let (summary, mut anomalies) = match finished.checked {
        Ok(summary) => (serde_json::to_value(summary)?, Anomalies::default()),
        Err(anomalies) => (Value::Null, anomalies.renamed(&plan.nodes)),
    };
    if let Some(wanted) = plan.availability {
        let missed = unavailable(wanted, &finished.history).renamed(&plan.nodes);
        anomalies = anomalies.and(missed);
    }
    let mut doubts = doubts(&finished.history, &summary);
    doubts.splice(0..0, notes.doubts);
    if finished.is_broken {
        doubts.push("the run was broken off, so its history was not checked".to_owned());
    }
    let problems = with_count(notes.problems, notes.problems_dropped);
    let is_innocent = |problem: &Problem| !plan.nodes.iter().any(|node| **node == *problem.node);
    let verdict = if anomalies.total() > 0 || !problems.iter().all(is_innocent) {
        Verdict::Invalid
    } else if doubts.is_empty() {
        Verdict::Valid
    } else {
        Verdict::Unknown
    };
    let never_struck = faults.never_struck();
    let has_load = finished.history.load().next().is_some();
    let record = Record {
        workload: name,
        command_line: plan.command_line.clone(),
        seed: plan.seed,
        started,
        elapsed: clock.now().since(crate::time::Instant::ZERO),
        nodes: plan.nodes.clone(),
        history: finished.history,
        faults: faults.spans().to_vec(),
        never_struck: never_struck.iter().map(ToString::to_string).collect(),
        messages: notes.messages,
        messages_dropped: notes.messages_dropped,
        logs: notes.logs,
        problems,
        statistics,
        is_on_nats: plan.nats_server.is_some(),
        server_messages: finished.server_messages,
        verdict,
        anomalies,
        doubts: doubts.clone(),
        model: plan.model,
        availability: plan.availability,
        summary: seen(summary, plan.nats_server.is_some(), has_load),
    };
    Ok(Tested {
        record,
        doubts,
        folder: None,
        not_written: None,
        evidence: OnceCell::new(),
    })
}

/// A summary with null in place of what was not seen.
///
/// | run | not seen |
/// |---|---|
/// | on NATS | messages an operation, as those between nodes are not seen |
/// | whose load had no operation | messages an operation, availability, latencies |
fn seen(mut summary: Value, is_on_nats: bool, has_load: bool) -> Value {
    for (name, value) in summary.as_object_mut().into_iter().flatten() {
        let is_seen = match name.as_str() {
            "messages_per_operation" => has_load && !is_on_nats,
            "availability" => has_load,
            name => has_load || !name.contains("latency"),
        };
        if !is_seen {
            *value = Value::Null;
        }
    }
    summary
}

/// The problems, and a last one that counts those which were not kept.
fn with_count(mut problems: Vec<Problem>, dropped: u64) -> Vec<Problem> {
    if let Some(last) = problems.last().cloned()
        && dropped > 0
    {
        let why = format!("{dropped} further problems, of this node or others, were not kept");
        let (line, line_number) = (String::new(), None);
        problems.push(Problem {
            why,
            line,
            line_number,
            ..last
        });
    }
    problems
}

/// Why a run without an anomaly proves nothing.
fn doubts(history: &History, summary: &Value) -> Vec<String> {
    let mut doubts = Vec::new();
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for operation in history.load() {
        let (tried, done) = kinds.entry(operation.kind()).or_default();
        *tried += 1;
        *done += usize::from(operation.is_ok());
    }
    if kinds.is_empty() {
        doubts.push("no operation was made: the load was too short".to_owned());
    }
    for (kind, (tried, done)) in kinds {
        if done == 0 {
            doubts.push(format!(
                "none of {tried} operations {kind:?} was done, so the run shows nothing about them"
            ));
        }
    }
    let undecided = summary["undecided"].as_u64().unwrap_or(0);
    if undecided > 0 {
        doubts.push(format!(
            "{undecided} keys were not decided: the search for an order was given up, because \
             too many operations have an unknown outcome"
        ));
    }
    for (field, what) in [("values", "value"), ("added", "element")] {
        if summary[field] == 0 {
            doubts.push(format!("no {what} was ever read, so none could be lost"));
        }
    }
    doubts
}
