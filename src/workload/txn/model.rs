//! Consistency models, and the measurements of a run.

use crate::workload::history::{History, Outcome};

/// The strictness of the check of transactions.
///
/// ```
/// use eddyline::workload::ConsistencyModel;
///
/// assert!(ConsistencyModel::StrictSerializable > ConsistencyModel::ReadCommitted); // the stricter
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsistencyModel {
    /// No cycle of writes (G0).
    ReadUncommitted,
    /// Also no read of an aborted write (G1a) or of one that its own transaction overwrote
    /// (G1b), and no cycle of writes and reads (G1c).
    ReadCommitted,
    /// Also no cycle with one read that missed a write (G-single), or with several that do
    /// not follow each other (G-nonadjacent), no lost update, and no transaction that
    /// contradicts itself.
    SnapshotIsolation,
    /// Also no other cycle (G2).
    Serializable,
    /// Also no cycle with the order of real time: a transaction that ended before another
    /// began came before it.
    StrictSerializable,
}

impl ConsistencyModel {
    pub(super) fn forbids_dirty_reads(self) -> bool {
        self >= ConsistencyModel::ReadCommitted
    }

    pub(super) fn forbids_lost_updates(self) -> bool {
        self >= ConsistencyModel::SnapshotIsolation
    }

    pub(super) fn forbids_internal(self) -> bool {
        self >= ConsistencyModel::SnapshotIsolation
    }

    pub(super) fn has_real_time(self) -> bool {
        self >= ConsistencyModel::StrictSerializable
    }
}

/// The measurements of a run of [`TxnListAppend`](super::TxnListAppend) or
/// [`TxnRwRegister`](super::TxnRwRegister).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct TxnSummary {
    /// Transactions that were done.
    pub committed: usize,
    /// Transactions that were certainly not done.
    pub aborted: usize,
    /// Transactions of unknown outcome.
    pub unknown: usize,
    /// Dependencies that were found between transactions.
    pub dependencies: usize,
    /// The part of the load's transactions that were done.
    pub availability: f64,
}

impl TxnSummary {
    pub(super) fn of(history: &History, dependencies: usize) -> TxnSummary {
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
