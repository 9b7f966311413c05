//! The clock: the only way in which time enters.

use super::Instant;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// A source of time that never goes backwards.
pub trait Clock {
    /// The time now. About 25 ns on the real clock, so the loop asks once a turn.
    fn now(&self) -> Instant;
}

/// The machine's monotonic clock, counted from when this value was made.
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    origin: std::time::Instant,
}

impl MonotonicClock {
    /// A clock whose origin is now.
    pub fn start() -> MonotonicClock {
        MonotonicClock {
            origin: std::time::Instant::now(),
        }
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }
}

/// A clock that moves only when it is told to. Clones share one time.
///
/// ```
/// use eddyline::time::{Clock, Instant, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::default();
/// clock.advance(Duration::from_millis(3));
/// assert_eq!(clock.now(), Instant::from_millis(3));
/// ```
#[derive(Debug, Clone, Default)]
pub struct VirtualClock {
    now: Rc<Cell<Instant>>,
}

impl VirtualClock {
    /// Moves the time forward by `duration`.
    pub fn advance(&self, duration: Duration) {
        self.now.set(self.now.get() + duration);
    }

    /// Moves the time forward to `instant`; an earlier one changes nothing.
    pub fn advance_to(&self, instant: Instant) {
        self.now.set(self.now.get().max(instant));
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        self.now.get()
    }
}
