//! The linearizable store on Raft: right always, and of use whenever it can be.

use super::touch::{Stretch, stretches};
use super::{lin_kv::LinKv, lossy, over_seeds};
use eddyline::ErrorCode;
use eddyline::sim::workload::{self, LinKvSummary};
use eddyline::sim::{Failure, Latency, Nemesis, Operation, Outcome, Report, Simulation, Trace};
use eddyline::time::Instant;
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
/// comes at 100 a second for all idle clients: some 0.2 s in all. A third is left
/// for losses.
const SERVED_PER_SECOND: f64 = 3.0;

/// How many a client makes in a second that is not: the node holds each for that
/// long, or does not answer within a second.
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
            && operation.invoked >= stretch.from
            && operation.completed < stretch.to
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
    let simulation = simulation.recovery(Duration::from_secs(1)).trace();
    simulation.run::<LinKv, _>(workload::LinKv::new())
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
