//! A wheel has no clock: a test tells it the time.

use wheel::{Place, Wheel};

fn expire<T>(wheel: &mut Wheel<T>, now: u64) -> Vec<T> {
    let mut due = Vec::new();
    wheel.expire(now, &mut due);
    due
}

/// Ticks beside the borders of the levels.
const TICKS: [u64; 12] = [1, 62, 63, 64, 65, 127, 128, 4095, 4096, 4097, 4165, 262_144];

#[test]
fn the_place_is_the_first_digit_that_differs() {
    let place = |elapsed, tick| {
        let place = Place::of(elapsed, tick);
        (place.level, place.slot)
    };
    assert_eq!(place(0, 0), (0, 0));
    assert_eq!(place(0, 63), (0, 63));
    assert_eq!(place(0, 64), (1, 1));
    assert_eq!(place(0, 4095), (1, 63));
    assert_eq!(place(0, 4096), (2, 1));
    assert_eq!(place(0, 4165), (2, 1));
    assert_eq!(place(4096, 4165), (1, 1));
    assert_eq!(place(4160, 4165), (0, 5));
    assert_eq!(place(63, 64), (1, 1));
    assert_eq!(place(0, u64::MAX), (10, 15));
}

#[test]
fn a_timer_fires_at_its_tick_and_not_before() {
    for tick in TICKS {
        let mut wheel = Wheel::new(0);
        wheel.insert(tick, "ring");
        assert_eq!(expire(&mut wheel, tick - 1), [""; 0], "{tick} is early");
        assert_eq!(expire(&mut wheel, tick), ["ring"], "{tick} is late");
    }
}

#[test]
fn timers_fire_in_the_order_of_their_ticks() {
    let mut wheel = Wheel::new(0);
    for tick in [4096, 70, 4165, 5, 262_144, 63, 200] {
        wheel.insert(tick, tick);
    }
    let sorted = [5, 63, 70, 200, 4096, 4165, 262_144];
    assert_eq!(expire(&mut wheel, 300_000), sorted);
}

#[test]
fn timers_of_one_tick_fire_in_the_order_of_their_insertion() {
    let mut wheel = Wheel::new(0);
    let mut fired = Vec::new();
    // The same tick from ever nearer, so that each timer starts on another level.
    for (order, now) in [0, 4000, 4100, 4162].into_iter().enumerate() {
        wheel.expire(now, &mut fired);
        wheel.insert(4165, 2 * order);
        wheel.insert(4165, 2 * order + 1);
    }
    wheel.expire(4165, &mut fired);
    assert_eq!(fired, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_cancelled_timer_leaves_nothing_behind() {
    for tick in TICKS {
        let mut wheel = Wheel::new(0);
        let id = wheel.insert(tick, "ring");
        assert_eq!(wheel.cancel(id), Some("ring"));
        assert_eq!(wheel.cancel(id), None);
        assert_eq!((wheel.armed(), wheel.next_deadline()), (0, None));
    }
}

#[test]
fn a_timer_can_be_cancelled_anywhere_in_its_list() {
    for place in 0..5 {
        let mut wheel = Wheel::new(0);
        let ids: Vec<_> = (0..5).map(|value| wheel.insert(100, value)).collect();
        wheel.cancel(ids[place]);
        wheel.insert(100, 5);
        let rest: Vec<_> = (0..6).filter(|&value| value != place).collect();
        assert_eq!(expire(&mut wheel, 100), rest);
    }
}

#[test]
fn an_old_name_does_not_cancel_a_new_timer() {
    let mut wheel = Wheel::new(0);
    let old = wheel.insert(5, "old");
    assert_eq!(expire(&mut wheel, 5), ["old"]);
    wheel.insert(9, "new");
    assert_eq!(wheel.cancel(old), None);
    assert_eq!(expire(&mut wheel, 9), ["new"]);
}

#[test]
fn a_timer_of_the_past_is_due_at_once() {
    let mut wheel = Wheel::new(0);
    expire(&mut wheel, 100);
    wheel.insert(5, "late");
    // Not `expire`: a wheel with a wrong place might never come back from it.
    assert_eq!(wheel.next_deadline(), Some(100));
}

#[test]
fn the_next_deadline_leads_to_the_timer_in_few_stops() {
    for tick in TICKS {
        let mut wheel = Wheel::new(0);
        wheel.insert(tick, ());
        let mut stops = 0;
        while let Some(deadline) = wheel.next_deadline() {
            assert!(
                deadline <= tick && stops < 11,
                "{tick}: stop {stops} at {deadline}"
            );
            expire(&mut wheel, deadline);
            stops += 1;
        }
        assert_eq!(wheel.armed(), 0, "{tick} has not fired");
    }
}
