//! The measured timers. Each is used in its fastest way.

use eddyline::time::{Instant, TimerId, Wheel};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::time::Sleep;
use tokio_util::time::{DelayQueue, delay_queue};

/// The measured operations. They run within a tokio runtime. Deadlines are milliseconds
/// from the start.
pub trait Timers {
    fn new() -> Self;

    /// Inserts a timer.
    fn insert(&mut self, millis: u64);

    /// Cancels the timer at `pick` and inserts another in its place.
    fn replace(&mut self, pick: usize, millis: u64);

    /// Inserts a timer and cancels it, as for a call whose reply comes at once.
    fn insert_and_cancel(&mut self, millis: u64);
}

pub struct Wheeled {
    wheel: Wheel<u64>,
    ids: Vec<TimerId>,
}

impl Timers for Wheeled {
    fn new() -> Wheeled {
        Wheeled {
            wheel: Wheel::new(Instant::ZERO),
            ids: Vec::new(),
        }
    }

    fn insert(&mut self, millis: u64) {
        let id = self.wheel.insert(Instant::from_millis(millis), 0);
        self.ids.push(id);
    }

    fn replace(&mut self, pick: usize, millis: u64) {
        black_box(self.wheel.cancel(self.ids[pick]));
        self.ids[pick] = self.wheel.insert(Instant::from_millis(millis), 0);
    }

    fn insert_and_cancel(&mut self, millis: u64) {
        let id = self.wheel.insert(Instant::from_millis(millis), 0);
        black_box(self.wheel.cancel(black_box(id)));
    }
}

/// tokio's timers. A sleep is registered by its first poll and cancelled by its drop. Each
/// is dropped in place, so the allocator is not measured. `sleep_until` does not read the
/// clock; `sleep` would.
pub struct Slept {
    sleeps: Vec<Pin<Box<Sleep>>>,
    newest: Pin<Box<Sleep>>,
    start: tokio::time::Instant,
}

impl Slept {
    fn sleep(&self, millis: u64) -> Sleep {
        tokio::time::sleep_until(self.start + Duration::from_millis(millis))
    }
}

/// Polls a sleep once. The runtime is not driven, so no sleep fires. Outside of tokio's
/// tasks there is no budget of polls either.
fn register(sleep: Pin<&mut Sleep>) {
    let pending = sleep.poll(&mut Context::from_waker(Waker::noop()));
    assert!(pending.is_pending(), "the deadline is reached");
}

impl Timers for Slept {
    fn new() -> Slept {
        Slept {
            sleeps: Vec::new(),
            newest: Box::pin(tokio::time::sleep(Duration::ZERO)),
            start: start(),
        }
    }

    fn insert(&mut self, millis: u64) {
        let mut sleep = Box::pin(self.sleep(millis));
        register(sleep.as_mut());
        self.sleeps.push(sleep);
    }

    fn replace(&mut self, pick: usize, millis: u64) {
        let sleep = self.sleep(millis);
        self.sleeps[pick].set(sleep);
        register(self.sleeps[pick].as_mut());
    }

    fn insert_and_cancel(&mut self, millis: u64) {
        // `set` drops, and so cancels, the sleep of the last call.
        let sleep = self.sleep(millis);
        self.newest.set(sleep);
        register(self.newest.as_mut());
    }
}

/// A start in the future, so that no deadline is reached during a round.
fn start() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(1)
}

pub struct Queued {
    queue: DelayQueue<u64>,
    keys: Vec<delay_queue::Key>,
    start: tokio::time::Instant,
}

impl Queued {
    fn arm(&mut self, millis: u64) -> delay_queue::Key {
        let deadline = self.start + Duration::from_millis(millis);
        self.queue.insert_at(0, deadline)
    }
}

impl Timers for Queued {
    fn new() -> Queued {
        Queued {
            queue: DelayQueue::new(),
            keys: Vec::new(),
            start: start(),
        }
    }

    fn insert(&mut self, millis: u64) {
        let key = self.arm(millis);
        self.keys.push(key);
    }

    fn replace(&mut self, pick: usize, millis: u64) {
        black_box(self.queue.remove(&self.keys[pick]));
        self.keys[pick] = self.arm(millis);
    }

    fn insert_and_cancel(&mut self, millis: u64) {
        let key = self.arm(millis);
        black_box(self.queue.remove(black_box(&key)));
    }
}

#[derive(Default)]
pub struct Mapped {
    map: BTreeMap<(u64, u64), u64>,
    keys: Vec<(u64, u64)>,
    inserted: u64,
}

impl Mapped {
    fn arm(&mut self, millis: u64) -> (u64, u64) {
        self.inserted += 1;
        self.map.insert((millis, self.inserted), 0);
        (millis, self.inserted)
    }
}

impl Timers for Mapped {
    fn new() -> Mapped {
        Mapped::default()
    }

    fn insert(&mut self, millis: u64) {
        let key = self.arm(millis);
        self.keys.push(key);
    }

    fn replace(&mut self, pick: usize, millis: u64) {
        black_box(self.map.remove(&self.keys[pick]));
        self.keys[pick] = self.arm(millis);
    }

    fn insert_and_cancel(&mut self, millis: u64) {
        let key = self.arm(millis);
        black_box(self.map.remove(black_box(&key)));
    }
}

/// A cancelled timer leaves a dead entry, whose order differs from that of its slot. Dead
/// entries are removed when they are the majority.
#[derive(Default)]
pub struct Heaped {
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    /// The order of insertion and the value of the timer in each slot.
    slots: Vec<Option<(u64, u64)>>,
    free: Vec<usize>,
    ids: Vec<(u64, usize)>,
    inserted: u64,
}

impl Heaped {
    fn arm(&mut self, millis: u64) -> (u64, usize) {
        self.inserted += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some((self.inserted, 0));
        self.heap.push(Reverse((millis, self.inserted, slot)));
        (self.inserted, slot)
    }

    fn cancel(&mut self, (order, slot): (u64, usize)) -> Option<u64> {
        let (_, value) = self.slots[slot].take_if(|held| held.0 == order)?;
        self.free.push(slot);
        let live = self.slots.len() - self.free.len();
        if self.heap.len() > 2 * live + 64 {
            let slots = &self.slots;
            self.heap.retain(|&Reverse((_, order, slot))| {
                slots[slot].is_some_and(|held| held.0 == order)
            });
        }
        Some(value)
    }
}

impl Timers for Heaped {
    fn new() -> Heaped {
        Heaped::default()
    }

    fn insert(&mut self, millis: u64) {
        let id = self.arm(millis);
        self.ids.push(id);
    }

    fn replace(&mut self, pick: usize, millis: u64) {
        black_box(self.cancel(self.ids[pick]));
        self.ids[pick] = self.arm(millis);
    }

    fn insert_and_cancel(&mut self, millis: u64) {
        let id = self.arm(millis);
        black_box(self.cancel(black_box(id)));
    }
}
