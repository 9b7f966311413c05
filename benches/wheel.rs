//! Compares the timer wheel with an ordered map, with a heap whose cancelled timers stay
//! as tombstones, and with the wheel of another crate.
//!
//! Run one part by its name: `cargo bench --bench wheel -- cancel_random/1000/`.

use criterion::{Criterion, criterion_group, criterion_main};
use eddyline::time::{Instant, TimerId, Wheel};
use hierarchical_hash_wheel_timer::wheels::cancellable::{
    CancellableTimerEntry, QuadWheelWithOverflow,
};
use hierarchical_hash_wheel_timer::wheels::{Skip, TimerEntryWithDelay};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hint::black_box;
use std::time::Duration;

const OUTSTANDING: [usize; 3] = [1_000, 100_000, 1_000_000];

/// Deadlines are up to a minute ahead, like the timeouts of calls and connections.
const AHEAD_NANOS_MAX: u64 = 60_000_000_000;

/// The value of a timer, of the size of a key for a call or a task.
type Value = u64;

/// The operations that are measured.
trait Timers: Default {
    type Id: Copy;
    fn insert(&mut self, deadline: Instant, value: Value) -> Self::Id;
    fn cancel(&mut self, id: Self::Id) -> Option<Value>;
    fn next_deadline(&mut self) -> Option<Instant>;
    fn expire(&mut self, now: Instant, due: &mut Vec<Value>);
}

/// This package's wheel.
struct Wheeled(Wheel<Value>);

impl Default for Wheeled {
    fn default() -> Wheeled {
        Wheeled(Wheel::new(Instant::ZERO))
    }
}

impl Timers for Wheeled {
    type Id = TimerId;

    fn insert(&mut self, deadline: Instant, value: Value) -> TimerId {
        self.0.insert(deadline, value)
    }

    fn cancel(&mut self, id: TimerId) -> Option<Value> {
        self.0.cancel(id)
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        self.0.next_deadline()
    }

    fn expire(&mut self, now: Instant, due: &mut Vec<Value>) {
        self.0.expire(now, due);
    }
}

/// The ordered map. It is exact to the nanosecond, like the heap, so it fires timers one
/// by one. The wheel fires all timers of a tick together.
#[derive(Default)]
struct Mapped {
    map: BTreeMap<(Instant, u64), Value>,
    inserted: u64,
}

impl Timers for Mapped {
    type Id = (Instant, u64);

    fn insert(&mut self, deadline: Instant, value: Value) -> (Instant, u64) {
        self.inserted += 1;
        let key = (deadline, self.inserted);
        self.map.insert(key, value);
        key
    }

    fn cancel(&mut self, id: (Instant, u64)) -> Option<Value> {
        self.map.remove(&id)
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        self.map.first_key_value().map(|(key, _)| key.0)
    }

    fn expire(&mut self, now: Instant, due: &mut Vec<Value>) {
        while let Some(first) = self.map.first_entry() {
            if first.key().0 > now {
                break;
            }
            due.push(first.remove());
        }
    }
}

/// The heap. A cancelled timer leaves a tombstone: an entry whose order differs from
/// that of its slot. Tombstones are removed when they are the majority.
#[derive(Default)]
struct Heaped {
    heap: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    /// The order of insertion and the value of the timer in each slot.
    slots: Vec<Option<(u64, Value)>>,
    free: Vec<usize>,
    inserted: u64,
}

impl Heaped {
    fn take(&mut self, order: u64, slot: usize) -> Option<Value> {
        let value = self.slots[slot].take_if(|held| held.0 == order)?.1;
        self.free.push(slot);
        Some(value)
    }

    fn sweep(&mut self) {
        let live = self.slots.len() - self.free.len();
        if self.heap.len() > 2 * live + 64 {
            let slots = &self.slots;
            self.heap.retain(|&Reverse((_, order, slot))| {
                slots[slot].as_ref().is_some_and(|held| held.0 == order)
            });
        }
    }
}

impl Timers for Heaped {
    type Id = (u64, usize);

    fn insert(&mut self, deadline: Instant, value: Value) -> (u64, usize) {
        self.inserted += 1;
        let held = Some((self.inserted, value));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = held;
                slot
            }
            None => {
                self.slots.push(held);
                self.slots.len() - 1
            }
        };
        self.heap.push(Reverse((deadline, self.inserted, slot)));
        (self.inserted, slot)
    }

    fn cancel(&mut self, id: (u64, usize)) -> Option<Value> {
        let value = self.take(id.0, id.1);
        self.sweep();
        value
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        self.heap.peek().map(|first| first.0.0)
    }

    fn expire(&mut self, now: Instant, due: &mut Vec<Value>) {
        while let Some(&Reverse((deadline, order, slot))) = self.heap.peek() {
            if deadline > now {
                break;
            }
            self.heap.pop();
            due.extend(self.take(order, slot));
        }
    }
}

/// The wheel of the crate hierarchical_hash_wheel_timer, with four levels of 256 slots.
/// It finds a timer by its number in a hash map.
///
/// A cancelled timer stays in its slot until time reaches the slot. In some of these
/// benches time stands still, and cancelled timers would fill the memory. So from time to
/// time a minute passes for the wheel alone, and the other timers are armed again.
#[derive(Default)]
struct Hashed {
    wheel: QuadWheelWithOverflow<Entry>,
    /// The number of milliseconds that have passed.
    now_ms: u64,
    inserted: u64,
    cancelled: usize,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    due_ms: u64,
    delay: Duration,
    value: Value,
}

impl CancellableTimerEntry for Entry {
    type Id = u64;

    fn id(&self) -> &u64 {
        &self.number
    }
}

impl TimerEntryWithDelay for Entry {
    fn delay(&self) -> Duration {
        self.delay
    }
}

