//! Which timers moved and fired, from the states before and after.
//!
//! The wheel does all of it in one call and has no hooks. So this file compares:
//! a timer in another slot has cascaded, and one that is gone has fired. It fires from
//! level 0, so a timer that was higher has cascaded first.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One cascade, or one timer that has fired.
pub(super) struct Change {
    pub(super) kind: &'static str,
    pub(super) about: Value,
    /// The words for the cause of the wakes.
    pub(super) wakes_as: Option<String>,
    /// The state after it, before the changes that follow.
    pub(super) state: Value,
}

/// Level and slot.
type Place = (u64, u64);

/// The changes between two states, in the order in which the wheel made them.
pub(super) fn changes(before: &Value, after: &Value, now_ms: u64) -> Vec<Change> {
    let (old, new) = (places(&before["wheel"]), places(&after["wheel"]));
    let deadline = |id: &str| deadline(before, id);
    let gone = old.keys().filter(|id| !new.contains_key(*id));
    let mut fired: Vec<(u64, String)> = gone.map(|id| (deadline(id), id.clone())).collect();
    fired.sort();
    let mut moves: BTreeMap<Place, Vec<(String, Place)>> = BTreeMap::new();
    for (id, &from) in &old {
        let to = new.get(id).copied().unwrap_or((0, deadline(id) % 64));
        if to != from {
            moves.entry(from).or_default().push((id.clone(), to));
        }
    }
    let mut woken = ready_tasks(before);
    let mut changes = Vec::new();
    for (from, moved) in moves {
        let timers: Vec<&String> = moved.iter().map(|(id, _)| id).collect();
        let to: BTreeSet<Place> = moved.iter().map(|(_, to)| *to).collect();
        changes.push(Change {
            kind: "cascade",
            about: json!({ "from": from, "to": to, "timers": timers }),
            wakes_as: None,
            state: state_with(after, before, &fired, woken),
        });
    }
    for (done, (deadline_ms, id)) in fired.iter().enumerate() {
        let owner = before["wheel"]["timers"][id]["owner"].clone();
        // A call or a sleep wakes one task, in the order of the timers.
        woken += usize::from(owner != "deadline of TCP");
        let wakes_as = match owner.as_str() {
            Some(owner) if owner.starts_with("call") => format!("the timeout of {owner}"),
            _ => format!("timer {id}"),
        };
        changes.push(Change {
            kind: "fired",
            about: json!({
                "timer": id,
                "owner": owner,
                "deadline_ms": deadline_ms,
                "late_ms": now_ms.saturating_sub(*deadline_ms),
            }),
            wakes_as: Some(wakes_as),
            state: state_with(after, before, &fired[done + 1..], woken),
        });
    }
    changes
}

/// The timers that are armed although their deadline has come.
pub(super) fn due(state: &Value, now_ms: u64) -> Vec<String> {
    let timers = state["wheel"]["timers"].as_object().into_iter().flatten();
    let due = timers.filter(|(_, timer)| timer["deadline_ms"].as_u64() <= Some(now_ms));
    due.map(|(id, _)| id.clone()).collect()
}

fn deadline(state: &Value, id: &str) -> u64 {
    let deadline = state["wheel"]["timers"][id]["deadline_ms"].as_u64();
    deadline.unwrap_or(0)
}

/// The level and slot of each timer.
fn places(wheel: &Value) -> BTreeMap<String, Place> {
    let mut places = BTreeMap::new();
    for (level, slots) in wheel["levels"].as_object().into_iter().flatten() {
        for (slot, timers) in slots.as_object().into_iter().flatten() {
            for timer in timers.as_array().into_iter().flatten() {
                let place = (level.parse().unwrap_or(0), slot.parse().unwrap_or(0));
                places.insert(timer.as_str().unwrap_or_default().to_owned(), place);
            }
        }
    }
    places
}

fn ready_tasks(state: &Value) -> usize {
    state["tasks"]["ready"].as_array().map_or(0, Vec::len)
}

/// The state `after`, but with the timers of `left` still on level 0, and with `woken`
/// ready tasks.
fn state_with(after: &Value, before: &Value, left: &[(u64, String)], woken: usize) -> Value {
    let mut state = after.clone();
    for (deadline_ms, id) in left {
        state["wheel"]["timers"][id] = before["wheel"]["timers"][id].clone();
        let slot = (deadline_ms % 64).to_string();
        match &mut state["wheel"]["levels"]["0"][&slot] {
            Value::Array(list) => list.push(json!(id)),
            none => *none = json!([id]),
        }
    }
    if let Some(ready) = state["tasks"]["ready"].as_array_mut() {
        let held = ready.split_off(woken.min(ready.len()));
        for slot in held.iter().filter_map(Value::as_str) {
            state["tasks"]["slots"][slot]["state"] = json!("waiting");
        }
    }
    state
}
