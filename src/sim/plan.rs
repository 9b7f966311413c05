//! The plan of a simulation: everything that its builder was told.

use crate::session::Settings;
use crate::workload::Load;
use crate::workload::faults::{Conditions, FaultKind, FaultPlan, Nemesis};
use std::time::Duration;

/// The length of the load if no other was chosen.
const LOAD: Duration = Duration::from_secs(10);

/// The same for a run in which nodes are killed. The client of a killed node waits 5 s for its
/// reply. In 10 s few clients ask a node that was killed again, and its mistakes are not seen:
/// in 7 of 20 seeds that was so for ids that repeat after a restart.
const LOAD_WITH_KILLS: Duration = Duration::from_secs(20);

/// Everything that a run depends on, besides the node and the workload.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) nodes: usize,
    pub(super) rpc_timeout: Duration,
    pub(super) conditions: Conditions,
    /// Whether nodes and services take one message at a time.
    pub(super) one_at_a_time: bool,
    /// How far a node's wall clock may be off.
    pub(super) clock_skew: Duration,
    pub(super) faults: FaultPlan,
    pub(super) load: Load,
    /// The length of the load, if it was chosen.
    pub(super) duration: Option<Duration>,
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
            one_at_a_time: false,
            clock_skew: Duration::ZERO,
            faults: FaultPlan {
                partitions: Vec::new(),
                faults: Vec::new(),
                nemesis: Nemesis::default(),
            },
            load: Load {
                clients: None,
                rate: 100.0,
                duration: LOAD,
                recovery: Duration::from_secs(10),
                is_on_real_time: false,
            },
            duration: None,
            trace: false,
        }
    }

    /// The load, with its length.
    pub(super) fn load(&self) -> Load {
        let kills = self.faults.asked().contains(&FaultKind::Crash);
        let usual = if kills { LOAD_WITH_KILLS } else { LOAD };
        Load {
            duration: self.duration.unwrap_or(usual),
            ..self.load.clone()
        }
    }
}
