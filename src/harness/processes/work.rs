//! How much one turn does.

use crate::time::Instant;
use std::time::Duration;

/// How long a turn takes new work from its sources, and again as long from its timers: 50 ms.
/// Only between turns are the clock, an interrupt and the load looked at. Bytes would be no
/// bound: a short request to a service can ask for a long value, or merge many keys.
pub(super) const WORK_MAX: Duration = Duration::from_millis(50);

/// Work of a turn: lines of nodes, or messages that are due.
///
/// | pieces done | time since the work began | the next piece |
/// |---|---|---|
/// | none | any | is done, so that each turn gets on |
/// | some | less than the bound | is done |
/// | some | the bound, or more | stays where it is until the next turn |
///
/// A line stays in its node's buffer, and its source is carried over. A message stays due.
#[derive(Debug)]
pub(super) struct Work {
    until: Instant,
    has_begun: bool,
}

impl Work {
    pub(super) fn begin(now: Instant, max: Duration) -> Work {
        Work {
            until: now + max,
            has_begun: false,
        }
    }

    /// Whether the next piece waits for the next turn.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.has_begun && now >= self.until
    }

    /// A piece is done.
    pub(super) fn count(&mut self) {
        self.has_begun = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_at_its_bound_and_not_before_its_first_piece() {
        let rows = [
            (0, 0, false),
            (0, 1_000, false),
            (1, 0, false),
            (1, 49, false),
            (1, 50, true),
            (7, 1_000, true),
        ];
        for (pieces, millis, expected) in rows {
            let mut work = Work::begin(Instant::from_millis(5), WORK_MAX);
            (0..pieces).for_each(|_| work.count());
            let now = Instant::from_millis(5 + millis);
            assert_eq!(work.is_over(now), expected, "{pieces} pieces, {millis} ms");
        }
    }
}
