//! Deadlines in a heap, and the rounding between a clock and whole milliseconds.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

/// The first tick, a whole millisecond, at or after a moment. A timer is never early.
pub fn tick_at_or_after(moment: Duration) -> u64 {
    millis_or_more(moment)
}

/// The last tick that has come by now.
pub fn tick_reached(now: Duration) -> u64 {
    u64::try_from(now.as_millis()).expect(NOT_IN)
}

/// How long a wait may take: whole milliseconds, until the deadline or a little longer.
/// `None` is for ever.
pub fn timeout(deadline: Option<u64>, now: Duration) -> Option<Duration> {
    let left = Duration::from_millis(deadline?).saturating_sub(now);
    Some(Duration::from_millis(millis_or_more(left)))
}

/// Whole milliseconds, rounded up.
fn millis_or_more(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).expect(NOT_IN)
}

const NOT_IN: &str = "fewer than 500 million years";

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
        // Its place in the heap is not known. The entry stays until it comes to the top.
        self.values.remove(&id)
    }

    /// The tick of the earliest timer.
    pub fn next_deadline(&mut self) -> Option<u64> {
        loop {
            let &Reverse((tick, id)) = self.heap.peek()?;
            if self.values.contains_key(&id) {
                return Some(tick);
            }
            self.heap.pop();
        }
    }

    /// Moves the values of all timers that are due to the end of `due`: the earliest tick
    /// first, and first come first served within a tick.
    pub fn expire(&mut self, now: u64, due: &mut Vec<T>) {
        while self.next_deadline().is_some_and(|tick| tick <= now) {
            let Some(Reverse((_, id))) = self.heap.pop() else {
                return;
            };
            due.extend(self.values.remove(&id));
        }
    }

    /// Calls `fire` for each timer that is due. It may arm and cancel timers.
    pub fn fire(&mut self, now: u64, mut fire: impl FnMut(&mut Deadlines<T>, T)) {
        // Collected first: a timer that is armed meanwhile waits for the next call.
        let mut due = Vec::new();
        self.expire(now, &mut due);
        for value in due {
            fire(self, value);
        }
    }

    /// How many timers are armed.
    pub fn armed(&self) -> usize {
        self.values.len()
    }
}
