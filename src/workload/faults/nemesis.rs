//! The nemesis: random faults at random times.

use super::fault::{Fault, FaultKind};
use super::partition::{Partition, minority_third};
use crate::random::Random;
use crate::workload::draws::{duration_below, index_below, shuffle};
use std::time::Duration;

/// The mean time between two changes of [`Nemesis::default`].
const EVERY: Duration = Duration::from_secs(2);

/// Two changes are at most this part of the load apart: a quarter. So at least two faults
/// strike and end while there is load, and clients come back to what was mended.
const LOAD_PARTS: u32 = 4;

/// A jump of a clock is a power of two in milliseconds, up to this one: from 1 ms to 4 minutes.
/// Jepsen's clock nemesis draws its jumps so.
const JUMP_POWER_MAX: u64 = 18;

/// Which random faults come, and how often.
///
/// Faults of a nemesis come one at a time: something breaks, and is mended before the
/// next thing breaks. The chosen kinds take turns, in a random order. However rare changes are,
/// each follows the last within a quarter of the load, so that faults strike and end while there
/// is load. A majority of the nodes always stays up, unless [`groups`](Nemesis::groups) says
/// otherwise.
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
    attacks: Vec<Attack>,
    groups: Vec<Group>,
    /// The forms of partitions that it draws from.
    forms: Vec<Partition>,
}

/// A kind of fault that a nemesis draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    Partition,
    Pause,
    Crash,
    Restart,
    ClockJump,
}

/// The nodes that a nemesis pauses or kills at once.
///
/// The first three leave a majority of the nodes up. The last three may not.
///
/// ```
/// use eddyline::sim::{Group, Nemesis, Simulation};
///
/// let nemesis = Nemesis::default().restarts().groups(&Group::EACH);
/// let simulation = Simulation::new(7).nodes(5).nemesis(nemesis);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// One node.
    One,
    /// Fewer than a third of the nodes, and at least one.
    MinorityThird,
    /// The largest minority: 2 of 5 nodes.
    Minority,
    /// The smallest majority: 3 of 5 nodes.
    Majority,
    /// Each node or not, as a coin falls: none, some or all.
    NoneOrSome,
    /// All nodes.
    All,
}

impl Group {
    /// All groups: those of Maelstrom's nemesis.
    pub const EACH: [Group; 6] = [
        Group::One,
        Group::MinorityThird,
        Group::Minority,
        Group::Majority,
        Group::NoneOrSome,
        Group::All,
    ];

    /// How many of `nodes` it has.
    fn size(self, nodes: usize, random: &mut Random) -> usize {
        match self {
            Group::One => 1,
            Group::MinorityThird => minority_third(nodes),
            Group::Minority => nodes.saturating_sub(1) / 2,
            Group::Majority => nodes / 2 + 1,
            Group::NoneOrSome => (0..nodes).filter(|_| random.chance(0.5)).count(),
            Group::All => nodes,
        }
    }

    /// Whether a majority stays up.
    fn is_a_minority(self) -> bool {
        matches!(self, Group::One | Group::MinorityThird | Group::Minority)
    }
}

/// No kind of fault, and a change every two seconds on average: five in the default load.
impl Default for Nemesis {
    fn default() -> Nemesis {
        Nemesis::every(EVERY)
    }
}

impl Nemesis {
    /// A change every `every`, on average: break, mend, break, mend. With a period of
    /// 2 s the network is cut for 2 s and whole for 2 s, on average. No kind of fault is
    /// chosen yet.
    pub fn every(every: Duration) -> Nemesis {
        Nemesis {
            every: every.max(Duration::from_millis(1)),
            attacks: Vec::new(),
            groups: vec![Group::One],
            forms: vec![
                Partition::Halves,
                Partition::One,
                Partition::MinorityThird,
                Partition::MajoritiesRing,
                Partition::Bridge,
                Partition::OneWay,
            ],
        }
    }

    /// Partitions: halves, one node, a minority third, the majorities ring, a bridge, or one
    /// way.
    pub fn partitions(self) -> Nemesis {
        self.with(Attack::Partition)
    }

    /// Pauses of a node.
    pub fn pauses(self) -> Nemesis {
        self.with(Attack::Pause)
    }

    /// Crashes for good, as long as a majority is left.
    pub fn crashes(self) -> Nemesis {
        self.with(Attack::Crash)
    }

