//! The linearizable store on Raft: it must always be correct, and available to nodes
//! that can reach a majority.

use super::touch::{Stretch, stretches};
use super::{lin_kv::LinKv, lossy, over_seeds};
use eddyline::ErrorCode;
use eddyline::sim::workload::{self, LinKvSummary};
use eddyline::sim::{Cluster, Event, Failure, Fault, Latency, Nemesis, Operation, Outcome};
use eddyline::sim::{Partition, Report, Simulation, Trace};
use eddyline::time::Instant;
use serde_json::{Value, json};
use std::time::Duration;

const NODES: usize = 5;

/// The duration of the load.
const LOAD: Duration = Duration::from_secs(20);

/// The average time between two changes of faults. A stretch without a change is at most
/// twice as long.
const CHANGE_EVERY: Duration = Duration::from_secs(3);

/// The time from a change until the clients of a connected majority are served. It
/// follows from the example's constants and the latency of 30 ms:
///
/// - 0.35 s until a leader without answers steps down
/// - 0.65 s until a node becomes a candidate
/// - 0.75 s for three rounds (pre-vote, vote, first entry), each to the slowest node and
///   with one lost message
/// - 0.1 s until all nodes know the new leader
///
/// If no leader has to step down, the same time is enough for one more election, after two
/// candidates have split the votes.
const SETTLES_IN: Duration = Duration::from_secs(2);

/// A stretch of this length must serve each of its clients, even if two or three
/// elections in sequence fail.
const LONG: Duration = Duration::from_secs(4);

/// The least rate of operations of a served client. An operation takes four messages of
/// 30 ms, two of them to the slower of two nodes if the client is the leader's, and the
/// clients make 40 a second together. So an operation takes about 0.3 s, and the rest is
/// for lost messages.
const SERVED_PER_SECOND: f64 = 3.0;

/// The least duration of an operation of a client that is not served. Its node waits for
/// this time or is silent, and the client gives up after a second.
const HELD_SECONDS: f64 = 0.9;

/// The latencies without faults, in milliseconds, and the least availability at each. An
/// election may lose one operation of each of five clients, of about 200 in ten seconds:
///
/// - At 30 ms there is one election, the first. The rest is for very late messages.
/// - A round trip of 100 ms each way is two thirds of a leader's allowed silence, and one
///   message in twenty is lost. So there may be a second and a third election, with 15
///   operations in all. One seed in forty has more than one.
const WITHOUT_FAULTS: [(u64, f64); 2] = [(30, 0.95), (100, 0.92)];

/// Whether an operation was carried out. This includes the replies that there is no such
/// key, or that it has another value.
fn is_carried_out(operation: &Operation) -> bool {
    use ErrorCode::{KeyDoesNotExist, PreconditionFailed};
    match &operation.outcome {
        Outcome::Ok(_) => true,
        Outcome::Fail(error) => matches!(error.code, KeyDoesNotExist | PreconditionFailed),
        Outcome::Info(_) => false,
    }
}

/// The number of operations on `node` that were carried out within the stretch.
fn carried_out(report: &Report<LinKvSummary>, stretch: &Stretch, node: usize) -> usize {
    let within = |operation: &&Operation| {
        operation.node == node
            && Instant::ZERO + operation.invoked >= stretch.from
            && Instant::ZERO + operation.completed < stretch.to
            && is_carried_out(operation)
    };
    report.history.load().filter(within).count()
}

/// The share of operations that were carried out.
fn availability(report: &Report<LinKvSummary>) -> f64 {
    let done = report
        .history
        .load()
        .filter(|operation| is_carried_out(operation));
    done.count() as f64 / report.history.load().count() as f64
}

