//! The logs of the example `kafka`.

use super::{kafka::Kafka, lossy, over_seeds, partitions};
use eddyline::sim::workload;

#[test]
fn kafka_does_not_lose_double_or_reorder_messages() {
    for report in over_seeds(|seed| {
        let simulation = lossy(seed).duplication(0.05).nemesis(partitions().pauses());
        simulation.run::<Kafka, _>(workload::Kafka::new())
    }) {
        assert!(report.summary.polled > 20, "{:?}", report.summary);
    }
}
