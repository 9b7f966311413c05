//! A snapshot of the wheel, for the microscope.

use super::Wheel;
use serde::Serialize;
use std::collections::BTreeMap;

/// The wheel at one moment.
#[derive(Debug, Default, Serialize)]
pub(crate) struct WheelSnapshot {
    /// The tick that the wheel's time has reached.
    pub(crate) now_tick: u64,
    /// For each level that has timers: its slots, each with its timers in their order.
    pub(crate) levels: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// The slots whose occupied bit is set, as (level, slot).
    #[serde(skip)]
    pub(crate) occupied: Vec<(usize, usize)>,
    pub(crate) timers: BTreeMap<String, TimerSnapshot>,
}

/// An armed timer.
#[derive(Debug, Serialize)]
pub(crate) struct TimerSnapshot {
    /// The thing that waits for it.
    pub(crate) owner: String,
    /// Its deadline, rounded up to a tick of a millisecond.
    pub(crate) deadline_ms: u64,
}

impl<T> Wheel<T> {
    /// `owner` names the thing that waits for a timer, by the timer's value.
    pub(crate) fn snapshot(&self, owner: impl Fn(&T) -> String) -> WheelSnapshot {
        let mut snapshot = WheelSnapshot {
            now_tick: self.elapsed.0,
            occupied: self.levels.occupied().collect(),
            ..WheelSnapshot::default()
        };
        for (level, slot, list) in self.levels.lists() {
            let mut names = Vec::new();
            for (name, tick, value) in self.nodes.of(list) {
                let timer = TimerSnapshot {
                    owner: owner(value),
                    deadline_ms: tick.0,
                };
                snapshot.timers.insert(name.clone(), timer);
                names.push(name);
            }
            let level = snapshot.levels.entry(level.to_string()).or_default();
            level.insert(slot.to_string(), names);
        }
        snapshot
    }
}
