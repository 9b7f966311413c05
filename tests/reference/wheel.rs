//! The timer wheel together with a simple model of it: an ordered map from (tick, order
//! of insertion) to value.

use eddyline::time::{Instant, TimerId, Wheel};
use std::collections::BTreeMap;

pub(crate) const TICK_NANOS: u64 = 1_000_000;

/// One step of a history. Times are relative to the model's present time.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Arm a timer this many nanoseconds ahead.
    Insert(u64),
    /// Arm a timer this many nanoseconds behind.
    InsertPast(u64),
    /// Arm a timer for the same tick as the earliest one.
    InsertBeside,
    /// Cancel the timer with this index in the order of insertion, modulo their number.
    Cancel(usize),
    /// Change the value of the timer with this index.
    Change(usize),
    /// Let this many nanoseconds pass.
    Expire(u64),
    /// Let time pass exactly to the next deadline.
    ExpireNext,
    /// Expire with a time before now.
    ExpireBackwards(u64),
}

/// The model's key of a timer: its tick and the order of insertion.
type Key = (u64, usize);

/// The wheel and its model. Each step is applied to both.
pub(crate) struct Pair {
    pub(crate) now: u64,
    pub(crate) wheel: Wheel<(usize, u32)>,
    model: BTreeMap<Key, (usize, u32)>,
    /// Every timer ever inserted, by order of insertion.
    timers: Vec<(TimerId, Key)>,
}

impl Pair {
    pub(crate) fn new(start: u64) -> Pair {
        Pair {
            now: start,
            wheel: Wheel::new(Instant::from_nanos(start)),
            model: BTreeMap::new(),
            timers: Vec::new(),
        }
    }

    /// The last tick that time has reached. The end of time reaches the last tick.
    fn reached(&self) -> u64 {
        if self.now == u64::MAX {
            u64::MAX.div_ceil(TICK_NANOS)
        } else {
            self.now / TICK_NANOS
        }
    }

    pub(crate) fn insert(&mut self, deadline: u64) {
        let tick = if deadline <= self.now {
            self.reached()
        } else {
            deadline.div_ceil(TICK_NANOS)
        };
        let order = self.timers.len();
        let id = self.wheel.insert(Instant::from_nanos(deadline), (order, 0));
        self.model.insert((tick, order), (order, 0));
        self.timers.push((id, (tick, order)));
    }

    pub(crate) fn expire(&mut self, now: u64) {
        self.now = self.now.max(now);
        let mut due = Vec::new();
        self.wheel.expire(Instant::from_nanos(now), &mut due);
        let later = self.model.split_off(&(self.reached() + 1, 0));
        let expected = std::mem::replace(&mut self.model, later);
        assert_eq!(due, expected.into_values().collect::<Vec<_>>());
    }

    fn timer(&self, pick: usize) -> Option<(TimerId, Key)> {
        let index = pick.checked_rem(self.timers.len())?;
        Some(self.timers[index])
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Insert(ahead) => self.insert(self.now.saturating_add(ahead)),
            Step::InsertPast(behind) => self.insert(self.now.saturating_sub(behind)),
            Step::InsertBeside => {
                let tick = self.model.keys().next().map_or(0, |key| key.0);
                self.insert(tick.saturating_mul(TICK_NANOS));
            }
            Step::Cancel(pick) => {
                if let Some((id, key)) = self.timer(pick) {
                    assert_eq!(self.wheel.cancel(id), self.model.remove(&key));
                }
            }
            Step::Change(pick) => {
                if let Some((id, key)) = self.timer(pick) {
                    let (ours, theirs) = (self.wheel.get_mut(id), self.model.get_mut(&key));
                    assert_eq!(ours, theirs);
                    if let (Some(ours), Some(theirs)) = (ours, theirs) {
                        ours.1 += 1;
                        theirs.1 += 1;
                    }
                }
            }
            Step::Expire(pause) => self.expire(self.now.saturating_add(pause)),
            Step::ExpireNext => {
                if let Some(next) = self.wheel.next_deadline() {
                    self.expire(next.as_nanos());
                }
            }
            Step::ExpireBackwards(back) => self.expire(self.now.saturating_sub(back)),
        }
        self.check();
    }

    /// Checks the invariants between two steps.
    fn check(&self) {
        assert_eq!(self.wheel.len(), self.model.len());
        assert_eq!(self.wheel.is_empty(), self.model.is_empty());
        let next = self.wheel.next_deadline().map(Instant::as_nanos);
        assert_eq!(next.is_some(), !self.model.is_empty());
        if let (Some(next), Some((&(tick, _), _))) = (next, self.model.first_key_value()) {
            assert!(next >= self.now, "a wake-up in the past");
            let due = tick.saturating_mul(TICK_NANOS).max(self.now);
            assert!(next <= due, "a wake-up after a timer was due");
            assert!(tick > self.reached() || next == self.now);
        }
    }

    /// Lets time pass from deadline to deadline until no timer is left. Then checks that
    /// every id is stale.
    pub(crate) fn run_out(mut self) {
        // Each wake-up fires or cascades a timer, and a timer cascades at most 7 times.
        let mut sleeps = self.model.len() * 8;
        while let Some(next) = self.wheel.next_deadline() {
            assert!(sleeps > 0, "too many wake-ups");
            sleeps -= 1;
            self.expire(next.as_nanos());
            self.check();
        }
        assert!(self.wheel.is_empty());
        for (id, _) in self.timers {
            assert_eq!(self.wheel.cancel(id), None);
            assert_eq!(self.wheel.get_mut(id), None);
        }
    }
}
