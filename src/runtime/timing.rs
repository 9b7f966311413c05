//! The clock of the turn, and how long a turn waits.
//!
//! # When the clock is read
//! - Before the wait, if something has a deadline and the turn may wait. The last turn
//!   may have taken long, so the timeout is counted from a fresh reading.
//! - After the wait, at most once. Every step of the turn sees the same time. The
//!   reading follows the wait at once if something had a deadline as the wait began.
//!   Otherwise nothing is due, and the clock is read when a step first asks for it.
//! - Afresh, by whatever sets a deadline while the turn runs: a handler's timers, and
//!   the deadlines of TCP. A handler may have run for long before it sets a timer.
//!   Counted from the reading of the turn, its timer would be early.
//! - Afresh, by the session's stopwatch: twice for the first poll of a turn, and once for the others.
//!
//! Read next: `expiry.rs`, which compares the readings of several turns.

use crate::time::{Clock, Instant};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// A clock that is read once in a turn, when a step first asks for the time.
///
/// A reading costs about 25 ns, a quarter of what a turn with one message costs
/// beside its system calls. Most turns of a node without timers need none.
pub(super) struct TurnClock {
    clock: Rc<dyn Clock>,
    now: Cell<Option<Instant>>,
}

impl TurnClock {
    pub(super) fn new(clock: Rc<dyn Clock>) -> TurnClock {
        TurnClock {
            clock,
            now: Cell::new(None),
        }
    }

    /// The time of this turn.
    pub(super) fn now(&self) -> Instant {
        let now = self.now.get().unwrap_or_else(|| self.clock.now());
        self.now.set(Some(now));
        now
    }

    /// The time at this moment. The time of the turn stays as it is.
    pub(super) fn fresh(&self) -> Instant {
        self.clock.now()
    }

    /// Forgets the time of the turn: another turn begins.
    pub(super) fn forget(&self) {
        self.now.set(None);
    }
}

/// How long a turn waits for readiness. `None` is without limit.
///
/// | rule | if | the turn waits |
/// |---|---|---|
/// | 1 | work is left: carried over, or a task is ready | not at all |
/// | 2 | something has a deadline | until the earliest, and not at all if that is past |
/// | 3 | | until a descriptor is ready, or a waker of another thread is used |
///
/// The first rule that applies decides. Only rule 2 reads the clock, with `fresh`.
pub(super) fn timeout(
    has_work: bool,
    deadline: Option<Instant>,
    fresh: impl FnOnce() -> Instant,
) -> Option<Duration> {
    if has_work {
        return Some(Duration::ZERO);
    }
    deadline.map(|deadline| deadline.since(fresh()))
}

/// The earlier one of two deadlines, of which either may be none.
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::VirtualClock;

    const ZERO: Option<Duration> = Some(Duration::ZERO);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A clock that must not be read.
    fn unread() -> Instant {
        panic!("the clock was read")
    }

    #[test]
    fn rule_1_with_work_left_a_turn_does_not_wait_or_read_the_clock() {
        assert_eq!(timeout(true, None, unread), ZERO);
        assert_eq!(timeout(true, Some(at(9)), unread), ZERO);
    }

    #[test]
    fn rule_2_a_turn_waits_until_the_earliest_deadline() {
        let left = Some(Duration::from_millis(4));
        assert_eq!(timeout(false, Some(at(9)), || at(5)), left);
        assert_eq!(timeout(false, Some(at(9)), || at(10)), ZERO);
    }

    #[test]
    fn rule_3_without_a_deadline_a_turn_waits_without_limit() {
        assert_eq!(timeout(false, None, unread), None);
    }

    #[test]
    fn the_earlier_deadline_is_the_one_that_there_is() {
        let (one, other) = (Some(at(1)), Some(at(2)));
        assert_eq!(earlier(one, other), one);
        assert_eq!(earlier(other, one), one);
        assert_eq!(earlier(None, other), other);
        assert_eq!(earlier(one, None), one);
        assert_eq!(earlier(None, None), None);
    }

    #[test]
    fn a_turn_reads_the_clock_once() {
        let virtual_clock = VirtualClock::default();
        let clock = TurnClock::new(Rc::new(virtual_clock.clone()));
        virtual_clock.advance_to(at(1));
        assert_eq!(clock.now(), at(1), "read when it is first asked for");
        virtual_clock.advance_to(at(2));
        assert_eq!((clock.now(), clock.fresh()), (at(1), at(2)));
        clock.forget();
        assert_eq!(clock.now(), at(2), "another turn");
    }
}
