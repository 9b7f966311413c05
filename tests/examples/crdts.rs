//! Sets, counters and broadcast: in the end, every node must know every value.

use super::broadcast::{Broadcast, Shape};
use super::pn_counter::PnCounter;
use super::{g_counter::GCounter, g_set::GSet, lossy, over_seeds, partitions};
use eddyline::sim::workload;

#[test]
fn a_g_set_loses_nothing() {
    for report in over_seeds(|seed| {
        let simulation = lossy(seed).duplication(0.05).nemesis(partitions().pauses());
        simulation.run::<GSet, _>(workload::GSet::new())
    }) {
        assert!(report.summary.added > 100, "{:?}", report.summary);
    }
}

#[test]
fn a_pn_counter_counts_exactly() {
    for report in over_seeds(|seed| {
        let simulation = lossy(seed).duplication(0.05).nemesis(partitions());
        simulation.run::<PnCounter, _>(workload::Counter::pn())
    }) {
        assert_eq!(report.history.availability(), 1.0);
    }
}

#[test]
fn a_g_counter_on_seq_kv_counts_exactly() {
    for report in over_seeds(|seed| {
        let simulation = lossy(seed).duplication(0.05).nemesis(partitions());
        simulation.run::<GCounter, _>(workload::Counter::g())
    }) {
        let availability = report.history.availability();
        assert!(availability > 0.8, "seed {}: {availability}", report.seed);
    }
}

#[test]
fn a_g_counter_loses_nothing_when_its_nodes_restart() {
    over_seeds(|seed| {
        let simulation = lossy(seed)
            .duplication(0.05)
            .nemesis(partitions().restarts());
        simulation.run::<GCounter, _>(workload::Counter::g())
    });
}

#[test]
fn broadcast_by_a_hub_loses_nothing() {
    over_seeds(|seed| {
        let simulation = lossy(seed).duplication(0.05).nemesis(partitions().pauses());
        let build = |cx: &_| Broadcast::shaped(cx, Shape::Hub);
        simulation.run_with(build, workload::Broadcast::new())
    });
}

#[test]
fn direct_broadcast_loses_nothing() {
    over_seeds(|seed| {
        let simulation = lossy(seed).duplication(0.05).nemesis(partitions().pauses());
        let build = |cx: &_| Broadcast::shaped(cx, Shape::Direct);
        simulation.run_with(build, workload::Broadcast::new())
    });
}