/// Checks progress. Each client of a majority that was connected for long enough must be
/// served. In total, the number of operations must fit the time in which a majority was
/// connected.
fn assert_progress(report: &Report<LinKvSummary>) {
    let (seed, summary) = (report.seed, &report.summary);
    assert_eq!(summary.undecided, 0, "seed {seed}: {summary:?}");
    let (mut served_s, mut cut_short) = (0.0, 0);
    for stretch in stretches(&report.trace, NODES, Instant::ZERO + LOAD) {
        // Raft serves at least one of two majorities, because the bridge between them
        // has one leader.
        let done = |majority: &&Vec<usize>| -> Vec<usize> {
            majority
                .iter()
                .map(|&node| carried_out(report, &stretch, node))
                .collect()
        };
        let best = stretch
            .majorities
            .iter()
            .max_by_key(|majority| done(majority).iter().sum::<usize>());
        cut_short += NODES;
        let Some(best) = best else { continue };
        let length = stretch.to.since(stretch.from);
        served_s += best.len() as f64 * length.saturating_sub(SETTLES_IN).as_secs_f64();
        let done = done(&best);
        let all_served = done.iter().all(|&count| count > 0);
        assert!(
            length < LONG || all_served,
            "seed {seed}: {done:?} done in {stretch:?}"
        );
    }
    let done = report
        .history
        .load()
        .filter(|operation| is_carried_out(operation))
        .count() as f64;
    let least = SERVED_PER_SECOND * served_s;
    assert!(
        done >= least,
        "seed {seed}: {done} done, expected at least {least}"
    );
    let other_s = NODES as f64 * LOAD.as_secs_f64() - served_s;
    let lost_most = other_s / HELD_SECONDS + cut_short as f64;
    let floor = least / (least + lost_most);
    let availability = availability(report);
    assert!(
        availability >= floor,
        "seed {seed}: availability {availability}, expected at least {floor}"
    );
}

/// Prints the availability, which `--nocapture` shows.
fn print_availability(faults: &str, reports: &[Report<LinKvSummary>]) {
    let mut all: Vec<f64> = reports.iter().map(availability).collect();
    all.sort_by(f64::total_cmp);
    let (least, median) = (all[0], all[all.len() / 2]);
    eprintln!("lin-kv, {faults}: availability at least {least:.3}, median {median:.3}");
}

fn run(simulation: Simulation) -> Result<Report<LinKvSummary>, Box<Failure>> {
    // The recovery time is for final reads, and this workload has none.
    let simulation = simulation.recovery(Duration::from_secs(1)).rate(40.0);
    simulation.trace().run::<LinKv, _>(workload::LinKv::new())
}

#[track_caller]
fn assert_correct_and_available(faults: &str, nemesis: impl Fn(Nemesis) -> Nemesis) {
    let reports = over_seeds(|seed| {
        let nemesis = nemesis(Nemesis::every(CHANGE_EVERY));
        let simulation = lossy(seed).nodes(NODES).duplication(0.05).nemesis(nemesis);
        let mut report = run(simulation.duration(LOAD))?;
        assert_progress(&report);
        report.trace = Trace::default(); // 500 traces would need too much memory
        Ok(report)
    });
    print_availability(faults, &reports);
}

#[test]
fn lin_kv_under_partitions() {
    assert_correct_and_available("partitions", Nemesis::partitions);
}

#[test]
fn lin_kv_under_pauses() {
    assert_correct_and_available("pauses", Nemesis::pauses);
}

#[test]
fn lin_kv_under_crashes() {
    assert_correct_and_available("crashes", Nemesis::crashes);
}

#[test]
fn lin_kv_under_partitions_pauses_and_crashes() {
    let all = |nemesis: Nemesis| nemesis.partitions().pauses().crashes();
    assert_correct_and_available("partitions, pauses and crashes", all);
}

#[test]
fn lin_kv_without_faults() {
    for (latency_ms, least) in WITHOUT_FAULTS {
        let reports = over_seeds(|seed| {
            let latency = Latency::exponential_ms(latency_ms);
            run(lossy(seed).duplication(0.05).latency(latency))
        });
        for report in &reports {
            let (seed, availability) = (report.seed, availability(report));
            assert!(
                availability >= least,
                "seed {seed}: {availability} at {latency_ms} ms"
            );
            assert_eq!(report.summary.undecided, 0, "seed {seed}");
        }
        print_availability(&format!("{latency_ms} ms"), &reports);
    }
}

