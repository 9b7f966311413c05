//! A fault: one thing that is done to a cluster, by hand or by schedule.
//!
//! Read next: `ledger`, the list of those that struck.

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
    /// Starts a crashed node again, with nothing but an `init`. As in Maelstrom, all messages
    /// that were on their way to it are lost.
    Restart(usize),
    /// Sets a node's [wall clock](crate::Context::unix_time) forward by so many milliseconds,
    /// or back if they are negative. [`now`](crate::Context::now) is not affected.
    ClockJump(usize, i64),
    /// Sets a node's wall clock right: every jump is undone. A skew of its own stays.
    ClockMend(usize),
}

/// A kind of fault that lasts from one time to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// Links are cut.
    Partition,
    /// Nodes stand still.
    Pause,
    /// Nodes are down: until they start again, or for good.
    Crash,
    /// Wall clocks have jumped.
    ClockJump,
    /// The server through which all messages travel is down. No simulation has one.
    Broker,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FaultKind::Partition => "partition",
            FaultKind::Pause => "pause",
            FaultKind::Crash => "crash",
            FaultKind::ClockJump => "clock jump",
            FaultKind::Broker => "end of the NATS server",
        })
    }
}

impl Fault {
    /// The node that it is done to, if it is one node.
    pub(crate) fn node(&self) -> Option<usize> {
        match self {
            Fault::Partition(_) | Fault::Heal => None,
            Fault::Pause(node) | Fault::Resume(node) => Some(*node),
            Fault::Crash(node) | Fault::Restart(node) => Some(*node),
            Fault::ClockJump(node, _) | Fault::ClockMend(node) => Some(*node),
        }
    }

    /// The kind of trouble that it brings; `None` if it mends something.
    pub(super) fn breaks(&self) -> Option<FaultKind> {
        match self {
            Fault::Partition(_) => Some(FaultKind::Partition),
            Fault::Pause(_) => Some(FaultKind::Pause),
            Fault::Crash(_) => Some(FaultKind::Crash),
            Fault::ClockJump(..) => Some(FaultKind::ClockJump),
            Fault::Heal | Fault::Resume(_) | Fault::Restart(_) | Fault::ClockMend(_) => None,
        }
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
            Fault::ClockJump(node, ms) => write!(f, "the clock of n{node} jumped by {ms} ms"),
            Fault::ClockMend(node) => write!(f, "the clock of n{node} was set right"),
        }
    }
}
