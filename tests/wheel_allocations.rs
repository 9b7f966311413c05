//! Checks that the timer wheel does not allocate after it has warmed up. This test has
//! a binary of its own, because the counter replaces the global allocator.

use eddyline::time::{Instant, Wheel};
use std::time::Duration;

const TIMERS: u64 = 1_000;

/// The timers of a busy node: some are cancelled, some fire, one is far away, and time
/// jumps.
fn run(wheel: &mut Wheel<u64>, due: &mut Vec<u64>, now: &mut Instant) {
    let millis = Duration::from_millis;
    for round in 0..50 {
        for n in 0..TIMERS - 1 {
            let id = wheel.insert(*now + millis(n * n * (round + 1)), n);
            if n % 3 == 0 {
                wheel.cancel(id);
            }
        }
        let far = wheel.insert(Instant::MAX, u64::MAX);
        *now = *now + millis(round * 1_000);
        wheel.expire(*now, due);
        due.clear();
        // All timers but the far one are due within two weeks.
        *now = *now + Duration::from_secs(14 * 86_400);
        wheel.expire(*now, due);
        due.clear();
        assert_eq!(wheel.next_deadline(), Some(Instant::MAX));
        assert_eq!(wheel.cancel(far), Some(u64::MAX));
        assert!(wheel.is_empty());
    }
}

#[test]
fn a_warm_wheel_allocates_nothing() {
    let mut wheel = Wheel::new(Instant::ZERO);
    let mut due = Vec::new();
    let mut now = Instant::ZERO;
    run(&mut wheel, &mut due, &mut now);
    // A cold wheel allocates, which shows that the counter works.
    let cold = allocation_counter::measure(|| {
        Wheel::new(Instant::ZERO).insert(Instant::MAX, 0);
    });
    assert!(cold.count_total > 0);
    let warm = allocation_counter::measure(|| run(&mut wheel, &mut due, &mut now));
    assert_eq!(warm.count_total, 0);
}
