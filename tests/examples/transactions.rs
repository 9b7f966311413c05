//! Transactions over lists and registers.

use super::{lossy, over_seeds, partitions};
use super::{txn_list_append::TxnListAppend, txn_rw_register::TxnRwRegister};
use eddyline::sim::workload;

#[test]
fn list_append_is_strictly_serializable() {
    for report in over_seeds(|seed| {
        let simulation = lossy(seed).rate(20.0).duplication(0.05);
        let simulation = simulation.nemesis(partitions().restarts());
        simulation.run::<TxnListAppend, _>(workload::TxnListAppend::new())
    }) {
        assert!(report.summary.committed > 20, "{:?}", report.summary);
    }
}

#[test]
fn rw_register_is_read_committed_and_always_available() {
    over_seeds(|seed| {
        let simulation = lossy(seed).duplication(0.05).nemesis(partitions());
        let workload = workload::TxnRwRegister::new().total_availability();
        simulation.run::<TxnRwRegister, _>(workload)
    });
}