    /// Crashes after which the node starts again, without its memory.
    pub fn restarts(self) -> Nemesis {
        self.with(Attack::Restart)
    }

    /// Jumps of a node's wall clock, by up to four minutes, forward or back. The jump is undone
    /// later.
    pub fn clock_jumps(self) -> Nemesis {
        self.with(Attack::ClockJump)
    }

    /// Pauses, crashes, restarts and jumps strike one of these groups, instead of one node.
    /// Crashes for good always leave a majority.
    pub fn groups(mut self, groups: &[Group]) -> Nemesis {
        self.groups = groups.to_vec();
        self
    }

    /// Partitions have one of these forms, which must not be none.
    pub(crate) fn forms(mut self, forms: &[Partition]) -> Nemesis {
        self.forms = forms.to_vec();
        self
    }

    /// The kinds of faults that were chosen.
    pub(super) fn kinds(&self) -> impl Iterator<Item = FaultKind> {
        self.attacks.iter().map(|attack| match attack {
            Attack::Partition => FaultKind::Partition,
            Attack::Pause => FaultKind::Pause,
            Attack::Crash | Attack::Restart => FaultKind::Crash,
            Attack::ClockJump => FaultKind::ClockJump,
        })
    }

    fn with(mut self, attack: Attack) -> Nemesis {
        self.attacks.push(attack);
        self
    }
}

/// A nemesis in progress.
pub(super) struct Adversary {
    nemesis: Nemesis,
    random: Random,
    /// The longest time between two changes.
    longest: Duration,
    /// The kinds whose turn is still to come, until all have had one.
    next: Vec<Attack>,
    /// Mends the fault that there is now.
    remedy: Vec<Fault>,
}

impl Adversary {
    pub(super) fn new(nemesis: Nemesis, random: Random, load: Duration) -> Adversary {
        Adversary {
            random,
            longest: nemesis.every.saturating_mul(2).min(load / LOAD_PARTS),
            nemesis,
            next: Vec::new(),
            remedy: Vec::new(),
        }
    }

    /// The time until the next change.
    pub(super) fn pause(&mut self) -> Duration {
        duration_below(&mut self.random, self.longest)
    }

    /// The next change; nothing if there is none. `up` tells which nodes are neither paused nor
    /// down.
    pub(super) fn next(&mut self, up: &[bool]) -> Vec<Fault> {
        if !self.remedy.is_empty() {
            return std::mem::take(&mut self.remedy);
        }
        if self.next.is_empty() {
            self.next.clone_from(&self.nemesis.attacks);
            shuffle(&mut self.random, &mut self.next);
        }
        match self.next.pop() {
            None => Vec::new(),
            Some(Attack::Partition) => {
                let partition = self.partition();
                self.remedy = vec![Fault::Heal];
                vec![Fault::Partition(partition)]
            }
            Some(attack) => {
                let nodes = self.nodes(attack, up);
                self.strike(attack, &nodes)
            }
        }
    }

    fn partition(&mut self) -> Partition {
        let forms = &self.nemesis.forms;
        forms[index_below(&mut self.random, forms.len())].clone()
    }

    /// Draws the nodes that are struck.
    fn nodes(&mut self, attack: Attack, up: &[bool]) -> Vec<usize> {
        let groups = &self.nemesis.groups;
        let Some(&group) = groups.get(index_below(&mut self.random, groups.len())) else {
            return Vec::new();
        };
        let mut living: Vec<usize> = (0..up.len()).filter(|&node| up[node]).collect();
        shuffle(&mut self.random, &mut living);
        let majority = up.len() / 2 + 1;
        let most = match attack {
            Attack::ClockJump => living.len(),
            Attack::Crash => living.len().saturating_sub(majority),
            _ if group.is_a_minority() => living.len().saturating_sub(majority),
            _ => living.len(),
        };
        living.truncate(group.size(up.len(), &mut self.random).min(most));
        living.sort_unstable();
        living
    }

