//! A fault: one thing that is done to a cluster, by hand or by schedule.

use super::partition::Partition;
use std::fmt;

/// One thing that is done to a cluster: it breaks something or mends it.
///
/// Nodes are named by their index: 0 is n0.
///
/// ```
/// use eddyline::workload::faults::{Fault, Partition};
///
/// assert_eq!(Fault::Pause(0).to_string(), "n0 paused");
/// let cut = Fault::Partition(Partition::Isolate(2));
/// assert_eq!(cut.to_string(), "partition: Isolate(2)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Cuts links, until the next [`Heal`](Fault::Heal).
    Partition(Partition),
    /// Mends every link.
    Heal,
    /// Stops a node as SIGSTOP does. Messages that arrive wait for it.
    Pause(usize),
    /// Lets a paused node go on. It finds everything that arrived meanwhile, and
    /// its timers overdue.
    Resume(usize),
    /// Ends a node, with everything that it knew. Messages that arrive are lost.
    Crash(usize),
    /// Starts a crashed node again, with nothing but an `init`.
    Restart(usize),
}

impl Fault {
    /// The node that it is done to, if it is one node.
    pub(crate) fn node(&self) -> Option<usize> {
        match self {
            Fault::Partition(_) | Fault::Heal => None,
            Fault::Pause(node) | Fault::Resume(node) => Some(*node),
            Fault::Crash(node) | Fault::Restart(node) => Some(*node),
        }
    }

    /// Whether it breaks something, and does not mend it.
    pub(super) fn breaks(&self) -> bool {
        matches!(
            self,
            Fault::Partition(_) | Fault::Pause(_) | Fault::Crash(_)
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Partition(partition) => write!(f, "partition: {partition:?}"),
            Fault::Heal => f.write_str("all links healed"),
            Fault::Pause(node) => write!(f, "n{node} paused"),
            Fault::Resume(node) => write!(f, "n{node} resumed"),
            Fault::Crash(node) => write!(f, "n{node} crashed"),
            Fault::Restart(node) => write!(f, "n{node} restarted"),
        }
    }
}
