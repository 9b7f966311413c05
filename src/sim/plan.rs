//! The plan of a simulation: everything that its builder was told.

use crate::session::Settings;
use crate::workload::Load;
use crate::workload::faults::{Conditions, FaultPlan, Nemesis};
use std::time::Duration;

/// Everything that a run depends on, besides the node and the workload.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) nodes: usize,
    pub(super) rpc_timeout: Duration,
    pub(super) conditions: Conditions,
    /// How far a node's wall clock may be off.
    pub(super) clock_skew: Duration,
    pub(super) faults: FaultPlan,
    pub(super) load: Load,
    /// Whether the conversation is kept.
    pub(super) trace: bool,
}

impl Plan {
    /// One node on a perfect network, 100 operations a second for 10 s, and 10 s to
    /// recover: Maelstrom's time for it.
    pub(super) fn new(seed: u64) -> Plan {
        Plan {
            seed,
            nodes: 1,
            rpc_timeout: Settings::default().rpc_timeout,
            conditions: Conditions::default(),
            clock_skew: Duration::ZERO,
            faults: FaultPlan {
                partitions: Vec::new(),
                faults: Vec::new(),
                nemesis: Nemesis::default(),
            },
            load: Load {
                clients: None,
                rate: 100.0,
                duration: Duration::from_secs(10),
                recovery: Duration::from_secs(10),
            },
            trace: false,
        }
    }
}
