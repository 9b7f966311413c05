//! The timer wheel: every deadline that anything waits for.
//!
//! ```text
//!   the wheel's time, a tick of 1 ms, written in base 64
//!   +------+-- ... --+------+------+------+
//!   |  d7  |         |  d2  |  d1  |  d0  |
//!   +--|---+-- ... --+--|---+--|---+--|---+
//!      |                |      |      |       0    d0           63   one slot
//!      |                |      |      +-----> [....|*..*...........]   1 ms
//!      |                |      +------------> [......|....*........]  64 ms
//!      |                +-------------------> [..|........*........]   4 s
//!      |                                       ...       |
//!      +------------------------------------> [|...*.....|.........] 139 years
//!                                                        |
//!                             a slot: a list of nodes,   v
//!                             first come, first served   n <-> n <-> n
//! ```
//!
//! A timer waits on the level of the highest digit in which its tick differs
//! from the wheel's time, in the slot of its own digit there. So a slot on
//! level 0 is one tick, and on every level the timers are to the right of the
//! wheel's time (`|`). When the wheel's time reaches the start of a slot above
//! level 0, the slot's timers fall to lower levels, in order: a cascade. It
//! finds the levels below empty, and whoever is inserted later for the same
//! tick is placed by the same rule and so lands behind them: that is why first
//! come first served survives cascades.
//!
//! # Where this comes from
//!
//! tokio's wheel taught us levels of 64 slots with a word of occupancy each,
//! the placing by the differing digit, and jumping from occupied slot to
//! occupied slot; from Linux's `kernel/time/timer.c` we looked at the bargain
//! it strikes since 4.8, to never cascade and let far timers be late by an
//! eighth. We keep the cascades, because a deadline is a promise here and
//! order within a tick is part of replaying a run. Unlike tokio's, ours has
//! levels for every deadline there is, so nothing wraps and nothing is
//! clamped; its nodes live in a slab and are linked by index, so it is safe
//! Rust and allocates only to grow; and a timer that is alone in its slot goes
//! straight to its deadline, so a quiet node is not woken only to cascade.
//!
//! What it costs: a far timer is moved up to 7 times before it fires, and the
//! loop may be woken as often to move it. Timers that are cancelled long
//! before their deadline, as those of calls are, mostly never move at all.

mod level;
mod node;
mod tick;

pub use node::TimerId;

use super::Instant;
use level::{Levels, Place};
use node::Nodes;
use std::fmt;
use tick::Tick;

/// Timers by their deadline, each with a value of type `T`.
///
/// Inserting and cancelling take the same few steps whatever is outstanding,
/// and allocate nothing once the wheel has held as many timers before.
/// A deadline is rounded up to the next millisecond, never down.
/// The wheel runs no code of its user but hands out the values of due timers,
/// so nothing can reach back into it half way.
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
    /// The tick that `now` has reached. Every timer is due at it or later.
    elapsed: Tick,
    levels: Levels,
    nodes: Nodes<T>,
}

impl<T> Wheel<T> {
    /// A wheel with no timers, at the time `now`.
    ///
    /// ```
    /// # use eddyline::time::{Instant, Wheel};
    /// let wheel: Wheel<&str> = Wheel::new(Instant::ZERO);
    /// ```
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

    /// Disarms a timer and returns its value. O(1).
    ///
    /// None if it has fired, was cancelled, or is otherwise not there.
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

    /// When [`expire`](Wheel::expire) next has something to do; None when
    /// nothing is armed. O(levels).
    ///
    /// Never later than the earliest timer is due, and never before the
    /// wheel's time. It can be earlier than the earliest timer, since above
    /// level 0 only the start of the slot is known: waking then costs an
    /// `expire` that hands out nothing, at most 7 times for a timer. A timer
    /// that is alone in its slot is known exactly.
    ///
    /// ```
    /// # use eddyline::time::{Instant, Wheel};
    /// let mut wheel = Wheel::new(Instant::ZERO);
    /// wheel.insert(Instant::from_nanos(1), ());
    /// assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(1)));
    /// ```
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.is_empty() {
            return None; // without a look at every level
        }
        let place = self.levels.earliest()?;
        let tick = match self.levels.list(place).only() {
            Some(index) => self.nodes.tick(index),
            None => place.start(self.elapsed),
        };
        // What is overdue has been given the tick that now has reached, whose
        // own instant may be up to a tick in the past.
        Some(tick.instant().max(self.now))
    }

    /// Moves the values of all timers that are due at `now` to the end of
    /// `due`: the earliest tick first, and first come first served in a tick.
    ///
    /// Costs a few steps for each timer that fires or cascades, however far
    /// `now` has jumped. A `now` before the wheel's time is taken for the
    /// wheel's time. A timer inserted while the caller works through `due` is
    /// never in it, even at a zero delay: it waits for the next `expire`.
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
    ///
    /// ```
    /// # use eddyline::time::{Instant, Wheel};
    /// let mut wheel = Wheel::new(Instant::ZERO);
    /// wheel.insert(Instant::from_millis(5), ());
    /// assert_eq!(wheel.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.nodes.armed()
    }

    /// Whether no timer is armed.
    ///
    /// ```
    /// # use eddyline::time::{Instant, Wheel};
    /// assert!(Wheel::<()>::new(Instant::ZERO).is_empty());
    /// ```
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

    /// Moves the wheel's time to the `start` of the earliest slot, and the
    /// slot's timers to lower levels, in their order.
    ///
    /// A timer that is alone there has none before it, so that time can move
    /// on to its tick, or as far as time has come, and one move is enough.
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
    fn a_timer_alone_in_its_slot_wakes_nobody_to_cascade() {
        let mut wheel = Wheel::new(MS(1));
        wheel.insert(MS(5_000_003), 'a');
        assert_eq!(wheel.next_deadline(), Some(MS(5_000_003)));
        // A turn for another reason, past the start of the slot.
        assert_eq!(expired(&mut wheel, MS(4_999_000)), []);
        assert_eq!(wheel.next_deadline(), Some(MS(5_000_003)));
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
