//! Transactions: what two workloads share.
//!
//! Both are checked in Elle's way (Kingsbury and Alvaro, 2020): the values that
//! reads return show who depends on whom, a dependency graph is built of all
//! transactions, and what is forbidden is a cycle of certain dependencies. A
//! cycle is a proof; that there is none is evidence only.

mod graph;
mod list_append;
mod model;
mod operations;
mod rw_register;

use crate::sim::history::{History, Outcome};

pub use list_append::TxnListAppend;
pub use model::ConsistencyModel;
pub use rw_register::TxnRwRegister;

/// What a run of [`TxnListAppend`] or [`TxnRwRegister`] has shown.
///
/// ```
/// # use eddyline::sim::{Report, workload::TxnSummary};
/// fn check(report: &Report<TxnSummary>) {
///     assert!(report.summary.committed > report.summary.aborted);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TxnSummary {
    /// Transactions that were done.
    pub committed: usize,
    /// Transactions that were not done, for certain.
    pub aborted: usize,
    /// Transactions of unknown outcome.
    pub unknown: usize,
    /// Dependencies that were found between transactions.
    pub dependencies: usize,
    /// The part of the load's transactions that were done.
    pub availability: f64,
}

impl TxnSummary {
    fn of(history: &History, dependencies: usize) -> TxnSummary {
        let mut summary = TxnSummary {
            committed: 0,
            aborted: 0,
            unknown: 0,
            dependencies,
            availability: history.availability(),
        };
        for operation in history.of_kind("txn") {
            match operation.outcome {
                Outcome::Ok(_) => summary.committed += 1,
                Outcome::Fail(_) => summary.aborted += 1,
                Outcome::Info(_) => summary.unknown += 1,
            }
        }
        summary
    }
}

#[cfg(test)]
mod tests;
