//! The linearizable store on Raft: right always, and of use whenever it can be.

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

/// How long the load lasts, and how far apart changes are on average. A stretch
/// without one is anything up to twice as long.
const LOAD: Duration = Duration::from_secs(20);
const CHANGE_EVERY: Duration = Duration::from_secs(3);

/// How long it takes after a change until clients of a majority in touch are
/// served, by the example's constants and the network's 30 ms: 0.35 s until a
/// leader whom nobody answers steps down, 0.65 s until somebody misses him, three
/// rounds (votes before the vote, votes, the first entry) of 0.25 s to the slowest
/// node with one message lost, 0.1 s for the news; and if there was no such leader,
/// about as much for an election lost to two candidates.
const SETTLES_IN: Duration = Duration::from_secs(2);

/// A stretch that is long enough for each of its clients to be served even if
/// two or three elections in a row are lost.
const LONG: Duration = Duration::from_secs(4);

/// How many operations a client that is served makes in a second, at least: each
/// takes four messages of 30 ms, two of them those of the slower of two nodes, and
/// comes at 40 a second for all clients: 0.3 s in all. What it does beyond that is
/// left for losses.
const SERVED_PER_SECOND: f64 = 3.0;

/// How long an operation keeps a client that is not served, at least: its node holds
/// it for that long, or is silent, and the client gives up after a second.
const HELD_SECONDS: f64 = 0.9;

/// What the store does without faults: each of five clients may lose its first
/// operation to the first election, of some 170 in ten seconds (at a latency of
/// 100 ms). The rest is for messages that take very long.
const WITHOUT_FAULTS: f64 = 0.95;

/// Whether it was carried out, be it that there was no such key, or that the key
/// had another value.
fn is_carried_out(operation: &Operation) -> bool {
    use ErrorCode::{KeyDoesNotExist, PreconditionFailed};
    match &operation.outcome {
        Outcome::Ok(_) => true,
        Outcome::Fail(error) => matches!(error.code, KeyDoesNotExist | PreconditionFailed),
        Outcome::Info(_) => false,
    }
}

/// How many operations were asked of `node` and carried out within the stretch.
fn carried_out(report: &Report<LinKvSummary>, stretch: &Stretch, node: usize) -> usize {
    let within = |operation: &&Operation| {
        operation.node == node
            && Instant::ZERO + operation.invoked >= stretch.from
            && Instant::ZERO + operation.completed < stretch.to
            && is_carried_out(operation)
    };
    report.history.load().filter(within).count()
}

/// What part of the operations was carried out.
fn availability(report: &Report<LinKvSummary>) -> f64 {
    let done = report
        .history
        .load()
        .filter(|operation| is_carried_out(operation));
    done.count() as f64 / report.history.load().count() as f64
}

/// Whoever was in touch with a majority for long was served; and altogether as
/// much was done as the time allows in which a majority was in touch.
fn assert_progress(report: &Report<LinKvSummary>) {
    let (seed, summary) = (report.seed, &report.summary);
    assert_eq!(summary.undecided, 0, "seed {seed}: {summary:?}");
    let (mut served_s, mut cut_short) = (0.0, 0);
    for stretch in stretches(&report.trace, NODES, Instant::ZERO + LOAD) {
        // Of two majorities Raft serves one at least: a bridge has one leader.
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
        "seed {seed}: {done} done, of {least} at least"
    );
    let other_s = NODES as f64 * LOAD.as_secs_f64() - served_s;
    let lost_most = other_s / HELD_SECONDS + cut_short as f64;
    let floor = least / (least + lost_most);
    let availability = availability(report);
    assert!(
        availability >= floor,
        "seed {seed}: {availability} available, of {floor} at least"
    );
}

