//! The clock: the only way in which time enters.

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
    /// The time now. About 25 ns on the real clock, so the loop asks rarely.
    ///
    /// ```
    /// use eddyline::time::{Clock, Instant, VirtualClock};
    ///
    /// assert_eq!(VirtualClock::default().now(), Instant::ZERO);
    /// ```
    fn now(&self) -> Instant;
}

/// The machine's monotonic clock, counted from when this value was made.
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
    ///
    /// ```
    /// use eddyline::time::{Clock, Instant, MonotonicClock};
    ///
    /// assert!(MonotonicClock::start().now() >= Instant::ZERO);
    /// ```
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
    ///
    /// ```
    /// # use {eddyline::time::{Clock, Instant, VirtualClock}, std::time::Duration};
    /// let clock = VirtualClock::default();
    /// clock.clone().advance(Duration::from_millis(3));
    /// assert_eq!(clock.now(), Instant::from_millis(3));
    /// ```
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
