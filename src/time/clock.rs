//! The clock: the only source of time. The real one is read in this file and nowhere
//! else.

use super::Instant;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of time: the time since an origin, which never goes backwards, and the time of day,
/// which may.
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
///
///     fn unix_time(&self) -> std::time::Duration {
///         self.0.unix_time()
///     }
/// }
/// ```
pub trait Clock {
    /// The time now. The real clock takes about 25 ns, so the loop reads it rarely.
    fn now(&self) -> Instant;

    /// The time of day, as the time since the beginning of 1970 (UTC). It may jump, forward or
    /// back, when the machine's clock is set.
    fn unix_time(&self) -> Duration;
}

/// The [time of day](Clock::unix_time) at the origin of virtual time: the beginning of 2026.
pub const VIRTUAL_UNIX_START: Duration = Duration::from_secs(1_767_225_600);

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

    fn unix_time(&self) -> Duration {
        // A clock that is set to before 1970 reads as 1970.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
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

    fn unix_time(&self) -> Duration {
        VIRTUAL_UNIX_START + self.now().since(Instant::ZERO)
    }
}
