//! How much one turn does.

use crate::time::Instant;
use std::time::Duration;

/// How long a turn takes new work from its sources, and again as long from its timers: 50 ms.
/// Only between turns are the clock, an interrupt and the load looked at. Bytes would be no
/// bound: a short request to a service can ask for a long value, or merge many keys.
pub(super) const WORK_MAX: Duration = Duration::from_millis(50);

/// After work of this weight the clock is read: 16 short messages. To read it after each would
/// cost a tenth of a message between nodes.
const LOOK_WEIGHT: usize = 16;

/// The bytes of a message that weigh as much as a short message.
const BYTES_OF_WEIGHT: usize = 256;

/// Work of a turn: lines of nodes, or messages that are due.
///
/// | the clock was last read | it has shown | the next piece |
/// |---|---|---|
/// | less than a weight of 16 ago | less than the bound | is done |
/// | longer ago, so it is read now | less than the bound | is done |
/// | | the bound, or more | stays where it is until the next turn |
///
/// The first piece of a turn is always done, so that each turn gets on. A line stays in its node's
/// buffer, and its source is carried over. A message stays due.
#[derive(Debug)]
pub(super) struct Work {
    until: Instant,
    /// The weight of the work since the clock was read.
    unseen: usize,
    is_over: bool,
}

impl Work {
    pub(super) fn begin(now: Instant, max: Duration) -> Work {
        Work {
            until: now + max,
            unseen: 0,
            is_over: false,
        }
    }

    /// Whether the next piece waits for the next turn.
    pub(super) fn is_over(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.unseen >= LOOK_WEIGHT {
            self.unseen = 0;
            self.is_over = now() >= self.until;
        }
        self.is_over
    }

    /// A message of so many bytes was taken or delivered.
    pub(super) fn count(&mut self, bytes: usize) {
        self.unseen += 1 + bytes / BYTES_OF_WEIGHT;
    }

    /// A service was asked, which can take long. The clock is read next.
    pub(super) fn count_service(&mut self) {
        self.unseen += LOOK_WEIGHT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether work is over after so many pieces, when the clock shows that time.
    fn is_over(pieces: usize, bytes: usize, millis: u64) -> bool {
        let mut work = Work::begin(Instant::from_millis(5), WORK_MAX);
        (0..pieces).for_each(|_| work.count(bytes));
        let is_over = work.is_over(|| Instant::from_millis(5 + millis));
        // It stays so without another look.
        assert_eq!(work.is_over(|| Instant::from_millis(0)), is_over);
        is_over
    }

    #[test]
    fn work_ends_at_its_bound_and_not_before_its_first_piece() {
        let long = LOOK_WEIGHT * BYTES_OF_WEIGHT;
        for (pieces, bytes, millis, expected) in [
            (0, 0, 1_000, false),
            (1, 0, 1_000, false),
            (15, 0, 1_000, false),
            (16, 0, 49, false),
            (16, 0, 50, true),
            (1, long, 49, false),
            (1, long, 50, true),
        ] {
            let found = is_over(pieces, bytes, millis);
            assert_eq!(found, expected, "{pieces} of {bytes} bytes, {millis} ms");
        }
        let mut work = Work::begin(Instant::from_millis(5), WORK_MAX);
        work.count_service();
        assert!(work.is_over(|| Instant::from_millis(55)));
    }
}
