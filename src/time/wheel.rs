//! The timer wheel: all deadlines of a process, ordered by time.
//!
//! Time is counted in ticks of 1 ms. The wheel writes a tick in base 64, as a number of
//! eight digits. It has a level for each digit, and each level has 64 slots, one for
//! each value of the digit. A slot is a list of timers, first come first served.
//!
//! ```text
//!   level    one slot covers     slots
//!     0             1 ms         [0][1][2] ... [63]      the last digit
//!     1            64 ms         [0][1][2] ... [63]      the digit before it
//!     2         4,096 ms         [0][1][2] ... [63]
//!    ...                              |
//!     7          139 years            v
//!                                a list:  timer <-> timer <-> timer
//! ```
//!
//! **Placing.** Write the timer's tick and the wheel's time below each other and look
//! for the first digit, from the left, in which they differ. Its place is the level.
//! The timer's own digit there is the slot. If no digit differs, the timer is due: it
//! goes to the current slot of level 0. With the wheel's time at 0:
//!
//! ```text
//!   tick     in base 64     place
//!     63       0  0 63      level 0, slot 63
//!     64       0  1  0      level 1, slot 1
//!   4096       1  0  0      level 2, slot 1
//!   4165       1  1  5      level 2, slot 1, behind 4096
//! ```
//!
//! The level is not the distance. With the wheel's time at 63, and at 100:
//!
//! ```text
//!     64       0  1  0 against 0 0 63: level 1, slot 1, though it is 1 ms away
//!   4200       1  1 40 against 0 1 36: level 2, slot 1
//! ```
//!
//! The wheel's time is the time that `expire` was last told, not the clock's.
//!
//! **Cascading.** A slot of level 0 holds timers of a single tick, so all of them fire
//! together. A slot above level 0 holds timers of many ticks. When the wheel's time
//! reaches the first of those ticks, the slot is emptied, and each of its timers is
//! placed again by the same rule. It now agrees with the wheel's time in one more
//! digit, so it lands on a lower level.
//!
//! ```text
//!   time    slot           its timers are placed again
//!     63    level 0, 63    63 fires
//!     64    level 1, 1     64: no digit differs, so level 0, slot 0; it fires
//!   4096    level 2, 1     4096: level 0, slot 0; it fires
//!                          4165: 1 1 5 against 1 0 0, so level 1, slot 1
//!  (4160)   level 1, 1     4165: 1 1 5 against 1 1 0, so level 0, slot 5
//!   4165    level 0, 5     4165 fires
//! ```
//!
//! One shortcut: a timer that is alone in its slot needs no stop at the slot's start. In
//! the example the wheel skips 4160. At 4165 the timer is placed again on level 0, and
//! fires. So a quiet process is not woken only to cascade.
//!
//! # Invariants
//! - A timer's place follows from its tick and the wheel's time. It is not stored.
//! - Every occupied slot starts after the wheel's time, except the current slot of
//!   level 0. That one holds timers which are due, those of the past included.
//! - The earliest timer is on the lowest level that is not empty. Timers on a higher
//!   level differ from the wheel's time in a higher digit, so they are due later.
//! - Timers of one tick fire in the order in which they were armed. A cascade keeps the
//!   order of its list: it finds the lower levels empty and appends to their lists. Timers
//!   that are armed later for the same tick are appended behind.
//!
//! # Where this comes from
//! tokio's wheel has levels of 64 slots with a word of occupancy each, places a timer
//! by the differing digit, and jumps from one occupied slot to the next. This one has
//! a level for every digit of the last deadline, so nothing wraps and nothing is
//! clamped. Its nodes lie in a slab and are linked by index, so it is safe Rust and
//! allocates only to grow. Since 4.8 Linux (`kernel/time/timer.c`) does not cascade,
//! and fires far timers late, by up to an eighth of their span. Here a deadline is a promise, and the
//! order within a tick is part of replaying a run.
//!
//! The cost: a far timer is moved up to 7 times before it fires, and the loop may be
//! woken as often to move it. A timer that is cancelled long before its deadline, as
//! most calls' timers are, usually never moves.
//!
//! Read next: `wheel/level.rs` (places and occupancy), `wheel/node.rs` (the lists).

