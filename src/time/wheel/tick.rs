//! The wheel's unit of time.

use crate::time::Instant;

/// Nanoseconds in a tick: one millisecond.
///
/// epoll waits in whole milliseconds, so the loop could not sleep for a finer tick.
/// Every factor of 64 would also be one more level for a far timer to fall through.
pub(super) const TICK_NANOS: u64 = 1_000_000;

/// A whole number of ticks since the clock's origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Tick(pub(super) u64);

impl Tick {
    /// The tick at which [`Instant::MAX`] is due. It is the only tick that is cut short:
    /// no instant names its end, so the last instant of all stands for it.
    pub(super) const LAST: Tick = Tick(u64::MAX.div_ceil(TICK_NANOS));

    /// The first tick at or after `deadline`. Rounding up keeps a timer from being early.
    pub(super) fn at_or_after(deadline: Instant) -> Tick {
        Tick(deadline.as_nanos().div_ceil(TICK_NANOS))
    }

    /// The last tick that `now` has reached.
    pub(super) fn reached(now: Instant) -> Tick {
        if now == Instant::MAX {
            return Tick::LAST;
        }
        Tick(now.as_nanos() / TICK_NANOS)
    }

    /// The first instant that has reached this tick.
    pub(super) fn instant(self) -> Instant {
        Instant::from_nanos(self.0.saturating_mul(TICK_NANOS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_rounded_up_and_now_is_rounded_down() {
        let millis = Instant::from_millis;
        assert_eq!(Tick::at_or_after(millis(7)), Tick(7));
        assert_eq!(Tick::reached(millis(7)), Tick(7));
        let between = Instant::from_nanos(7_000_001);
        assert_eq!(Tick::at_or_after(between), Tick(8));
        assert_eq!(Tick::reached(between), Tick(7));
    }

    #[test]
    fn the_last_instant_is_reached_by_itself_and_by_nothing_before_it() {
        assert_eq!(Tick::at_or_after(Instant::MAX), Tick::LAST);
        assert_eq!(Tick::reached(Instant::MAX), Tick::LAST);
        assert_eq!(Tick::LAST.instant(), Instant::MAX);
        let before = Instant::from_nanos(u64::MAX - 1);
        assert!(Tick::reached(before) < Tick::LAST);
    }
}
