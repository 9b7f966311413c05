//! Nodes that send no messages to other nodes.

use super::{echo::Echo, lossy, over_seeds, partitions, unique_ids::UniqueIds};
use eddyline::sim::{Group, Nemesis, workload};
use std::time::Duration;

#[test]
fn echo_does_not_depend_on_the_network() {
    for report in over_seeds(|seed| lossy(seed).run::<Echo, _>(workload::Echo::new())) {
        assert_eq!(report.history.availability(), 1.0);
        assert_eq!(report.statistics.among_servers(), 0);
    }
}

#[test]
fn ids_are_unique_and_always_available() {
    let workload = || workload::UniqueIds::new().total_availability();
    over_seeds(|seed| {
        lossy(seed)
            .nemesis(partitions())
            .run::<UniqueIds, _>(workload())
    });
}

#[test]
fn ids_are_unique_whatever_restarts_and_clocks_do() {
    for report in over_seeds(|seed| {
        let nemesis = Nemesis::default().restarts().pauses().clock_jumps();
        lossy(seed)
            .clock_skew(Duration::from_secs(10))
            .nemesis(nemesis.groups(&Group::EACH))
            .run::<UniqueIds, _>(workload::UniqueIds::new())
    }) {
        assert!(report.summary.ids > 100, "{report}");
    }
}

#[test]
fn ids_are_unique_even_if_nodes_restart() {
    over_seeds(|seed| {
        let second = Duration::from_secs;
        let simulation = lossy(seed).restart(1, second(2)..second(3));
        let simulation = simulation.restart(1, second(5)..second(6));
        simulation.run::<UniqueIds, _>(workload::UniqueIds::new())
    });
}
