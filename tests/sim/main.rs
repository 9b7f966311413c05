//! Simulated clusters: the promises of the simulation, and a node for each workload.

mod broadcast;
mod counter;
mod echo;
mod faults;
mod g_set;
mod kafka;
mod lin_kv;
mod processes;
mod rules;
mod setup;
mod tasks;
mod txn;
mod unique_ids;

use eddyline::sim::workload;
use eddyline::sim::{Fault, Latency, Nemesis, Partition, Simulation};
use g_set::GSet;
use serde_json::json;
use std::time::Duration;

fn rough(seed: u64) -> Simulation {
    Simulation::new(seed)
        .nodes(5)
        .latency(Latency::exponential_ms(50))
        .loss(0.05)
        .duplication(0.05)
        .reordering(0.05)
        .nemesis(Nemesis::every(Duration::from_secs(1)).partitions().pauses())
}

#[test]
fn a_g_set_converges_under_all_faults() {
    for seed in 0..4 {
        let report = rough(seed).run::<GSet, _>(workload::GSet::new()).unwrap();
        assert_eq!(report.summary.final_reads, 5);
        assert!(report.statistics.cut > 0 && report.statistics.lost > 0);
    }
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_another() {
    let run = |seed| {
        let report = rough(seed).trace().run::<GSet, _>(workload::GSet::new());
        let report = report.unwrap();
        (report.fingerprint, report.trace.to_json_lines())
    };
    let (one, again, other) = (run(3), run(3), run(4));
    assert!(one == again, "seed 3 gave two traces");
    assert_ne!(one.0, other.0);
}

#[test]
fn an_element_that_only_a_crashed_node_had_is_lost_and_reported() {
    let failure = Simulation::new(5)
        .nodes(3)
        .partition(
            Partition::Isolate(1),
            Duration::ZERO..Duration::from_secs(10),
        )
        .restart(1, Duration::from_secs(5)..Duration::from_secs(6))
        .run::<GSet, _>(workload::GSet::new())
        .unwrap_err();
    assert!(failure.mentions("is lost"), "{failure}");
    let shown = failure.to_string();
    assert!(shown.contains("g-set failed with seed 5"), "{shown}");
    assert!(shown.contains("Simulation::new(5)"), "{shown}");
    assert!(!failure.report.trace.records().is_empty());
    assert!(!failure.is_not_reproducible);
}

#[test]
fn a_cluster_can_be_driven_by_hand() {
    let mut cluster = Simulation::new(1).nodes(3).build::<GSet>();
    cluster.call("n0", "add", &json!({"element": 7})).unwrap();
    let read = |cluster: &mut eddyline::sim::Cluster, node: &str| {
        cluster.call(node, "read", &()).unwrap()["value"].clone()
    };
    assert_eq!(read(&mut cluster, "n1"), json!([]));
    cluster.run_for(Duration::from_secs(1));
    assert_eq!(read(&mut cluster, "n1"), json!([7]));
    cluster.apply(&Fault::Crash(2));
    assert!(!cluster.is_running(2));
    cluster.apply(&Fault::Restart(2));
    assert_eq!(read(&mut cluster, "n2"), json!([]));
}