/// The number and the term of the leader: the node that has sent the last `append`.
fn leader(cluster: &Cluster) -> (usize, u64) {
    let trace = cluster.trace();
    let mut lines = trace
        .records()
        .iter()
        .rev()
        .filter_map(|record| match &record.event {
            Event::Sent { src, line, .. } if line.contains(r#""type":"append""#) => {
                Some((src, line))
            }
            _ => None,
        });
    let (name, line) = lines.next().unwrap();
    let message: Value = serde_json::from_str(line).unwrap();
    let number = name.strip_prefix('n').unwrap().parse().unwrap();
    (number, message["body"]["term"].as_u64().unwrap())
}

/// Five nodes with a leader, its number and its term.
fn cluster_with_leader() -> (Cluster, usize, u64) {
    let simulation = Simulation::new(1).nodes(NODES);
    let simulation = simulation.latency(Latency::constant_ms(10)).trace();
    let mut cluster = simulation.build::<LinKv>();
    cluster.run_for(SETTLES_IN);
    let (number, term) = leader(&cluster);
    (cluster, number, term)
}

#[test]
fn a_node_cut_off_from_the_leader_does_not_replace_it() {
    let (mut cluster, number, term) = cluster_with_leader();
    let other = format!("n{}", (number + 1) % NODES);
    // The other three nodes can reach it, and could vote for it.
    let link = (format!("n{number}"), other.clone());
    cluster.apply(&Fault::Partition(Partition::Links(vec![link])));
    cluster.run_for(Duration::from_secs(5));
    assert_eq!(leader(&cluster), (number, term));
    cluster.apply(&Fault::Heal);
    let write = json!({ "key": 1, "value": 2 });
    cluster.call(&other, "write", &write).unwrap();
    assert_eq!(leader(&cluster), (number, term));
}

#[test]
fn a_leader_that_no_node_answers_steps_down() {
    let (mut cluster, number, term) = cluster_with_leader();
    let links = (0..NODES).filter(|&other| other != number);
    let links = links.map(|other| (format!("n{other}"), format!("n{number}")));
    cluster.apply(&Fault::Partition(Partition::Links(links.collect())));
    cluster.run_for(SETTLES_IN);
    let (successor, later) = leader(&cluster);
    assert!(successor != number && later > term);
    let error = cluster.call(&format!("n{number}"), "read", &json!({ "key": 1 }));
    assert_eq!(error.unwrap_err().code, ErrorCode::TemporarilyUnavailable);
}

// There are more entries than fit into one message.
#[test]
fn a_node_that_missed_many_entries_catches_up() {
    let (mut cluster, number, _) = cluster_with_leader();
    let (leader, other) = (format!("n{number}"), (number + 1) % NODES);
    cluster.apply(&Fault::Partition(Partition::Isolate(other)));
    for value in 0..350 {
        let write = json!({ "key": 1, "value": value });
        cluster.call(&leader, "write", &write).unwrap();
    }
    cluster.apply(&Fault::Heal);
    cluster.run_for(SETTLES_IN);
    let read = json!({ "key": 1 });
    let reply = cluster.call(&format!("n{other}"), "read", &read).unwrap();
    assert_eq!(reply["value"], 349);
}

#[test]
fn a_node_alone_is_its_own_majority() {
    let mut cluster = Simulation::new(1).build::<LinKv>();
    let write = json!({ "key": "x", "value": [1] });
    cluster.call("n0", "write", &write).unwrap();
    let change = json!({ "key": "x", "from": [1], "to": null });
    cluster.call("n0", "cas", &change).unwrap();
    let error = cluster.call("n0", "cas", &change).unwrap_err();
    assert_eq!(error.code, ErrorCode::PreconditionFailed);
    let error = cluster.call("n0", "write", &json!({ "key": "x" }));
    assert_eq!(error.unwrap_err().code, ErrorCode::MalformedRequest);
}
