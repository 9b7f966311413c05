//! Faults: what can be done to a cluster, by hand or by schedule.

use super::partition::Partition;
use std::fmt;

/// Something that is done to a cluster.
///
/// Nodes are named by their index: 0 is n0.
///
/// ```
/// use eddyline::sim::{Fault, Partition};
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
    /// Stops a node as SIGSTOP does: what arrives waits for it.
    Pause(usize),
    /// Lets a paused node go on. It finds everything that came meanwhile, and
    /// its timers overdue.
    Resume(usize),
    /// Ends a node, with all that it knew. What arrives is lost.
    Crash(usize),
    /// Starts a crashed node anew, with nothing but an `init`.
    Restart(usize),
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
