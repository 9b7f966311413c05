//! The pace of a load: when each request is due.
//!
//! wrk2 made the point: a load that waits for an answer before it sends the next request does
//! not send during the answer's delay, and so hardly sees it (*coordinated omission*). In the
//! open loop here, a request has the time at which it is due, whatever became of the earlier
//! ones, and its latency counts from then.

use crate::time::Instant;
use std::time::Duration;

/// How requests follow each other.
///
/// ```
/// use eddyline::harness::Pace;
///
/// let (closed, open) = (Pace::Outstanding(64), Pace::Rate(10_000.0));
/// assert_ne!(closed, open);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// A closed loop: so many requests are outstanding, and each answer sends the next one.
    Outstanding(usize),
    /// An open loop: so many requests a second are due, whether or not answers come.
    Rate(f64),
}

/// The answer to: may a request be sent?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It was due at this time, and its latency counts from then.
    Due(Instant),
    /// Not before this time.
    At(Instant),
    /// Not before an answer has come.
    AfterAnAnswer,
    /// No more: the load is over.
    Over,
}

/// A load that has begun.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) pace: Pace,
    pub(super) start: Instant,
    pub(super) end: Instant,
    /// How many requests were sent.
    pub(super) sent: u64,
}

impl Load {
    /// Decides.
    ///
    /// | pace | state | answer |
    /// |---|---|---|
    /// | closed | the end has come | over |
    /// | closed | fewer are outstanding than there may be | due now |
    /// | closed | as many are outstanding | after an answer |
    /// | open | the next one would be due at the end or later | over |
    /// | open | the next one is due | due at its own time |
    /// | open | it is not due yet | at its time |
    pub(super) fn next(&self, now: Instant, outstanding: usize) -> Next {
        match self.pace {
            Pace::Outstanding(_) if now >= self.end => Next::Over,
            Pace::Outstanding(limit) if outstanding < limit => Next::Due(now),
            Pace::Outstanding(_) => Next::AfterAnAnswer,
            Pace::Rate(rate) => {
                let due = self.start + Duration::from_secs_f64(self.sent as f64 / rate);
                match due {
                    due if due >= self.end => Next::Over,
                    due if due <= now => Next::Due(due),
                    due => Next::At(due),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_table() {
        let at = Instant::from_millis;
        let load = |pace, sent| Load {
            pace,
            start: at(1000),
            end: at(2000),
            sent,
        };
        let (closed, open) = (Pace::Outstanding(2), Pace::Rate(100.0));
        for (pace, sent, now, outstanding, expected) in [
            (closed, 9, 2000, 0, Next::Over),
            (closed, 9, 1999, 1, Next::Due(at(1999))),
            (closed, 9, 1999, 2, Next::AfterAnAnswer),
            (open, 100, 1500, 0, Next::Over),
            // Due at 1990, and still to be sent after the end: its delay must be seen.
            (open, 99, 5000, 70, Next::Due(at(1990))),
            (open, 7, 1069, 0, Next::At(at(1070))),
        ] {
            let found = load(pace, sent).next(at(now), outstanding);
            assert_eq!(found, expected, "{pace:?}, {sent} sent, at {now}");
        }
    }
}
