//! The search for an order that explains all operations on one key.
//!
//! Deciding linearizability is NP-complete, but one register is small. Wing and Gong
//! (1993) try all orders. Lowe (2017) walks through the history once and keeps the set of
//! all configurations that are still possible. An operation takes effect only when its
//! return makes that necessary. This is Lowe's way: equal configurations are found by
//! hashing, and the size of the set can be bounded, which a search in depth cannot.
//!
//! A configuration has three parts: the key's value, the pending operations that have
//! taken effect, and the open operations that have. An open operation never returned.
//! Open operations only accumulate, so histories with many timeouts are hard. The set is
//! pruned: of two configurations that differ in nothing else, the one that has used fewer
//! open operations can do everything that the other can.
//!
//! The crates that offer this (stateright's tester, todc-utils) bring a model checker
//! along or are not maintained. Two hundred lines are easier to trust.

use crate::workload::history::Operation;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::time::Duration;

/// The action of an operation on a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It saw this value; `None` is an absent key.
    Read(Option<i64>),
    Write(i64),
    /// It replaced the first by the second.
    Cas(i64, i64),
}

pub(super) struct Attempt<'a> {
    pub(super) action: Action,
    pub(super) operation: &'a Operation,
    /// It never returned: it may have taken effect at any time since, or never.
    pub(super) is_open: bool,
}

pub(super) enum Verdict {
    Linearizable,
    /// No order explains the operation of this index.
    Not(usize),
    /// Too many configurations.
    Undecided,
}

/// How many configurations are kept: a million, some 100 MB at worst.
const CONFIGURATIONS_MAX: usize = 1 << 20;

/// How many comparisons of configurations a search may make: a quarter of a billion, about a
/// second. The number of configurations alone does not bound the time: each new one is compared
/// with those of the same state, and each return goes through all of them.
pub(super) const WORK_MAX: u64 = 1 << 28;

/// How many operations can be pending at once, and how many can be open: a bit each.
const SLOTS_MAX: usize = 64;
const OPEN_MAX: usize = 128;

/// A configuration without the open operations that it has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct RegisterState {
    value: Option<i64>,
    /// The pending operations that have taken effect, by slot.
    done: u64,
}

/// All configurations: for each state, the smallest sets of open operations.
///
/// The hasher has no random key: two machines must not differ in when they give up a
/// search.
type Configurations = HashMap<RegisterState, Vec<u128>, BuildHasherDefault<DefaultHasher>>;

impl Action {
    fn apply(self, value: Option<i64>) -> Option<Option<i64>> {
        match self {
            Action::Read(seen) => (seen == value).then_some(value),
            Action::Write(written) => Some(Some(written)),
            Action::Cas(from, to) => (value == Some(from)).then_some(Some(to)),
        }
    }
}

/// One step of the search.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Calls come before returns of the same instant. Then operations overlap as much as
    /// they can, and equal times never prove an order.
    Call(usize),
    Return(usize),
}

struct Search<'a> {
    attempts: &'a [Attempt<'a>],
    configurations: Configurations,
    /// The pending operation in each slot.
    slots: Vec<Option<usize>>,
    /// The open operations that have been called.
    open: Vec<usize>,
    /// How many comparisons are left.
    work: u64,
}