mod level;
mod node;
#[cfg(any(test, feature = "microscope"))]
mod snapshot;
mod tick;

pub use node::TimerId;
#[cfg(any(test, feature = "microscope"))]
pub(crate) use snapshot::WheelSnapshot;

use super::clock::Clock;
use super::instant::Instant;
use level::{Levels, Place};
use node::Nodes;
use std::fmt;
use tick::Tick;

/// Timers by their deadline, each with a value of type `T`.
///
/// Inserting and cancelling take the same few steps however many timers are armed.
/// They allocate nothing once the wheel has held as many timers before. A deadline is
/// rounded up to the next millisecond, never down. The wheel calls no code of its
/// user: it hands out the values of due timers, so nothing can change it half way.
///
/// ```
/// use eddyline::time::{Instant, Wheel};
///
/// let mut wheel = Wheel::new(Instant::ZERO);
/// let call = wheel.insert(Instant::from_millis(500), "call timed out");
/// wheel.insert(Instant::from_millis(20), "gossip");
///
/// let mut due = Vec::new();
/// wheel.expire(Instant::from_millis(20), &mut due);
/// assert_eq!(due, ["gossip"]);
///
/// // The reply came in time.
/// assert_eq!(wheel.cancel(call), Some("call timed out"));
/// assert_eq!(wheel.next_deadline(), None);
/// ```
pub struct Wheel<T> {
    /// The latest time that the wheel was told.
    now: Instant,
    /// The tick that `now` has reached: the wheel's time. No timer is placed before it.
    elapsed: Tick,
    levels: Levels,
    nodes: Nodes<T>,
}

impl<T> Wheel<T> {
    /// A wheel with no timers, at the time `now`.
    pub fn new(now: Instant) -> Wheel<T> {
        Wheel {
            now,
            elapsed: Tick::reached(now),
            levels: Levels::new(),
            nodes: Nodes::new(),
        }
    }

    /// Arms a timer for `deadline`. O(1).
    ///
    /// A deadline that the wheel's time has reached already counts as one at
    /// that time: it is due at the next [`expire`](Wheel::expire), behind
    /// those inserted before it.
    ///
    /// ```
    /// # use eddyline::time::{Instant, Wheel};
    /// let now = Instant::from_nanos(7_300_000);
    /// let mut wheel = Wheel::new(now);
    /// wheel.insert(now, 'a');
    /// wheel.insert(Instant::ZERO, 'b');
    /// let mut due = Vec::new();
    /// wheel.expire(now, &mut due);
    /// assert_eq!(due, ['a', 'b']);
    /// ```
    pub fn insert(&mut self, deadline: Instant, value: T) -> TimerId {
        let tick = if deadline <= self.now {
            self.elapsed
        } else {
            Tick::at_or_after(deadline)
        };
        let id = self.nodes.claim(tick, value);
        self.link(id.index(), tick);
        id
    }

    /// Arms a timer on a wheel whose owner tells it the time only while timers are
    /// armed. O(1).
    ///
    /// Without timers the owner has no reason to call [`expire`](Wheel::expire), and the
    /// wheel's time may be far behind. A timer that is placed from there would start on
    /// a high level and cascade through those below. So an empty wheel reads the clock
    /// first. Nothing is due on it, so the time is only set.
    pub(crate) fn insert_with_clock(
        &mut self,
        clock: &dyn Clock,
        deadline: Instant,
        value: T,
    ) -> TimerId {
        if self.is_empty() {
            self.now = self.now.max(clock.now());
            self.elapsed = Tick::reached(self.now);
        }
        self.insert(deadline, value)
    }

