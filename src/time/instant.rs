//! Points in time, as plain numbers.

use std::fmt;
use std::time::Duration;

/// A point in time: nanoseconds since the origin of its clock.
///
/// Unlike [`std::time::Instant`] it is a plain number. So a virtual clock can make any
/// value, and a trace can print it. 64 bits of nanoseconds last 584 years. Arithmetic
/// saturates at both ends and does not wrap.
///
/// ```
/// use eddyline::time::Instant;
/// use std::time::Duration;
///
/// let start = Instant::from_millis(5);
/// let later = start + Duration::from_millis(2);
/// assert_eq!(later.since(start), Duration::from_millis(2));
/// assert_eq!(start.since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant {
    nanos: u64,
}

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Instant = Instant { nanos: 0 };
    /// The last point in time. No deadline is after it.
    ///
    /// ```
    /// # use {eddyline::time::Instant, std::time::Duration};
    /// assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
    /// ```
    pub const MAX: Instant = Instant { nanos: u64::MAX };

    /// The point `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Instant {
        Instant { nanos }
    }

    /// The point `millis` milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Instant {
        Instant {
            nanos: millis.saturating_mul(1_000_000),
        }
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.nanos
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    ///
    /// ```
    /// # use {eddyline::time::Instant, std::time::Duration};
    /// let elapsed = Instant::from_millis(7).since(Instant::from_millis(5));
    /// assert_eq!(elapsed, Duration::from_millis(2));
    /// ```
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(earlier.nanos))
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Instant {
            nanos: self.nanos.saturating_add(nanos),
        }
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let max = Duration::MAX;
        assert_eq!(Instant::from_nanos(1) + max, Instant::MAX);
        assert_eq!(Instant::from_millis(u64::MAX), Instant::MAX);
        assert_eq!(Instant::ZERO.since(Instant::MAX), Duration::ZERO);
    }
}
