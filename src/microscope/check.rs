//! The invariants of a snapshot.

use crate::reactor::ReactorSnapshot;
use crate::runtime::LoopSnapshot;
use std::collections::BTreeSet;

/// Checks that the parts of a snapshot agree with each other.
///
/// # Panics
/// When two parts do not agree.
pub(crate) fn check(snapshot: &LoopSnapshot) {
    check_lists(&snapshot.reactor);
    let shared = &snapshot.session.shared;
    let wheel = &shared.wheel;
    let occupied: BTreeSet<(String, String)> = (wheel.occupied.iter())
        .map(|(level, slot)| (level.to_string(), slot.to_string()))
        .collect();
    let listed: BTreeSet<(String, String)> = (wheel.levels.iter())
        .flat_map(|(level, slots)| slots.keys().map(|slot| (level.clone(), slot.clone())))
        .collect();
    assert_eq!(
        occupied, listed,
        "a bit is set if and only if its list has timers"
    );
    let timed: BTreeSet<&str> = (wheel.timers.values())
        .filter_map(|timer| timer.owner.strip_prefix("call "))
        .collect();
    let waiting: BTreeSet<&str> = (shared.calls.iter())
        .filter(|(_, call)| call.state == "waiting")
        .map(|(number, _)| number.as_str())
        .collect();
    assert_eq!(waiting, timed, "each waiting call has one armed timer");
    let held: usize = snapshot
        .connections
        .values()
        .map(|connection| connection.held)
        .sum();
    assert_eq!(held, snapshot.held_bytes, "the bytes that connections hold");
    let tasks = &snapshot.session.tasks;
    assert!(!tasks.parked, "the loop is parked only while it waits");
    let mut seen = BTreeSet::new();
    assert!(
        tasks.ready.iter().all(|slot| seen.insert(slot)),
        "a task is in the queue twice"
    );
}

/// Each list has the sources that are marked for it, each once. Stale tokens belong to no
/// source.
fn check_lists(reactor: &ReactorSnapshot) {
    let carried: Vec<String> = reactor
        .carried
        .iter()
        .map(|(slot, _)| slot.clone())
        .collect();
    for (mark, list) in [
        ("queued", &reactor.queue),
        ("carried", &carried),
        ("finished", &reactor.finished),
    ] {
        let listed: Vec<&String> = list.iter().filter(|slot| !slot.contains(' ')).collect();
        let once: BTreeSet<&String> = listed.iter().copied().collect();
        assert_eq!(once.len(), listed.len(), "{mark}: a source is listed twice");
        let marked: BTreeSet<&String> = (reactor.slots.iter())
            .filter(|(_, slot)| slot.marks.contains(&mark))
            .map(|(index, _)| index)
            .collect();
        assert_eq!(once, marked, "{mark}: the list and the marks");
    }
}