    /// Disarms a timer and returns its value. O(1).
    ///
    /// `None` if it has fired or was cancelled.
    ///
    /// ```
    /// # use eddyline::time::{Instant, Wheel};
    /// let mut wheel = Wheel::new(Instant::ZERO);
    /// let id = wheel.insert(Instant::from_millis(5), "never mind");
    /// assert_eq!(wheel.cancel(id), Some("never mind"));
    /// assert_eq!(wheel.cancel(id), None);
    /// ```
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let (index, tick) = self.nodes.find(id)?;
        let place = Place::of(self.elapsed, tick);
        self.levels
            .update(place, |list| self.nodes.unlink(list, index));
        self.nodes.release(index)
    }

    /// The value of a timer that is still armed.
    ///
    /// ```
    /// # use eddyline::time::{Instant, Wheel};
    /// let mut wheel = Wheel::new(Instant::ZERO);
    /// let id = wheel.insert(Instant::from_millis(1), 3);
    /// *wheel.get_mut(id).expect("it is armed") += 1;
    /// assert_eq!(wheel.cancel(id), Some(4));
    /// assert_eq!(wheel.get_mut(id), None);
    /// ```
    pub fn get_mut(&mut self, id: TimerId) -> Option<&mut T> {
        self.nodes.value_mut(id)
    }

    /// When [`expire`](Wheel::expire) next has something to do; `None` when nothing is
    /// armed. O(levels).
    ///
    /// Never later than the earliest timer is due, and never before the wheel's time.
    /// It can be earlier than the earliest timer, since above level 0 only the start of
    /// the slot is known. Then `expire` hands out nothing; that happens at most 7 times
    /// for a timer. The deadline of a timer that is alone in its slot is exact.
    ///
    /// ```
    /// # use eddyline::time::{Instant, Wheel};
    /// let mut wheel = Wheel::new(Instant::ZERO);
    /// wheel.insert(Instant::from_nanos(1), ());
    /// assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(1)));
    /// ```
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.is_empty() {
            return None; // spares the look at every level
        }
        let place = self.levels.earliest()?;
        let tick = match self.levels.list(place).only() {
            Some(index) => self.nodes.tick(index),
            None => place.start(self.elapsed),
        };
        // A timer of the past was given the tick that `now` has reached. The instant
        // of that tick may be up to a tick in the past.
        Some(tick.instant().max(self.now))
    }

    /// Moves the values of all timers that are due at `now` to the end of `due`: the
    /// earliest tick first, and first come first served within a tick.
    ///
    /// Costs a few steps for each timer that fires or cascades, however far `now` has
    /// jumped. A `now` before the wheel's time counts as the wheel's time. A timer that
    /// is inserted while the caller works through `due` waits for the next `expire`,
    /// even if its deadline has passed.
    ///
    /// ```
    /// # use eddyline::time::{Instant, Wheel};
    /// # use std::time::Duration;
    /// let mut wheel = Wheel::new(Instant::ZERO);
    /// let year = Duration::from_secs(365 * 86_400);
    /// wheel.insert(Instant::ZERO + year * 10, "in ten years");
    /// wheel.insert(Instant::MAX, "never");
    /// let mut due = Vec::new();
    /// wheel.expire(Instant::ZERO + year * 10, &mut due);
    /// assert_eq!(due, ["in ten years"]);
    /// ```
    pub fn expire(&mut self, now: Instant, due: &mut Vec<T>) {
        self.now = self.now.max(now);
        let reached = Tick::reached(self.now);
        while let Some(place) = self.levels.earliest() {
            let start = place.start(self.elapsed);
            if start > reached {
                break;
            }
            if place.is_one_tick() {
                self.elapsed = start;
                self.fire(place, due);
            } else {
                self.cascade(place, start, reached);
            }
        }
        self.elapsed = reached;
    }

    /// How many timers are armed.
    pub fn len(&self) -> usize {
        self.nodes.armed()
    }

    /// Whether no timer is armed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a node to the slot of its tick.
    fn link(&mut self, index: u32, tick: Tick) {
        let place = Place::of(self.elapsed, tick);
        self.levels
            .update(place, |list| self.nodes.push_back(list, index));
    }

    /// Empties a slot of level 0: all of its timers are due.
    fn fire(&mut self, place: Place, due: &mut Vec<T>) {
        let mut list = self.levels.take(place);
        while let Some(index) = self.nodes.pop_front(&mut list) {
            due.extend(self.nodes.release(index));
        }
    }

    /// Moves the wheel's time to the `start` of the earliest slot, and that slot's
    /// timers to lower levels, in their order.
    ///
    /// If the slot holds a single timer, no other timer is due before it. So the
    /// wheel's time moves on to its tick, or to the tick that the clock has reached.
    /// One move is then enough.
    fn cascade(&mut self, place: Place, start: Tick, reached: Tick) {
        let mut list = self.levels.take(place);
        self.elapsed = match list.only() {
            Some(index) => self.nodes.tick(index).min(reached),
            None => start,
        };
        while let Some(index) = self.nodes.pop_front(&mut list) {
            self.link(index, self.nodes.tick(index));
        }
    }
}

