//! Consistency models: which cycles each of them forbids.

/// How strictly transactions are checked.
///
/// ```
/// use eddyline::sim::workload::ConsistencyModel;
///
/// assert!(ConsistencyModel::StrictSerializable > ConsistencyModel::ReadCommitted); // the stricter
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsistencyModel {
    /// No cycle of writes (G0).
    ReadUncommitted,
    /// Also no read of what was aborted (G1a) or overwritten by the same
    /// transaction (G1b), and no cycle of writes and reads (G1c).
    ReadCommitted,
    /// Also no cycle with one transaction that missed another's write
    /// (G-single), and no transaction that contradicts itself.
    SnapshotIsolation,
    /// Also no other cycle (G2).
    Serializable,
    /// Also none when real time counts: what ended before another began came
    /// before it.
    StrictSerializable,
}

impl ConsistencyModel {
    pub(super) fn forbids_dirty_reads(self) -> bool {
        self >= ConsistencyModel::ReadCommitted
    }

    pub(super) fn forbids_internal(self) -> bool {
        self >= ConsistencyModel::SnapshotIsolation
    }

    pub(super) fn has_real_time(self) -> bool {
        self >= ConsistencyModel::StrictSerializable
    }
}