/// Finds out whether some order explains all attempts, with at most `work` comparisons. Returns
/// how many it took, too. The attempts are sorted by their invocation.
pub(super) fn linearize(attempts: &[Attempt<'_>], work: u64) -> (Verdict, u64) {
    let mut steps: Vec<(Duration, Step)> = Vec::new();
    for (index, attempt) in attempts.iter().enumerate() {
        steps.push((attempt.operation.invoked, Step::Call(index)));
        if !attempt.is_open {
            steps.push((attempt.operation.completed, Step::Return(index)));
        }
    }
    steps.sort_unstable();
    let initial = RegisterState {
        value: None,
        done: 0,
    };
    let mut search = Search {
        attempts,
        configurations: Configurations::from_iter([(initial, vec![0])]),
        slots: Vec::new(),
        open: Vec::new(),
        work,
    };
    let verdict = search.run(steps.into_iter().map(|(_, step)| step));
    (verdict, work - search.work)
}

impl Search<'_> {
    fn run(&mut self, steps: impl Iterator<Item = Step>) -> Verdict {
        for step in steps {
            match step {
                Step::Call(index) => {
                    if !self.call(index) {
                        return Verdict::Undecided;
                    }
                }
                Step::Return(index) => match self.finish(index) {
                    None => return Verdict::Undecided,
                    Some(false) => return Verdict::Not(index),
                    Some(true) => {}
                },
            }
        }
        Verdict::Linearizable
    }

    /// Returns false when there are too many at once.
    fn call(&mut self, index: usize) -> bool {
        if self.attempts[index].is_open {
            self.open.push(index);
            return self.open.len() <= OPEN_MAX;
        }
        match self.slots.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(index),
            None => self.slots.push(Some(index)),
        }
        self.slots.len() <= SLOTS_MAX
    }

    /// Keeps the configurations in which the operation can have taken effect by now,
    /// perhaps after others. Returns false when none is left, and `None` when there are too
    /// many.
    fn finish(&mut self, index: usize) -> Option<bool> {
        let slot = self.slots.iter().position(|slot| *slot == Some(index))?;
        let bit = 1u64 << slot;
        let mut kept = Configurations::default();
        let mut seen = Configurations::default();
        let mut todo: Vec<(RegisterState, u128)> = Vec::new();
        for (state, opens) in self.configurations.drain() {
            todo.extend(opens.into_iter().map(|open| (state, open)));
        }
        let mut count = 0;
        while let Some((state, open)) = todo.pop() {
            if state.done & bit != 0 {
                let done = state.done & !bit;
                let state = RegisterState { done, ..state };
                insert(&mut kept, state, open, &mut self.work)?;
                continue;
            }
            if !insert(&mut seen, state, open, &mut self.work)? {
                continue;
            }
            count += 1;
            if count > CONFIGURATIONS_MAX {
                return None;
            }
            self.successors(state, open, &mut todo);
        }
        self.slots[slot] = None;
        self.configurations = kept;
        Some(!self.configurations.is_empty())
    }

    /// Adds the configurations after one more operation has taken effect.
    fn successors(&self, state: RegisterState, open: u128, todo: &mut Vec<(RegisterState, u128)>) {
        for (slot, index) in self.slots.iter().enumerate() {
            let bit = 1u64 << slot;
            let Some(index) = index.filter(|_| state.done & bit == 0) else {
                continue;
            };
            if let Some(value) = self.attempts[index].action.apply(state.value) {
                let done = state.done | bit;
                todo.push((RegisterState { value, done }, open));
            }
        }
        for (number, &index) in self.open.iter().enumerate() {
            let bit = 1u128 << number;
            if open & bit != 0 {
                continue;
            }
            // An open operation that changes nothing need not be used.
            match self.attempts[index].action.apply(state.value) {
                Some(value) if value != state.value => {
                    todo.push((RegisterState { value, ..state }, open | bit));
                }
                _ => {}
            }
        }
    }
}

/// Adds a configuration, unless there is one that has used fewer open operations.
/// Removes those that have used more. Returns whether it was added, and `None` when it takes
/// more work than is left.
fn insert(
    configurations: &mut Configurations,
    state: RegisterState,
    open: u128,
    work: &mut u64,
) -> Option<bool> {
    let known = configurations.entry(state).or_default();
    *work = work.checked_sub(known.len() as u64 + 1)?;
    if known.iter().any(|known| known & !open == 0) {
        return Some(false);
    }
    known.retain(|known| open & !known != 0);
    known.push(open);
    Some(true)
}

#[cfg(test)]
mod tests;
