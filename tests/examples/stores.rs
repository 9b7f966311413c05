//! The linearizable store on Raft.

use super::{lin_kv::LinKv, lossy, over_seeds, partitions};
use eddyline::sim::workload::{self, LinKvSummary};
use eddyline::sim::{Latency, Nemesis, Report};
use std::time::Duration;

/// It answered clients, and after all faults too: clients sit beside every
/// node, so what a minority refuses says nothing.
#[track_caller]
fn assert_progress(reports: &[Report<LinKvSummary>], done_least: usize) {
    for report in reports {
        let (seed, summary) = (report.seed, &report.summary);
        assert!(summary.done >= done_least, "seed {seed}: {summary:?}");
        assert_eq!(summary.undecided, 0, "seed {seed}: {summary:?}");
    }
}

#[test]
fn raft_is_linearizable_under_partitions() {
    let reports = over_seeds(|seed| {
        let simulation = lossy(seed).duplication(0.05).nemesis(partitions());
        simulation.run::<LinKv, _>(workload::LinKv::new())
    });
    assert_progress(&reports, 20);
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
    assert_progress(&reports, 20);
}

#[test]
fn raft_works_at_a_latency_of_a_tenth_of_a_second() {
    let reports = over_seeds(|seed| {
        let simulation = lossy(seed).loss(0.0).latency(Latency::exponential_ms(100));
        simulation.run::<LinKv, _>(workload::LinKv::new())
    });
    assert_progress(&reports, 50);
}
