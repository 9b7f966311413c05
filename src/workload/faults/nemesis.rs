//! The nemesis: random faults at random times.

use super::fault::Fault;
use super::partition::Partition;
use crate::random::Random;
use crate::workload::draws::{duration_below, index_below};
use std::time::Duration;

/// Which random faults come, and how often.
///
/// Faults of a nemesis come one at a time: something breaks, and is mended before the
/// next thing breaks. A majority of the nodes always stays up.
///
/// ```
/// use eddyline::sim::{Nemesis, Simulation};
/// use std::time::Duration;
///
/// let nemesis = Nemesis::every(Duration::from_secs(2)).partitions().pauses();
/// let simulation = Simulation::new(7).nodes(5).nemesis(nemesis);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nemesis {
    every: Duration,
    kinds: Vec<FaultKind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FaultKind {
    Partition,
    Pause,
    Crash,
    Restart,
}

impl Nemesis {
    /// A change every `every`, on average: break, mend, break, mend. With a period of
    /// 2 s the network is cut for 2 s and whole for 2 s, on average. No kind of fault is
    /// chosen yet.
    pub fn every(every: Duration) -> Nemesis {
        Nemesis {
            every: every.max(Duration::from_millis(1)),
            kinds: Vec::new(),
        }
    }

    /// Partitions: halves, one node, a bridge, or one way.
    pub fn partitions(self) -> Nemesis {
        self.with(FaultKind::Partition)
    }

    /// Pauses of a node.
    pub fn pauses(self) -> Nemesis {
        self.with(FaultKind::Pause)
    }

    /// Crashes for good, as long as a majority is left.
    pub fn crashes(self) -> Nemesis {
        self.with(FaultKind::Crash)
    }

    /// Crashes after which the node starts again, without its memory.
    pub fn restarts(self) -> Nemesis {
        self.with(FaultKind::Restart)
    }

    fn with(mut self, kind: FaultKind) -> Nemesis {
        self.kinds.push(kind);
        self
    }
}

/// A nemesis in progress.
pub(super) struct Adversary {
    nemesis: Nemesis,
    random: Random,
    /// Mends the fault that there is now.
    remedy: Option<Fault>,
}

impl Adversary {
    pub(super) fn new(nemesis: Nemesis, random: Random) -> Adversary {
        Adversary {
            nemesis,
            random,
            remedy: None,
        }
    }

    /// The time until the next change.
    pub(super) fn pause(&mut self) -> Duration {
        duration_below(&mut self.random, self.nemesis.every.saturating_mul(2))
    }

    /// The next change. `up` tells which nodes are neither paused nor down.
    pub(super) fn next(&mut self, up: &[bool]) -> Option<Fault> {
        if let Some(remedy) = self.remedy.take() {
            return Some(remedy);
        }
        if self.nemesis.kinds.is_empty() {
            return None;
        }
        let kind = self.nemesis.kinds[index_below(&mut self.random, self.nemesis.kinds.len())];
        let living: Vec<usize> = (0..up.len()).filter(|&node| up[node]).collect();
        let spare = living.len() > up.len() / 2 + 1;
        if kind == FaultKind::Partition {
            let kinds = [
                Partition::Halves,
                Partition::One,
                Partition::Bridge,
                Partition::OneWay,
            ];
            let partition = kinds[index_below(&mut self.random, kinds.len())].clone();
            self.remedy = Some(Fault::Heal);
            return Some(Fault::Partition(partition));
        }
        if !spare {
            return None;
        }
        let node = living[index_below(&mut self.random, living.len())];
        Some(match kind {
            FaultKind::Pause => {
                self.remedy = Some(Fault::Resume(node));
                Fault::Pause(node)
            }
            FaultKind::Restart => {
                self.remedy = Some(Fault::Restart(node));
                Fault::Crash(node)
            }
            FaultKind::Crash | FaultKind::Partition => Fault::Crash(node),
        })
    }

    /// Stops for good. Returns the change that mends the last fault.
    pub(super) fn stop(&mut self) -> Option<Fault> {
        self.nemesis.kinds.clear();
        self.remedy.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_is_always_left() {
        let nemesis = Nemesis::every(Duration::from_secs(1))
            .crashes()
            .pauses()
            .partitions();
        let mut adversary = Adversary::new(nemesis, Random::new(2));
        let mut up = [true; 5];
        for _ in 0..1000 {
            match adversary.next(&up) {
                Some(Fault::Crash(node) | Fault::Pause(node)) => up[node] = false,
                Some(Fault::Resume(node)) => up[node] = true,
                _ => {}
            }
            assert!(up.iter().filter(|&&up| up).count() >= 3);
        }
    }
}
