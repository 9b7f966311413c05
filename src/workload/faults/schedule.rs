//! The schedule: when something changes in a run, and what.
//!
//! A testbed asks for [all moments](Schedule::moments) at the start, and hands each one
//! back when its time has come. [`take`](Schedule::take) then says what to do.
//!
//! Invariants: a span mends the links that it has cut and no others; after
//! [`end`](Schedule::end) nothing breaks any more.

use super::fault::{Fault, FaultKind};
use super::nemesis::{Adversary, Nemesis};
use super::partition::{Link, Partition};
use crate::random::Random;
use std::ops::Range;
use std::time::Duration;

/// The faults of a run, as they were asked for. Times are counted from its start.
#[derive(Debug, Clone)]
pub(crate) struct FaultPlan {
    pub(crate) partitions: Vec<(Partition, Range<Duration>)>,
    pub(crate) faults: Vec<(Duration, Fault)>,
    pub(crate) nemesis: Nemesis,
}

impl FaultPlan {
    /// The kinds of faults that were asked for.
    pub(crate) fn asked(&self) -> Vec<FaultKind> {
        let partitions = self.partitions.iter().map(|_| FaultKind::Partition);
        let faults = self.faults.iter().filter_map(|(_, fault)| fault.breaks());
        partitions
            .chain(faults)
            .chain(self.nemesis.kinds())
            .collect()
    }
}

/// A moment at which something may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The partition of that number begins or ends.
    Begin(usize),
    End(usize),
    /// The time of the fault of that number.
    Fault(usize),
    /// The nemesis makes its next change.
    Nemesis,
}

/// A change that the testbed makes.
pub(crate) enum Change {
    /// Do these things, all at once.
    Apply(Vec<Fault>),
    /// Draw the links of this partition, cut them, and [hand them in](Schedule::cut).
    Cut(Partition),
    /// Mend these links, which the partition had cut.
    Mend(Partition, CutLinks),
}

/// The links that a partition has cut, and the partition's number in the
/// [ledger](super::Faults).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CutLinks {
    pub(crate) links: Vec<Link>,
    pub(crate) number: Option<usize>,
}

/// A schedule in progress.
pub(crate) struct Schedule {
    plan: FaultPlan,
    adversary: Adversary,
    /// The links that each of the plan's partitions has cut.
    cut: Vec<CutLinks>,
    is_over: bool,
}

impl Schedule {
    /// The schedule of a run with a load of that length.
    pub(crate) fn new(plan: FaultPlan, random: Random, load: Duration) -> Schedule {
        Schedule {
            adversary: Adversary::new(plan.nemesis.clone(), random, load),
            cut: vec![CutLinks::default(); plan.partitions.len()],
            plan,
            is_over: false,
        }
    }

    /// All moments of the plan, and the nemesis' first.
    pub(crate) fn moments(&mut self) -> Vec<(Duration, Moment)> {
        let mut moments = Vec::new();
        for (number, (_, span)) in self.plan.partitions.iter().enumerate() {
            moments.push((span.start, Moment::Begin(number)));
            moments.push((span.end, Moment::End(number)));
        }
        for (number, (at, _)) in self.plan.faults.iter().enumerate() {
            moments.push((*at, Moment::Fault(number)));
        }
        moments.push((self.adversary.pause(), Moment::Nemesis));
        moments
    }

    /// The change at a moment that has come. `up` tells which nodes are neither paused nor
    /// down.
    pub(crate) fn take(&mut self, moment: Moment, up: &[bool]) -> Option<Change> {
        match moment {
            Moment::Fault(number) => {
                let (_, fault) = &self.plan.faults[number];
                let allowed = !(self.is_over && fault.breaks().is_some());
                allowed.then(|| Change::Apply(vec![fault.clone()]))
            }
            // All links have healed by then, and none is cut again.
            Moment::Begin(_) | Moment::End(_) | Moment::Nemesis if self.is_over => None,
            Moment::Begin(number) => Some(Change::Cut(self.plan.partitions[number].0.clone())),
            Moment::End(number) => {
                let links = std::mem::take(&mut self.cut[number]);
                let partition = &self.plan.partitions[number].0;
                (!links.links.is_empty()).then(|| Change::Mend(partition.clone(), links))
            }
            Moment::Nemesis => {
                let faults = self.adversary.next(up);
                (!faults.is_empty()).then_some(Change::Apply(faults))
            }
        }
    }

    /// Takes in the links that were cut at the moment `begin`.
    pub(crate) fn cut(&mut self, begin: Moment, links: CutLinks) {
        if let Moment::Begin(number) = begin {
            self.cut[number] = links;
        }
    }

    /// How long after this change the nemesis makes its next one; `None` after the end.
    pub(crate) fn nemesis_pause(&mut self) -> Option<Duration> {
        (!self.is_over).then(|| self.adversary.pause())
    }

    /// Ends all faults. Returns what mends the nemesis' last one.
    pub(crate) fn end(&mut self) -> Vec<Fault> {
        self.is_over = true;
        self.adversary.stop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule() -> Schedule {
        let plan = FaultPlan {
            partitions: vec![(Partition::Isolate(1), SECOND..2 * SECOND)],
            faults: vec![(SECOND, Fault::Crash(0)), (SECOND, Fault::Restart(0))],
            nemesis: Nemesis::every(SECOND).pauses(),
        };
        Schedule::new(plan, Random::new(1), 10 * SECOND)
    }

    #[test]
    fn a_span_mends_the_links_that_it_has_cut() {
        let mut schedule = schedule();
        assert_eq!(schedule.moments().len(), 5);
        let begin = Moment::Begin(0);
        assert!(schedule.take(Moment::End(0), &[]).is_none());
        assert!(matches!(schedule.take(begin, &[]), Some(Change::Cut(_))));
        let cut = CutLinks {
            links: vec![(0, 1), (1, 0)],
            number: Some(7),
        };
        schedule.cut(begin, cut.clone());
        match schedule.take(Moment::End(0), &[]) {
            Some(Change::Mend(_, links)) => assert_eq!(links, cut),
            _ => panic!("nothing is mended"),
        }
    }

    #[test]
    fn what_was_asked_for_is_known_by_its_kinds() {
        let asked = schedule().plan.asked();
        assert_eq!(
            asked,
            [FaultKind::Partition, FaultKind::Crash, FaultKind::Pause]
        );
    }

    #[test]
    fn after_the_end_nothing_breaks_and_what_mends_is_still_done() {
        let mut schedule = schedule();
        let up = [true; 3];
        let Some(Change::Apply(faults)) = schedule.take(Moment::Nemesis, &up) else {
            panic!("the nemesis does nothing");
        };
        assert!(matches!(faults[..], [Fault::Pause(_)]));
        assert!(matches!(schedule.end()[..], [Fault::Resume(_)]));
        for moment in [Moment::Begin(0), Moment::Nemesis, Moment::Fault(0)] {
            assert!(schedule.take(moment, &up).is_none());
        }
        assert!(schedule.take(Moment::Fault(1), &up).is_some());
        assert_eq!(schedule.nemesis_pause(), None);
    }
}