impl Hashed {
    /// The most cancelled timers in slots before they are removed.
    const CANCELLED_MAX: usize = 2_000_000;

    fn arm(&mut self, number: u64, due_ms: u64, value: Value) {
        let entry = Entry {
            number,
            due_ms,
            // The wheel refuses a delay of zero.
            delay: Duration::from_millis((due_ms - self.now_ms).max(1)),
            value,
        };
        self.wheel.insert(entry).expect("the delay is not zero");
    }

    fn sweep(&mut self) {
        self.cancelled = 0;
        let mut left = Vec::new();
        for _ in 0..=AHEAD_NANOS_MAX / 1_000_000 {
            left.extend(self.wheel.tick());
        }
        for entry in left {
            self.arm(entry.number, entry.due_ms, entry.value);
        }
    }
}

impl Timers for Hashed {
    type Id = u64;

    fn insert(&mut self, deadline: Instant, value: Value) -> u64 {
        self.inserted += 1;
        let due_ms = deadline.as_nanos().div_ceil(1_000_000);
        self.arm(self.inserted, due_ms, value);
        self.inserted
    }

    /// The wheel does not return the value, so this returns the id.
    fn cancel(&mut self, id: u64) -> Option<Value> {
        self.wheel.cancel(&id).ok()?;
        self.cancelled += 1;
        if self.cancelled > Hashed::CANCELLED_MAX {
            self.sweep();
        }
        Some(id)
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        let ticks = match self.wheel.can_skip() {
            Skip::Empty => return None,
            Skip::None => 1,
            Skip::Millis(ticks) => u64::from(ticks) + 1,
        };
        Some(Instant::from_millis(self.now_ms + ticks))
    }

    fn expire(&mut self, now: Instant, due: &mut Vec<Value>) {
        let until_ms = now.as_nanos() / 1_000_000;
        while self.now_ms < until_ms {
            let left = u32::try_from(until_ms - self.now_ms).unwrap_or(u32::MAX);
            let skipped = match self.wheel.can_skip() {
                Skip::Empty => left,
                Skip::None => 0,
                Skip::Millis(ticks) => ticks.min(left),
            };
            self.now_ms += u64::from(skipped.max(1));
            if skipped > 0 {
                self.wheel.skip(skipped);
            } else {
                let fired = self.wheel.tick();
                due.extend(fired.into_iter().map(|entry| entry.value));
            }
        }
    }
}

/// A splitmix64 generator: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`: the high half of a product, without a division.
    fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        // The upper 64 of 128 bits always fit.
        (product >> 64) as u64
    }

    fn deadline(&mut self, now: Instant) -> Instant {
        now + Duration::from_nanos(self.below(AHEAD_NANOS_MAX))
    }
}

/// Timers with `count` outstanding, and their ids.
fn filled<T: Timers>(count: usize, random: &mut Random) -> (T, Vec<T::Id>) {
    let mut timers = T::default();
    let ids = (0..count)
        .map(|n| timers.insert(random.deadline(Instant::ZERO), n as u64))
        .collect();
    (timers, ids)
}

/// Cancels a random timer and inserts another.
fn cancel_random<T: Timers>(c: &mut Criterion, name: &str, count: usize) {
    let id = format!("cancel_random/{count}/{name}");
    c.bench_function(&id, |b| {
        let mut random = Random(1);
        let (mut timers, mut ids) = filled::<T>(count, &mut random);
        b.iter(|| {
            // It is below `count`, which is a `usize`.
            #[expect(clippy::cast_possible_truncation)]
            let pick = random.below(count as u64) as usize;
            black_box(timers.cancel(ids[pick]));
            ids[pick] = timers.insert(random.deadline(Instant::ZERO), pick as u64);
        });
    });
}

/// Inserts a timer and cancels it, as for a call whose reply comes at once.
fn cancel_newest<T: Timers>(c: &mut Criterion, name: &str, count: usize) {
    let id = format!("cancel_newest/{count}/{name}");
    c.bench_function(&id, |b| {
        let mut random = Random(2);
        let (mut timers, _) = filled::<T>(count, &mut random);
        b.iter(|| {
            let id = timers.insert(random.deadline(Instant::ZERO), 0);
            black_box(timers.cancel(id))
        });
    });
}

/// Moves time from deadline to deadline, and arms each timer that fires again. The
/// result is the time for one timer: its insertion, and its share of wake-ups and
/// cascades.
fn expire<T: Timers>(c: &mut Criterion, name: &str, count: usize) {
    let id = format!("expire/{count}/{name}");
    c.bench_function(&id, |b| {
        let mut random = Random(3);
        let (mut timers, _) = filled::<T>(count, &mut random);
        let mut due = Vec::new();
        b.iter_custom(|iterations| {
            let start = std::time::Instant::now();
            let mut fired = 0;
            while fired < iterations {
                let now = timers.next_deadline().expect("all are armed again");
                timers.expire(now, &mut due);
                fired += due.len() as u64;
                for value in due.drain(..) {
                    timers.insert(random.deadline(now), value);
                }
            }
            // The last tick may have fired more timers than `iterations`.
            start.elapsed().mul_f64(iterations as f64 / fired as f64)
        });
    });
}

fn contend<T: Timers>(c: &mut Criterion, name: &str) {
    for count in OUTSTANDING {
        cancel_random::<T>(c, name, count);
        cancel_newest::<T>(c, name, count);
        expire::<T>(c, name, count);
    }
}

fn wheel(c: &mut Criterion) {
    contend::<Wheeled>(c, "wheel");
    contend::<Mapped>(c, "btree_map");
    contend::<Heaped>(c, "binary_heap");
    contend::<Hashed>(c, "hierarchical_hash_wheel_timer");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = wheel
}
criterion_main!(benches);