    /// Strikes these nodes, and prepares the remedy.
    fn strike(&mut self, attack: Attack, nodes: &[usize]) -> Vec<Fault> {
        let each = |make: fn(usize) -> Fault| nodes.iter().copied().map(make).collect();
        match attack {
            Attack::Pause => {
                self.remedy = each(Fault::Resume);
                each(Fault::Pause)
            }
            Attack::Restart => {
                self.remedy = each(Fault::Restart);
                each(Fault::Crash)
            }
            Attack::ClockJump => {
                self.remedy = each(Fault::ClockMend);
                let random = &mut self.random;
                let jumps = nodes
                    .iter()
                    .map(|&node| Fault::ClockJump(node, jump(random)));
                jumps.collect()
            }
            Attack::Crash | Attack::Partition => each(Fault::Crash),
        }
    }

    /// Stops for good. Returns the changes that mend the last fault.
    pub(super) fn stop(&mut self) -> Vec<Fault> {
        self.nemesis.attacks.clear();
        self.next.clear();
        std::mem::take(&mut self.remedy)
    }
}

/// Draws a jump of a clock, in milliseconds.
fn jump(random: &mut Random) -> i64 {
    let ms = 1_i64 << random.below(JUMP_POWER_MAX + 1);
    if random.chance(0.5) { ms } else { -ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LOAD: Duration = Duration::from_secs(10);

    /// Makes changes, and returns how many nodes were down at once at most.
    fn most_down(nemesis: Nemesis, changes: usize) -> usize {
        let mut adversary = Adversary::new(nemesis, Random::new(2), LOAD);
        let mut up = [true; 5];
        let mut most = 0;
        for _ in 0..changes {
            for fault in adversary.next(&up) {
                match fault {
                    Fault::Crash(node) | Fault::Pause(node) => up[node] = false,
                    Fault::Resume(node) | Fault::Restart(node) => up[node] = true,
                    _ => {}
                }
            }
            most = most.max(up.iter().filter(|&&up| !up).count());
        }
        most
    }

    #[test]
    fn a_majority_is_always_left() {
        let nemesis = Nemesis::every(SECOND).crashes().pauses().partitions();
        assert_eq!(most_down(nemesis, 1000), 2);
        let nemesis = Nemesis::every(SECOND).crashes().groups(&Group::EACH);
        assert_eq!(most_down(nemesis, 1000), 2);
    }

    #[test]
    fn a_group_is_as_large_as_its_name_says() {
        for (group, most) in [
            (Group::One, 1),
            (Group::MinorityThird, 1),
            (Group::Minority, 2),
            (Group::Majority, 3),
            (Group::NoneOrSome, 5),
            (Group::All, 5),
        ] {
            for nemesis in [Nemesis::default().pauses(), Nemesis::default().restarts()] {
                let nemesis = nemesis.groups(&[group]);
                assert_eq!(most_down(nemesis, 200), most, "{group:?}");
            }
        }
    }

    #[test]
    fn none_or_some_is_sometimes_none_and_none_breaks_nothing() {
        let nemesis = Nemesis::default().pauses().groups(&[Group::NoneOrSome]);
        let mut adversary = Adversary::new(nemesis, Random::new(1), LOAD);
        let mut sizes = [0; 4];
        for _ in 0..100 {
            let struck = adversary.next(&[true; 3]).len();
            sizes[struck] += 1;
            if struck > 0 {
                assert_eq!(adversary.next(&[false; 3]).len(), struck, "mended");
            }
        }
        assert!(sizes.iter().all(|&times| times > 0), "{sizes:?}");
    }

    #[test]
    fn the_kinds_take_turns() {
        let nemesis = Nemesis::default().partitions().pauses().clock_jumps();
        let mut adversary = Adversary::new(nemesis, Random::new(3), LOAD);
        for _ in 0..50 {
            let mut struck = Vec::new();
            for _ in 0..3 {
                let fault = adversary.next(&[true; 5]).remove(0);
                struck.extend(fault.breaks());
                adversary.next(&[true; 5]);
            }
            struck.sort_unstable();
            let all = [FaultKind::Partition, FaultKind::Pause, FaultKind::ClockJump];
            assert_eq!(struck, all);
        }
    }

    #[test]
    fn two_changes_are_never_further_apart_than_a_quarter_of_the_load() {
        for (every, longest) in [(1000 * SECOND, LOAD / 4), (SECOND, 2 * SECOND)] {
            let mut adversary = Adversary::new(Nemesis::every(every), Random::new(4), LOAD);
            let pauses = (0..1000).map(|_| adversary.pause());
            let most = pauses.max().unwrap_or_default();
            assert!(most < longest && most > longest * 9 / 10, "{most:?}");
        }
    }
}
