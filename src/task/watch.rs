//! The watch: it finds a poll that holds the loop.
//!
//! A handler that computes or blocks between two `.await`s stops everything else. Its author should
//! be told which handler it was. To read the clock around each poll would cost an echo one part in
//! forty. So a clock ticks on the other side:
//!
//! ```text
//!   watchdog thread, every TICK       loop, after each poll           loop, after each wait
//!   ticks += 1                        if ticks > 0: look, ticks = 0   ticks = 0
//! ```
//!
//! A poll after which many ticks are found has held the loop for that long: each earlier poll, and
//! each wait, has set the count to zero. So a single offender among thousands of polls is named. A
//! poll costs a load and a branch that is nearly never taken.
//!
//! Two other designs were weighed. Node.js' libraries arm a timer and measure how late it fires, and
//! a turn could be timed in the same way: without a thread, but it tells that the loop was held, and
//! not by which of the turn's handlers. tokio-console times every poll.
//!
//! A session on virtual time has no watchdog and no ticks, so nothing here changes its run. A process
//! that is stopped (SIGSTOP) is not blamed on a handler: its watchdog is stopped too. A stall of the
//! loop itself, as by a slow disk behind stdin, can be blamed on the handler that is polled next.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How many ticks have come since a poll or a wait has ended.
///
/// ```
/// use eddyline::task::Watch;
///
/// let watch = Watch::default();
/// watch.tick();
/// watch.tick();
/// assert_eq!(watch.take(), 2);
/// assert!(!watch.has_ticked());
/// ```
#[derive(Debug, Default)]
pub struct Watch {
    ticks: AtomicU32,
}

impl Watch {
    /// The time between two ticks: 25 ms. A poll is measured with this precision. 40 wakes a second
    /// of a thread that only counts take a few millionths of a processor.
    pub const TICK: Duration = Duration::from_millis(25);

    /// Counts a tick.
    pub fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a tick has come.
    #[inline]
    pub fn has_ticked(&self) -> bool {
        self.ticks.load(Ordering::Relaxed) != 0
    }

    /// Takes the count, and starts again from zero.
    pub fn take(&self) -> u32 {
        self.ticks.swap(0, Ordering::Relaxed)
    }

    /// Starts again from zero. A tick that comes at the same moment may be lost.
    #[inline]
    pub fn clear(&self) {
        self.ticks.store(0, Ordering::Relaxed);
    }
}
