//! Checks the timer wheel against a simple model, with random steps (proptest).

#[path = "reference/wheel.rs"]
mod reference;

use eddyline::time::{Instant, Wheel};
use proptest::prelude::*;
use reference::{Pair, Step, TICK_NANOS};
use std::time::Duration;

/// Spans of every size. All bit lengths are equally likely. Spans next to a power of
/// two, where digits carry, are likely too.
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

/// Steps in time. Most are small, so that the `u64` lasts for many steps.
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

/// Ten years pass at once, with a million timers. The test would not end in reasonable
/// time if the wheel visited every tick.
#[test]
fn ten_years_pass_over_a_million_timers() {
    const TIMERS: u32 = 1_000_000;
    let years = Duration::from_secs(10 * 365 * 86_400);
    let mut wheel = Wheel::new(Instant::ZERO);
    for order in 0..TIMERS {
        // The stride is coprime to the count, so it visits every place once.
        let place = u32::try_from(u64::from(order) * 611_953 % u64::from(TIMERS)).unwrap();
        wheel.insert(Instant::ZERO + years / TIMERS * place, place);
    }
    let mut due = Vec::new();
    wheel.expire(Instant::ZERO + years, &mut due);
    assert!(due.into_iter().eq(0..TIMERS));
}
