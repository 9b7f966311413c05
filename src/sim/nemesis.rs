//! The nemesis: faults at times and of kinds drawn from the seed.

use super::fault::Fault;
use super::latency::up_to;
use super::partition::{Partition, below};
use crate::random::Random;
use std::time::Duration;

/// Which faults come by lot, and how often.
///
/// Faults of a nemesis come one at a time: after a while something breaks,
/// after another while it is mended. A majority of the nodes stays up always.
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
    kinds: Vec<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Partition,
    Pause,
    Crash,
    Restart,
}

impl Nemesis {
    /// A change every `every`, on average: break, mend, break, mend. It has no
    /// faults yet.
    ///
    /// ```
    /// # use {eddyline::sim::Nemesis, std::time::Duration};
    /// let nemesis = Nemesis::every(Duration::from_secs(2)).partitions(); // two seconds cut, two healed
    /// ```
    pub fn every(every: Duration) -> Nemesis {
        Nemesis {
            every: every.max(Duration::from_millis(1)),
            kinds: Vec::new(),
        }
    }

    /// Partitions of all random kinds.
    ///
    /// ```
    /// # use {eddyline::sim::Nemesis, std::time::Duration};
    /// let nemesis = Nemesis::every(Duration::from_secs(2)).partitions();
    /// ```
    pub fn partitions(self) -> Nemesis {
        self.with(Kind::Partition)
    }

    /// Nodes that stop and go on.
    ///
    /// ```
    /// # use {eddyline::sim::Nemesis, std::time::Duration};
    /// let nemesis = Nemesis::every(Duration::from_secs(1)).pauses();
    /// ```
    pub fn pauses(self) -> Nemesis {
        self.with(Kind::Pause)
    }

    /// Nodes that crash for good, as long as a majority is left.
    ///
    /// ```
    /// # use {eddyline::sim::Nemesis, std::time::Duration};
    /// let nemesis = Nemesis::every(Duration::from_secs(4)).crashes();
    /// ```
    pub fn crashes(self) -> Nemesis {
        self.with(Kind::Crash)
    }

    /// Nodes that crash and come back without their memory.
    ///
    /// ```
    /// # use {eddyline::sim::Nemesis, std::time::Duration};
    /// let nemesis = Nemesis::every(Duration::from_secs(4)).partitions().restarts();
    /// ```
    pub fn restarts(self) -> Nemesis {
        self.with(Kind::Restart)
    }

    fn with(mut self, kind: Kind) -> Nemesis {
        self.kinds.push(kind);
        self
    }
}

/// A nemesis at work.
pub(super) struct Adversary {
    nemesis: Nemesis,
    random: Random,
    /// What mends the fault that is there now.
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

    /// How long until the next change.
    pub(super) fn pause(&mut self) -> Duration {
        up_to(self.nemesis.every.saturating_mul(2), &mut self.random)
    }

    /// The next change. `up` tells which nodes are neither paused nor down.
    pub(super) fn next(&mut self, up: &[bool]) -> Option<Fault> {
        if let Some(remedy) = self.remedy.take() {
            return Some(remedy);
        }
        if self.nemesis.kinds.is_empty() {
            return None;
        }
        let kind = self.nemesis.kinds[below(&mut self.random, self.nemesis.kinds.len())];
        let living: Vec<usize> = (0..up.len()).filter(|&node| up[node]).collect();
        let spare = living.len() > up.len() / 2 + 1;
        if kind == Kind::Partition {
            let kinds = [
                Partition::Halves,
                Partition::One,
                Partition::Bridge,
                Partition::OneWay,
            ];
            let partition = kinds[below(&mut self.random, kinds.len())].clone();
            self.remedy = Some(Fault::Heal);
            return Some(Fault::Partition(partition));
        }
        if !spare {
            return None;
        }
        let node = living[below(&mut self.random, living.len())];
        Some(match kind {
            Kind::Pause => {
                self.remedy = Some(Fault::Resume(node));
                Fault::Pause(node)
            }
            Kind::Restart => {
                self.remedy = Some(Fault::Restart(node));
                Fault::Crash(node)
            }
            Kind::Crash | Kind::Partition => Fault::Crash(node),
        })
    }

    /// What is still to be mended at the end.
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
