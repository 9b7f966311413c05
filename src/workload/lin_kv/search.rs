//! The search for an order in which all operations on one key make sense.
//!
//! Deciding linearizability is NP-complete, but one register is small: Wing and
//! Gong (1993) try all orders; Lowe (2017) walks through the history once and
//! keeps the set of all configurations that are still possible, with an
//! operation taking effect only when its return makes it necessary. That is
//! done here, since a set of configurations is found again by hashing (Lowe's
//! memoisation) and its size can be bounded, where a search in depth runs away.
//!
//! A configuration is the key's value, which of the operations under way have
//! taken effect, and which of those that never returned. The last kind only ever
//! adds up, and it is what makes histories with many timeouts hard, so it is
//! pruned: of two configurations that differ in nothing else, the one that has
//! used fewer of the open operations can do whatever the other can.
//!
//! The crates that offer this (stateright's tester, todc-utils) bring a model
//! checker along or are not kept up; two hundred lines are easier to trust.

use crate::workload::history::Operation;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::time::Duration;

/// What an operation does to a register.
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
    /// No order explains this operation, by index.
    Not(usize),
    /// Too many configurations.
    Undecided,
}

/// How many configurations are kept: a million, some 100 MB at worst.
const CONFIGURATIONS_MAX: usize = 1 << 20;

/// How many operations can be under way at once, and how many can be open: a bit each.
const SLOTS_MAX: usize = 64;
const OPEN_MAX: usize = 128;

/// What a configuration holds besides the open operations it has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct State {
    value: Option<i64>,
    /// Which of the operations under way have taken effect, by slot.
    done: u64,
}

/// All configurations: for each state the least sets of open operations.
///
/// The hasher has no random key: a search must not be given up on one machine
/// and decided on another.
type Configurations = HashMap<State, Vec<u128>, BuildHasherDefault<DefaultHasher>>;

impl Action {
    fn apply(self, value: Option<i64>) -> Option<Option<i64>> {
        match self {
            Action::Read(seen) => (seen == value).then_some(value),
            Action::Write(written) => Some(Some(written)),
            Action::Cas(from, to) => (value == Some(from)).then_some(Some(to)),
        }
    }
}

/// What happens to the search at one instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Calls come before returns of the same instant: the order in which two
    /// operations can overlap most, so that no instant is read more strictly
    /// than it was.
    Call(usize),
    Return(usize),
}

struct Search<'a> {
    attempts: &'a [Attempt<'a>],
    configurations: Configurations,
    /// The operation under way in each slot.
    slots: Vec<Option<usize>>,
    /// The open operations that have been called.
    open: Vec<usize>,
}

/// Finds out whether some order explains all attempts, which come in order of
/// their invocation.
pub(super) fn linearize(attempts: &[Attempt<'_>]) -> Verdict {
    let mut steps: Vec<(Duration, Step)> = Vec::new();
    for (index, attempt) in attempts.iter().enumerate() {
        steps.push((attempt.operation.invoked, Step::Call(index)));
        if !attempt.is_open {
            steps.push((attempt.operation.completed, Step::Return(index)));
        }
    }
    steps.sort_unstable();
    let initial = State {
        value: None,
        done: 0,
    };
    let mut search = Search {
        attempts,
        configurations: Configurations::from_iter([(initial, vec![0])]),
        slots: Vec::new(),
        open: Vec::new(),
    };
    for (_, step) in steps {
        match step {
            Step::Call(index) => {
                if !search.call(index) {
                    return Verdict::Undecided;
                }
            }
            Step::Return(index) => match search.finish(index) {
                None => return Verdict::Undecided,
                Some(false) => return Verdict::Not(index),
                Some(true) => {}
            },
        }
    }
    Verdict::Linearizable
}

impl Search<'_> {
    /// False when there are too many at once.
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

    /// Keeps the configurations in which the operation has taken effect by now,
    /// if need be after others. False when none is left, `None` when there are
    /// too many.
    fn finish(&mut self, index: usize) -> Option<bool> {
        let slot = self.slots.iter().position(|slot| *slot == Some(index))?;
        let bit = 1u64 << slot;
        let mut kept = Configurations::default();
        let mut seen = Configurations::default();
        let mut todo: Vec<(State, u128)> = Vec::new();
        for (state, opens) in self.configurations.drain() {
            todo.extend(opens.into_iter().map(|open| (state, open)));
        }
        let mut count = 0;
        while let Some((state, open)) = todo.pop() {
            if state.done & bit != 0 {
                let done = state.done & !bit;
                insert(&mut kept, State { done, ..state }, open);
                continue;
            }
            if !insert(&mut seen, state, open) {
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

    /// What can be after one more operation has taken effect.
    fn successors(&self, state: State, open: u128, todo: &mut Vec<(State, u128)>) {
        for (slot, index) in self.slots.iter().enumerate() {
            let bit = 1u64 << slot;
            let Some(index) = index.filter(|_| state.done & bit == 0) else {
                continue;
            };
            if let Some(value) = self.attempts[index].action.apply(state.value) {
                let done = state.done | bit;
                todo.push((State { value, done }, open));
            }
        }
        for (number, &index) in self.open.iter().enumerate() {
            let bit = 1u128 << number;
            if open & bit != 0 {
                continue;
            }
            // One that changes nothing need not be used.
            match self.attempts[index].action.apply(state.value) {
                Some(value) if value != state.value => {
                    todo.push((State { value, ..state }, open | bit));
                }
                _ => {}
            }
        }
    }
}

/// Adds a configuration unless one that has used fewer open operations is there;
/// those that have used more go. Returns whether it was added.
fn insert(configurations: &mut Configurations, state: State, open: u128) -> bool {
    let known = configurations.entry(state).or_default();
    if known.iter().any(|known| known & !open == 0) {
        return false;
    }
    known.retain(|known| open & !known != 0);
    known.push(open);
    true
}

#[cfg(test)]
mod tests;
