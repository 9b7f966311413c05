//! The moments of a turn at which the loop is looked at.

use crate::reactor::Token;
use crate::source::{Progress, Readiness};
use crate::time::Instant;
use std::time::Duration;

/// A moment of a turn, with the facts that no snapshot has.
///
/// | step | moment | when |
/// |---|---|---|
/// | 1. wait | `Waits` | before the wait, when its timeout is known |
/// | | `Waited` | after it |
/// | 2. clock | `Clock` | the clock was read |
/// | 3. deliver | `Served` | a source has answered, and the answer was applied |
/// | 4. expire | `Expired` | the timers that were due have fired |
/// | 6. flush | `Flushed` | the outputs were written |
/// | | `Phase` | the phase has changed |
/// | 7. close | `Closed` | the finished sources were closed |
///
/// In step 5, and where a line starts a handler in step 3, the host tells of each poll.
pub(crate) enum Moment {
    Waits {
        timeout: Option<Duration>,
        reason: &'static str,
    },
    Waited {
        turn: u64,
    },
    Clock,
    Served {
        token: Token,
        readiness: Readiness,
        progress: Progress,
    },
    Expired {
        due_by: Instant,
        now: Instant,
    },
    Flushed,
    Phase,
    Closed,
}