impl<T> fmt::Debug for Wheel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wheel({} timers at {:?})", self.len(), self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::VirtualClock;
    use std::rc::Rc;
    use std::time::Duration;

    const MS: fn(u64) -> Instant = Instant::from_millis;

    fn expired<T>(wheel: &mut Wheel<T>, now: Instant) -> Vec<T> {
        let mut due = Vec::new();
        wheel.expire(now, &mut due);
        due
    }

    #[test]
    fn a_timer_is_never_early_and_less_than_a_tick_late() {
        let mut wheel = Wheel::new(Instant::from_nanos(500));
        wheel.insert(Instant::from_nanos(3_000_001), 'a');
        assert_eq!(wheel.next_deadline(), Some(MS(4)));
        assert_eq!(expired(&mut wheel, Instant::from_nanos(3_999_999)), []);
        assert_eq!(expired(&mut wheel, MS(4)), ['a']);
    }

    #[test]
    fn a_deadline_within_the_current_tick_but_past_is_due_at_once() {
        let now = Instant::from_nanos(5_700_000);
        let mut wheel = Wheel::new(now);
        wheel.insert(Instant::from_nanos(5_600_000), 'a');
        wheel.insert(Instant::from_nanos(5_800_000), 'b');
        assert_eq!(wheel.next_deadline(), Some(now));
        assert_eq!(expired(&mut wheel, now), ['a']);
        assert_eq!(wheel.next_deadline(), Some(MS(6)));
    }

    #[test]
    fn a_timer_rearmed_at_zero_waits_for_the_next_expire() {
        let mut wheel = Wheel::new(MS(9));
        wheel.insert(MS(9), 0);
        for round in 0..3 {
            assert_eq!(expired(&mut wheel, MS(9)), [round]);
            wheel.insert(MS(9), round + 1);
        }
    }

    #[test]
    fn first_come_first_served_survives_cascades() {
        // The same tick, armed from ever nearer: from level 3, 2, 1 and 0.
        let tick = 64 * 64 * 64 + 5 * 64 * 64 + 7 * 64 + 9;
        let mut wheel = Wheel::new(Instant::ZERO);
        let nears = [tick, 280_000, 20_000, 1_000, 66, 65, 30, 1];
        for (order, near) in nears.into_iter().enumerate() {
            assert!(expired(&mut wheel, MS(tick - near)).is_empty());
            wheel.insert(MS(tick), order);
            wheel.insert(MS(tick), order);
        }
        let fired = expired(&mut wheel, MS(tick));
        assert_eq!(fired.len(), 2 * nears.len());
        assert!(fired.is_sorted());
    }

    #[test]
    fn timers_cascade_as_the_page_of_the_wheel_shows() {
        let mut wheel = Wheel::new(Instant::ZERO);
        for tick in [4096, 4165, 64, 63] {
            wheel.insert(MS(tick), tick);
        }
        for tick in [63, 64, 4096, 4165] {
            assert_eq!(wheel.next_deadline(), Some(MS(tick)));
            assert_eq!(expired(&mut wheel, MS(tick)), [tick]);
        }
    }

    #[test]
    fn an_empty_wheel_takes_the_time_from_the_clock() {
        let clock = VirtualClock::default();
        let mut wheel = Wheel::new(clock.now());
        clock.advance(Duration::from_millis(1_000_000));
        for value in ['a', 'b'] {
            wheel.insert_with_clock(&clock, MS(1_000_020), value);
            clock.advance(Duration::from_millis(1));
        }
        // Placed from 0 they would share a slot that starts before their deadline.
        assert_eq!(wheel.next_deadline(), Some(MS(1_000_020)));
        assert_eq!(wheel.now, MS(1_000_000), "the second insert reads no clock");
        assert_eq!(expired(&mut wheel, MS(1_000_020)), ['a', 'b']);
    }

    #[test]
    fn a_jump_of_years_costs_the_timers_and_not_the_ticks() {
        // 100,000 timers over ten years: ticks would take minutes to count.
        let years = Duration::from_secs(10 * 365 * 86_400);
        let count = 100_000;
        let mut wheel = Wheel::new(Instant::ZERO);
        for n in (0..count).rev() {
            wheel.insert(Instant::ZERO + years / count * n, n);
        }
        let fired = expired(&mut wheel, Instant::ZERO + years);
        assert!(fired.into_iter().eq(0..count));
        assert!(wheel.is_empty());
    }

    #[test]
    fn the_end_of_time_can_be_waited_for() {
        let mut wheel = Wheel::new(Instant::ZERO);
        wheel.insert(Instant::MAX, 'z');
        wheel.insert(Instant::from_nanos(u64::MAX - 1), 'y');
        // They share the last tick, whose end no instant can name.
        assert_eq!(expired(&mut wheel, MS(u64::MAX / 1_000_000)), []);
        assert_eq!(wheel.next_deadline(), Some(Instant::MAX));
        assert_eq!(expired(&mut wheel, Instant::MAX), ['z', 'y']);
        wheel.insert(Instant::MAX, 'x');
        assert_eq!(expired(&mut wheel, Instant::MAX), ['x']);
    }

    #[test]
    fn time_that_goes_backwards_is_taken_for_the_latest_time() {
        let mut wheel = Wheel::new(MS(100));
        wheel.insert(MS(150), 'b');
        wheel.insert(MS(90), 'a');
        assert_eq!(expired(&mut wheel, MS(10)), ['a']);
        assert_eq!(expired(&mut wheel, Instant::ZERO), []);
        assert_eq!(wheel.next_deadline(), Some(MS(150)));
        assert_eq!(expired(&mut wheel, MS(150)), ['b']);
    }

    #[test]
    fn a_timer_alone_in_its_slot_causes_no_wake_to_cascade() {
        let mut wheel = Wheel::new(MS(1));
        wheel.insert(MS(5_000_003), 'a');
        assert_eq!(wheel.next_deadline(), Some(MS(5_000_003)));
        // Turns for other reasons, past the start of the slot. The first one moves the timer,
        // and the wheel's time no further than its own.
        for turn in [MS(4_999_000), MS(4_999_500)] {
            assert_eq!(expired(&mut wheel, turn), []);
            assert_eq!(wheel.next_deadline(), Some(MS(5_000_003)));
        }
        assert_eq!(expired(&mut wheel, MS(5_000_003)), ['a']);
    }

    #[test]
    fn timers_that_share_a_far_slot_cost_at_most_seven_more_wakes() {
        let mut wheel = Wheel::new(Instant::ZERO);
        wheel.insert(Instant::MAX, 'a');
        wheel.insert(Instant::MAX, 'b');
        let mut wakes = 0;
        while let Some(next) = wheel.next_deadline() {
            expired(&mut wheel, next);
            wakes += 1;
        }
        assert!(wakes <= level::LEVELS, "{wakes} wakes");
    }

    #[test]
    fn no_value_is_leaked_or_kept_behind() {
        let value = Rc::new(());
        let mut wheel = Wheel::new(Instant::ZERO);
        let ids = [1, 70, 5_000].map(|at| wheel.insert(MS(at), Rc::clone(&value)));
        assert_eq!(Rc::strong_count(&value), 4);
        drop(wheel.cancel(ids[1]));
        assert_eq!(Rc::strong_count(&value), 3);
        drop(expired(&mut wheel, MS(1)));
        assert_eq!(Rc::strong_count(&value), 2);
        assert!(ids[..2].iter().all(|&id| wheel.cancel(id).is_none()));
        drop(wheel);
        assert_eq!(Rc::strong_count(&value), 1);
    }
}
