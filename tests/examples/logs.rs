//! Kafka.

use super::{kafka::Kafka, lossy, over_seeds, partitions};
use eddyline::sim::workload;

#[test]
fn kafka_loses_doubles_and_reorders_nothing() {
    for report in over_seeds(|seed| {
        let simulation = lossy(seed).duplication(0.05).nemesis(partitions().pauses());
        simulation.run::<Kafka, _>(workload::Kafka::new())
    }) {
        assert!(report.summary.polled > 20, "{:?}", report.summary);
    }
}
