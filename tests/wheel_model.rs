//! The timer wheel against a model that is plainly right: an ordered map from
//! (tick, order of insertion) to value.

use eddyline::time::{Instant, TimerId, Wheel};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const TICK_NANOS: u64 = 1_000_000;

/// One step of a history. Times are relative to the model's now.
#[derive(Debug, Clone)]
enum Step {
    /// Arm a timer this many nanoseconds ahead.
    Insert(u64),
    /// Arm a timer this many nanoseconds behind.
    InsertPast(u64),
    /// Arm another for the tick of the earliest one outstanding.
    InsertBeside,
    /// Cancel the timer that was inserted as this one, modulo all.
    Cancel(usize),
    /// Change the value of the timer that was inserted as this one.
    Change(usize),
    /// Let this many nanoseconds pass.
    Expire(u64),
    /// Go exactly to the next deadline.
    ExpireNext,
    /// Ask for a time before now.
    ExpireBackwards(u64),
}

/// Spans of every size: each bit length is as likely as any other, and those
/// next to a power of two, where digits carry, are likely too.
fn span() -> impl Strategy<Value = u64> {
    let any_length = (0_u32..64, any::<u64>()).prop_map(|(shift, bits)| bits >> shift);
    let at_a_carry =
        (0_u32..45, -1_i64..=1).prop_map(|(bit, off)| (1_u64 << bit).saturating_add_signed(off));
    prop_oneof![
        4 => any_length,
        3 => at_a_carry.prop_map(|ticks| ticks.saturating_mul(TICK_NANOS)),
        4 => 0..200 * TICK_NANOS,
        3 => (0_u64..6_000).prop_map(|ticks| ticks * TICK_NANOS),
        1 => Just(u64::MAX),
    ]
}

/// Steps in time that leave most of the u64 for later steps.
fn pause() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0..3 * TICK_NANOS,
        6 => 0..300 * TICK_NANOS,
        4 => 0..10_000 * TICK_NANOS,
        2 => span().prop_map(|nanos| nanos >> 8),
        1 => span(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => span().prop_map(Step::Insert),
        2 => span().prop_map(Step::InsertPast),
        3 => Just(Step::InsertBeside),
        5 => any::<usize>().prop_map(Step::Cancel),
        2 => any::<usize>().prop_map(Step::Change),
        6 => pause().prop_map(Step::Expire),
        4 => Just(Step::ExpireNext),
        1 => span().prop_map(Step::ExpireBackwards),
    ]
}

/// Where the model finds a timer: its tick and the order of insertion.
type Key = (u64, usize);

/// The wheel and its model, driven side by side.
struct Pair {
    now: u64,
    wheel: Wheel<(usize, u32)>,
    model: BTreeMap<Key, (usize, u32)>,
    /// Every timer ever inserted, by order of insertion.
    timers: Vec<(TimerId, Key)>,
}

impl Pair {
    fn new(start: u64) -> Pair {
        Pair {
            now: start,
            wheel: Wheel::new(Instant::from_nanos(start)),
            model: BTreeMap::new(),
            timers: Vec::new(),
        }
    }

    /// The tick that now has reached; the last one is reached by its own end.
    fn reached(&self) -> u64 {
        if self.now == u64::MAX {
            u64::MAX.div_ceil(TICK_NANOS)
        } else {
            self.now / TICK_NANOS
        }
    }

    fn insert(&mut self, deadline: u64) {
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

    fn expire(&mut self, now: u64) {
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

    fn step(&mut self, step: Step) {
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

    /// What holds between any two steps.
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

    /// Sleeps from deadline to deadline until nothing is left.
    fn run_out(&mut self) {
        // Each sleep fires or cascades a timer, and none cascades 8 times.
        let mut sleeps = self.model.len() * 8;
        while let Some(next) = self.wheel.next_deadline() {
            assert!(sleeps > 0, "woken without getting on");
            sleeps -= 1;
            self.expire(next.as_nanos());
            self.check();
        }
        assert!(self.wheel.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_wheel_does_what_the_model_does(
        start in span(),
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut pair = Pair::new(start);
        for step in steps {
            pair.step(step);
        }
        pair.run_out();
        // Every name is stale by now.
        for (id, _) in pair.timers {
            prop_assert_eq!(pair.wheel.cancel(id), None);
            prop_assert_eq!(pair.wheel.get_mut(id), None);
        }
    }

    #[test]
    fn one_jump_to_the_end_of_time_fires_everything_in_order(
        start in span(),
        aheads in prop::collection::vec(span(), 0..300),
    ) {
        let mut pair = Pair::new(start);
        for ahead in aheads {
            pair.insert(pair.now.saturating_add(ahead));
        }
        pair.expire(u64::MAX);
        prop_assert!(pair.wheel.is_empty());
    }
}

/// Ten years pass at once over as many timers as anyone will arm: if that cost
/// the ticks, this test would not end.
#[test]
fn ten_years_pass_over_a_million_timers() {
    const TIMERS: u32 = 1_000_000;
    let years = Duration::from_secs(10 * 365 * 86_400);
    let mut wheel = Wheel::new(Instant::ZERO);
    for order in 0..TIMERS {
        // A stride that is prime to the count visits every place once.
        let place = u32::try_from(u64::from(order) * 611_953 % u64::from(TIMERS)).unwrap();
        wheel.insert(Instant::ZERO + years / TIMERS * place, place);
    }
    let mut due = Vec::new();
    wheel.expire(Instant::ZERO + years, &mut due);
    assert!(due.into_iter().eq(0..TIMERS));
}
