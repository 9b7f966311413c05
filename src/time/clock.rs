//! The clock: the only source of time. The real one is read in this file and nowhere
//! else.

use super::Instant;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// A source of time that never goes backwards.
///
/// ```
/// use eddyline::time::{Clock, Instant};
///
/// /// A clock that runs at double speed.
/// struct Hasty<C>(C);
///
/// impl<C: Clock> Clock for Hasty<C> {
///     fn now(&self) -> Instant {
///         Instant::from_nanos(self.0.now().as_nanos().saturating_mul(2))
///     }
/// }
/// ```
pub trait Clock {
    /// The time now. The real clock takes about 25 ns, so the loop reads it rarely.
    fn now(&self) -> Instant;
}

/// The machine's monotonic clock. It counts from the moment at which it was made.
///
/// ```
/// use eddyline::time::{Clock, MonotonicClock};
///
/// let clock = MonotonicClock::start();
/// let before = clock.now();
/// assert!(clock.now() >= before);
/// ```
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

/// A clock that moves only by its methods. Clones share one time.
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
    ///
    /// ```
    /// # use eddyline::time::{Clock, Instant, VirtualClock};
    /// let clock = VirtualClock::default();
    /// clock.advance_to(Instant::from_millis(3));
    /// clock.advance_to(Instant::from_millis(2));
    /// assert_eq!(clock.now(), Instant::from_millis(3));
    /// ```
    pub fn advance_to(&self, instant: Instant) {
        self.now.set(self.now.get().max(instant));
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        self.now.get()
    }
}
