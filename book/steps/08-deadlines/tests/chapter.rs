//! The rules of deadlines. Time is a number that the test chooses, but in the last test.

use deadlines::{Deadlines, tick_at_or_after, tick_reached, timeout};
use std::time::{Duration, Instant};

const fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_deadline_is_rounded_up() {
    assert_eq!(tick_at_or_after(millis(7)), 7);
    assert_eq!(tick_at_or_after(millis(7) + Duration::from_nanos(1)), 8);
    assert_eq!(tick_at_or_after(micros(7_999)), 8);
}

#[test]
fn the_present_is_rounded_down() {
    assert_eq!(tick_reached(millis(7)), 7);
    assert_eq!(tick_reached(micros(7_999)), 7);
}

#[test]
fn a_wait_without_a_deadline_is_for_ever() {
    assert_eq!(timeout(None, millis(5)), None);
}

#[test]
fn a_wait_ends_at_the_deadline() {
    assert_eq!(timeout(Some(8), millis(5)), Some(millis(3)));
}

#[test]
fn a_deadline_that_has_come_allows_no_wait() {
    assert_eq!(timeout(Some(8), millis(8)), Some(Duration::ZERO));
    assert_eq!(timeout(Some(8), millis(1000)), Some(Duration::ZERO));
}

/// A loop with one deadline, on a kernel that waits for whole milliseconds. A turn costs
/// 20 µs. Returns the number of waits, and the time at which the deadline was seen.
fn waits_until(tick: u64, mut now: Duration) -> (u32, Duration) {
    let mut waits = 0;
    while now < millis(tick) {
        let wait = timeout(Some(tick), now).expect("there is a deadline");
        assert_eq!(
            wait,
            millis(wait.as_millis() as u64),
            "not whole milliseconds"
        );
        now += wait + micros(20);
        waits += 1;
        assert!(waits < 1000, "the loop spins");
    }
    (waits, now)
}

#[test]
fn the_loop_wakes_once_for_a_deadline() {
    for start in (0..5_000).step_by(7) {
        let (waits, seen) = waits_until(5, micros(start));
        assert_eq!(waits, 1, "waits for a deadline at 5 ms, from {start} µs on");
        assert!(seen <= micros(6_020), "seen at {seen:?}");
    }
}

#[test]
fn a_timer_is_due_at_its_tick() {
    let (mut timers, mut due) = (Deadlines::default(), Vec::new());
    timers.insert(7, "seven");
    timers.expire(6, &mut due);
    assert!(due.is_empty(), "early");
    timers.expire(7, &mut due);
    assert_eq!(due, ["seven"]);
}

#[test]
fn timers_fire_in_the_order_of_their_ticks() {
    let (mut timers, mut due) = (Deadlines::default(), Vec::new());
    for tick in [30, 10, 20, 10, 40] {
        timers.insert(tick, tick);
    }
    timers.expire(35, &mut due);
    assert_eq!(due, [10, 10, 20, 30]);
    assert_eq!(timers.next_deadline(), Some(40));
}

#[test]
fn timers_of_one_tick_fire_in_the_order_of_their_insertion() {
    let (mut timers, mut due) = (Deadlines::default(), Vec::new());
    for number in 0..100 {
        timers.insert(5, number);
    }
    timers.expire(6, &mut due);
    assert_eq!(due, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_timer_that_was_cancelled_does_not_fire() {
    let (mut timers, mut due) = (Deadlines::default(), Vec::new());
    let first = timers.insert(5, "first");
    timers.insert(5, "second");
    assert_eq!(timers.cancel(first), Some("first"));
    assert_eq!(timers.cancel(first), None, "it was cancelled already");
    timers.expire(9, &mut due);
    assert_eq!((due, timers.armed()), (vec!["second"], 0));
}

#[test]
fn a_timer_that_was_cancelled_ends_no_wait() {
    let mut timers = Deadlines::default();
    let call = timers.insert(5, "a timeout");
    timers.insert(1000, "gossip");
    timers.cancel(call);
    assert_eq!(timers.next_deadline(), Some(1000));
}

#[test]
fn an_old_name_does_not_cancel_a_new_timer() {
    let (mut timers, mut due) = (Deadlines::default(), Vec::new());
    let old = timers.insert(5, "old");
    timers.expire(9, &mut due);
    timers.insert(20, "new");
    assert_eq!(timers.cancel(old), None);
    assert_eq!(timers.armed(), 1);
}

#[test]
fn a_timer_that_is_armed_again_at_once_waits_for_the_next_call() {
    let mut timers = Deadlines::default();
    timers.insert(5, 0);
    let mut fired = 0;
    timers.fire(9, |timers, value| {
        fired += 1;
        assert!(fired < 100, "one call fires timers without end");
        timers.insert(9, value + 1);
    });
    assert_eq!((fired, timers.armed()), (1, 1));
}

#[test]
fn a_real_wait_is_not_shorter_than_its_timeout() {
    let mut poll = mio::Poll::new().unwrap();
    let mut events = mio::Events::with_capacity(1);
    let start = Instant::now();
    let tick = tick_at_or_after(micros(2_300));
    while tick_reached(start.elapsed()) < tick {
        let timeout = timeout(Some(tick), start.elapsed());
        let before = Instant::now();
        poll.poll(&mut events, timeout).unwrap();
        let waited = before.elapsed();
        assert!(Some(waited) >= timeout, "{waited:?} of {timeout:?}");
    }
}