/// Says how available it was, for whoever runs the tests with `--nocapture`.
fn tell(faults: &str, reports: &[Report<LinKvSummary>]) {
    let mut all: Vec<f64> = reports.iter().map(availability).collect();
    all.sort_by(f64::total_cmp);
    let (least, median) = (all[0], all[all.len() / 2]);
    eprintln!("lin-kv, {faults}: availability {least:.3} at least, {median:.3} in the median");
}

fn run(simulation: Simulation) -> Result<Report<LinKvSummary>, Box<Failure>> {
    // The recovery is for final reads, of which this workload has none.
    let simulation = simulation.recovery(Duration::from_secs(1)).rate(40.0);
    simulation.trace().run::<LinKv, _>(workload::LinKv::new())
}

#[track_caller]
fn assert_right_and_of_use(faults: &str, nemesis: impl Fn(Nemesis) -> Nemesis) {
    let reports = over_seeds(|seed| {
        let nemesis = nemesis(Nemesis::every(CHANGE_EVERY));
        let simulation = lossy(seed).nodes(NODES).duplication(0.05).nemesis(nemesis);
        let mut report = run(simulation.duration(LOAD))?;
        assert_progress(&report);
        report.trace = Trace::default(); // five hundred would not fit
        Ok(report)
    });
    tell(faults, &reports);
}

#[test]
fn lin_kv_under_partitions() {
    assert_right_and_of_use("partitions", Nemesis::partitions);
}

#[test]
fn lin_kv_under_pauses() {
    assert_right_and_of_use("pauses", Nemesis::pauses);
}

#[test]
fn lin_kv_under_crashes() {
    assert_right_and_of_use("crashes", Nemesis::crashes);
}

#[test]
fn lin_kv_under_partitions_pauses_and_crashes() {
    let all = |nemesis: Nemesis| nemesis.partitions().pauses().crashes();
    assert_right_and_of_use("partitions, pauses and crashes", all);
}

#[test]
fn lin_kv_without_faults() {
    for latency_ms in [30, 100] {
        let reports = over_seeds(|seed| {
            let latency = Latency::exponential_ms(latency_ms);
            run(lossy(seed).duplication(0.05).latency(latency))
        });
        for report in &reports {
            let (seed, availability) = (report.seed, availability(report));
            assert!(
                availability >= WITHOUT_FAULTS,
                "seed {seed}: {availability} at {latency_ms} ms"
            );
            assert_eq!(report.summary.undecided, 0, "seed {seed}");
        }
        tell(&format!("{latency_ms} ms"), &reports);
    }
}

/// Who leads, and in which term: whoever has sent the last `append`.
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

/// Five nodes that have a leader.
fn led() -> (Cluster, usize, u64) {
    let simulation = Simulation::new(1).nodes(NODES);
    let simulation = simulation.latency(Latency::constant_ms(10)).trace();
    let mut cluster = simulation.build::<LinKv>();
    cluster.run_for(SETTLES_IN);
    let (number, term) = leader(&cluster);
    (cluster, number, term)
}

#[test]
fn a_node_that_lost_touch_with_the_leader_deposes_nobody() {
    let (mut cluster, number, term) = led();
    let other = format!("n{}", (number + 1) % NODES);
    // It hears all others, and they could vote for it.
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
fn a_leader_who_hears_nobody_steps_down() {
    let (mut cluster, number, term) = led();
    let links = (0..NODES).filter(|&other| other != number);
    let links = links.map(|other| (format!("n{other}"), format!("n{number}")));
    cluster.apply(&Fault::Partition(Partition::Links(links.collect())));
    cluster.run_for(SETTLES_IN);
    let (successor, later) = leader(&cluster);
    assert!(successor != number && later > term);
    let error = cluster.call(&format!("n{number}"), "read", &json!({ "key": 1 }));
    assert_eq!(error.unwrap_err().code, ErrorCode::TemporarilyUnavailable);
}

/// More than go into one message.
#[test]
fn a_node_that_missed_many_entries_catches_up() {
    let (mut cluster, number, _) = led();
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
