//! Deadlines in a heap, and the rounding between a clock and whole milliseconds.

#![forbid(unsafe_code)]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

/// The first tick, a whole millisecond, at or after a moment. A timer is never early.
pub fn tick_at_or_after(moment: Duration) -> u64 {
    todo!("up")
}

/// The last tick that has come by now.
pub fn tick_reached(now: Duration) -> u64 {
    todo!("down")
}

/// How long a wait may take: whole milliseconds, until the deadline or a little longer.
/// `None` is for ever.
pub fn timeout(deadline: Option<u64>, now: Duration) -> Option<Duration> {
    todo!("whole milliseconds, and never early")
}

/// The name of a timer, and of no later one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TimerId(u64);

pub struct Deadlines<T> {
    /// The earliest on top: `Reverse` turns the order of the heap round. The number that
    /// follows the tick brings timers of one tick into the order of their insertion.
    heap: BinaryHeap<Reverse<(u64, TimerId)>>,
    /// The timers that are armed. The heap may have names that are not in here.
    values: HashMap<TimerId, T>,
    timers: u64,
}

impl<T> Default for Deadlines<T> {
    fn default() -> Deadlines<T> {
        Deadlines {
            heap: BinaryHeap::new(),
            values: HashMap::new(),
            timers: 0,
        }
    }
}

impl<T> Deadlines<T> {
    /// Arms a timer. One whose tick has passed is due at once.
    pub fn insert(&mut self, tick: u64, value: T) -> TimerId {
        let id = TimerId(self.timers);
        self.timers += 1;
        self.heap.push(Reverse((tick, id)));
        self.values.insert(id, value);
        id
    }

    /// Disarms a timer, and returns its value. `None` if it has fired or was cancelled.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        todo!("the entry in the heap cannot be found")
    }

    /// The tick of the earliest timer.
    pub fn next_deadline(&mut self) -> Option<u64> {
        todo!("without the entries that were cancelled")
    }

    /// Moves the values of all timers that are due to the end of `due`: the earliest tick
    /// first, and first come first served within a tick.
    pub fn expire(&mut self, now: u64, due: &mut Vec<T>) {
        todo!("all that are due, in order")
    }

    /// Calls `fire` for each timer that is due. It may arm and cancel timers.
    pub fn fire(&mut self, now: u64, mut fire: impl FnMut(&mut Deadlines<T>, T)) {
        todo!("the user may arm timers meanwhile")
    }

    /// How many timers are armed.
    pub fn armed(&self) -> usize {
        self.values.len()
    }
}
