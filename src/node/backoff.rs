//! Backoff: the pauses between attempts. Used by `retry` and `update`, and by authors.

use crate::random::Random;
use std::time::Duration;

/// The first pause by default: 250 ms, more than a round trip at the 100 ms of latency of
/// Maelstrom's exercises.
const FIRST: Duration = Duration::from_millis(250);

/// The longest pause by default, as a multiple of the first one.
const GROWTH_MAX: u32 = 16;

/// The shortest pause. With a pause of zero, a loop of attempts would keep the node busy.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// Pauses that double from one to the next, up to a longest one. Each is drawn at random
/// between half of its length and its length. So nodes that failed at the same time do not
/// try again at the same time.
///
/// For [`Call::retry`](super::Call::retry), and for loops of your own:
///
/// ```
/// use eddyline::{Backoff, Random};
/// use std::time::Duration;
///
/// let mut backoff = Backoff::new(Duration::from_millis(100)).longest(Duration::from_secs(1));
/// let mut random = Random::new(7);
/// let first = backoff.next_pause(&mut random);
/// assert!((50..=100).contains(&first.as_millis()));
/// let second = backoff.next_pause(&mut random);
/// assert!((100..=200).contains(&second.as_millis()));
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff::new(FIRST)
    }
}

impl Backoff {
    /// The first pause is `first` (at least a millisecond). The longest one is 16 times as
    /// long.
    pub fn new(first: Duration) -> Backoff {
        let next = first.max(PAUSE_MIN);
        Backoff {
            next,
            longest: next.saturating_mul(GROWTH_MAX),
        }
    }

    /// Limits the pauses to `longest`.
    pub fn longest(mut self, longest: Duration) -> Backoff {
        self.longest = longest.max(PAUSE_MIN);
        self.next = self.next.min(self.longest);
        self
    }

    /// The next pause.
    pub fn next_pause(&mut self, random: &mut Random) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.longest);
        (whole / 2 + (whole / 2).mul_f64(random.fraction())).max(PAUSE_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_with_jitter_below() {
        let mut random = Random::new(1);
        let longest = Duration::from_millis(70);
        let mut backoff = Backoff::new(Duration::from_millis(10)).longest(longest);
        for whole_ms in [10, 20, 40, 70, 70, 70] {
            let pause = backoff.next_pause(&mut random);
            let whole = Duration::from_millis(whole_ms);
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?}");
        }
    }

    #[test]
    fn no_pause_is_too_short_or_overflows() {
        let mut random = Random::new(1);
        let mut none = Backoff::new(Duration::ZERO);
        assert!(none.next_pause(&mut random) >= PAUSE_MIN);
        let mut endless = Backoff::new(Duration::MAX);
        endless.next_pause(&mut random);
        endless.next_pause(&mut random);
    }
}
