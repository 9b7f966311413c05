//! The search, compared with a brute-force one and on histories with a known answer.

use super::*;
use crate::protocol::Error;
use crate::random::Random;
use crate::workload::history::{Outcome, Phase, Request};
use Action::{Cas, Read, Write};

/// An action, and the milliseconds of its begin and end. Without an end it is open.
type Entry = (Action, u64, Option<u64>);

fn operation(begin: u64, end: Option<u64>) -> Operation {
    Operation {
        client: "c0".into(),
        node: 0,
        phase: Phase::Load,
        request: Request::new("x", &()),
        invoked: Duration::from_millis(begin),
        completed: end.map_or(Duration::MAX, Duration::from_millis),
        outcome: Outcome::Info(Error::timeout("")),
    }
}

fn is_linearizable(history: &[Entry]) -> bool {
    search(history, WORK_MAX).expect("decided")
}

fn search(history: &[Entry], work: u64) -> Option<bool> {
    let operations: Vec<Operation> = history
        .iter()
        .map(|&(_, begin, end)| operation(begin, end))
        .collect();
    let attempts: Vec<Attempt<'_>> = history
        .iter()
        .zip(&operations)
        .map(|(&(action, _, end), operation)| Attempt {
            action,
            operation,
            is_open: end.is_none(),
        })
        .collect();
    match linearize(&attempts, work).0 {
        Verdict::Linearizable => Some(true),
        Verdict::Not(_) => Some(false),
        Verdict::Undecided => None,
    }
}

#[test]
fn a_search_ends_at_its_bound() {
    let mut history: Vec<Entry> = (0..16).map(|value| (Write(value), 0, None)).collect();
    history.push((Read(Some(16)), 1, Some(2)));
    assert_eq!(search(&history, 10_000), None);
    history.drain(8..16);
    assert_eq!(search(&history, 10_000), Some(false));
}

#[test]
fn a_read_may_see_what_is_being_written_and_nothing_older_later() {
    let write = (Write(1), 0, Some(10));
    let new = |begin| (Read(Some(1)), begin, Some(begin + 1));
    let old = |begin| (Read(None), begin, Some(begin + 1));
    assert!(is_linearizable(&[write, old(1), new(3)]));
    assert!(!is_linearizable(&[write, new(1), old(3)]));
    assert!(!is_linearizable(&[write, old(11)]));
}

#[test]
fn a_write_of_unknown_outcome_may_happen_late_or_never_but_once() {
    let open = (Write(1), 0, None);
    let old = (Read(None), 5, Some(6));
    assert!(is_linearizable(&[open, old, (Read(Some(1)), 7, Some(8))]));
    assert!(is_linearizable(&[open, old]));
    let twice = [
        open,
        (Read(Some(1)), 5, Some(6)),
        (Write(2), 7, Some(8)),
        (Read(Some(1)), 9, Some(10)),
    ];
    assert!(!is_linearizable(&twice));
}

#[test]
fn only_one_of_two_equal_swaps_can_succeed() {
    let write = (Write(1), 0, Some(1));
    let swap = |from, to| (Cas(from, to), 2, Some(9));
    assert!(!is_linearizable(&[write, swap(1, 2), swap(1, 3)]));
    assert!(is_linearizable(&[write, swap(1, 2), swap(2, 3)]));
}

/// Tries every order of every subset that contains all operations that returned.
fn brute(history: &[Entry], value: Option<i64>, left: u32) -> bool {
    let remains = |index: usize| left & (1 << index) != 0;
    let mut all = 0..history.len();
    if all.all(|index| !remains(index) || history[index].2.is_none()) {
        return true;
    }
    (0..history.len())
        .filter(|&index| remains(index))
        .any(|index| {
            let (action, begin, _) = history[index];
            // It can be the next one, unless another one ended before it began.
            let first = (0..history.len())
                .all(|other| !remains(other) || history[other].2.is_none_or(|end| end >= begin));
            let next = if first { action.apply(value) } else { None };
            next.is_some_and(|value| brute(history, value, left & !(1 << index)))
        })
}

fn random_history(random: &mut Random) -> Vec<Entry> {
    let count = 2 + random.below(5);
    let mut entry = || {
        let (one, other) = (random.below(3).cast_signed(), random.below(3).cast_signed());
        let action = match random.below(4) {
            0 => Read(None),
            1 => Read(Some(one)),
            2 => Write(one),
            _ => Cas(one, other),
        };
        let begin = random.below(12);
        let end = begin + 1 + random.below(6);
        let returns = matches!(action, Read(_)) || random.chance(0.7);
        (action, begin, returns.then_some(end))
    };
    let mut history: Vec<Entry> = (0..count).map(|_| entry()).collect();
    history.sort_by_key(|&(_, begin, _)| begin);
    history
}

#[test]
fn it_agrees_with_trying_every_order() {
    let mut random = Random::new(11);
    let (mut yes, mut no) = (0, 0);
    for _ in 0..20_000 {
        let history = random_history(&mut random);
        let expected = brute(&history, None, (1 << history.len()) - 1);
        assert_eq!(is_linearizable(&history), expected, "{history:?}");
        if expected {
            yes += 1;
        } else {
            no += 1;
        }
    }
    assert!(yes > 1_000 && no > 1_000, "{yes} {no}");
}
