//! The linearizable store on Raft.

use super::{lin_kv::LinKv, lossy, over_seeds, partitions};
use eddyline::sim::{Latency, Nemesis, Report, workload};
use std::time::Duration;

fn assert_progress<S: std::fmt::Debug>(reports: &[Report<S>], least: f64) {
    for report in reports {
        let availability = report.history.availability();
        let seed = report.seed;
        assert!(
            availability > least,
            "seed {seed}: {availability}, {:?}",
            report.summary
        );
    }
}

#[test]
fn raft_is_linearizable_under_partitions() {
    let reports = over_seeds(|seed| {
        let simulation = lossy(seed).duplication(0.05).nemesis(partitions());
        simulation.run::<LinKv, _>(workload::LinKv::new())
    });
    assert_progress(&reports, 0.1);
}

#[test]
fn raft_is_linearizable_under_pauses_and_crashes() {
    let nemesis = || {
        Nemesis::every(Duration::from_secs(2))
            .partitions()
            .pauses()
            .crashes()
    };
    let reports = over_seeds(|seed| {
        let simulation = lossy(seed).nemesis(nemesis());
        simulation.run::<LinKv, _>(workload::LinKv::new())
    });
    assert_progress(&reports, 0.05);
}

#[test]
fn raft_works_at_a_latency_of_a_tenth_of_a_second() {
    let reports = over_seeds(|seed| {
        let simulation = lossy(seed).loss(0.0).latency(Latency::exponential_ms(100));
        simulation.run::<LinKv, _>(workload::LinKv::new())
    });
    assert_progress(&reports, 0.5);
}
