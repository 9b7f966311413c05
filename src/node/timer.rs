//! Waiting for time to pass: once, or again and again.

use super::core::Core;
use crate::time::{Instant, TimerId};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

/// Waits until a deadline; made by [`Context::sleep`](super::Context::sleep).
/// Never early, late by up to a millisecond. Dropping it disarms it.
///
/// A task that sleeps while [`TIMERS_MAX`](crate::session::TIMERS_MAX) timers are
/// armed ends there, with error 11.
///
/// ```
/// # use {eddyline::Context, futures_util::future::{Either, select}, std::time::Duration};
/// # async fn race(cx: Context) -> bool {
/// let call = cx.sync_rpc("n2", "ping", &());
/// let sleep = cx.sleep(Duration::from_millis(20));
/// matches!(select(call, sleep).await, Either::Left(_)) // dropping both disarms both timers
/// # }
/// ```
#[must_use = "it waits only when awaited"]
pub struct Sleep {
    core: Rc<Core>,
    deadline: Instant,
    timer: Option<TimerId>,
}

impl Sleep {
    pub(crate) fn until(core: Rc<Core>, deadline: Instant) -> Sleep {
        Sleep {
            core,
            deadline,
            timer: None,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let armed = match self.timer {
            // Arming does not ask whether the deadline has passed: one in the
            // past is due in the next turn, and so even a sleep of zero lets
            // everybody else go first.
            None => {
                let timers = self.core.timers();
                self.timer = timers.arm_wake(self.deadline, cx.waker());
                // Without one the task is ended, and does not get here again.
                true
            }
            Some(timer) => self.core.timers().point_at(timer, cx.waker()),
        };
        if armed {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.core.timers().disarm(timer);
        }
    }
}

/// Ticks at an interval; made by [`Context::every`](super::Context::every).
///
/// ```
/// # async fn beat(cx: eddyline::Context) {
/// let mut ticks = cx.every(std::time::Duration::from_millis(50));
/// ticks.tick().await; // 50 ms from now
/// ticks.tick().await; // 100 ms from then, however long the work in between took
/// # }
/// ```
pub struct Interval {
    core: Rc<Core>,
    period: Duration,
    next: Instant,
}

impl Interval {
    pub(crate) fn new(core: Rc<Core>, period: Duration) -> Interval {
        // A period of zero would never let the loop wait.
        let period = period.max(Duration::from_millis(1));
        let next = core.timers().now() + period;
        Interval { core, period, next }
    }

    /// Waits for the next tick. Ticks that were missed, because the process was
    /// paused or the work between two ticks took long, are left out: after a
    /// pause comes one tick, not a burst.
    ///
    /// ```
    /// # async fn beat(cx: eddyline::Context) -> eddyline::Result<()> {
    /// let mut ticks = cx.every(std::time::Duration::from_millis(50));
    /// loop {
    ///     ticks.tick().await;
    ///     cx.log(format_args!("{:?}", cx.now()));
    /// }
    /// # }
    /// ```
    pub async fn tick(&mut self) {
        Sleep::until(self.core.clone(), self.next).await;
        let late = self.core.timers().now().since(self.next).as_nanos();
        let missed = late / self.period.as_nanos();
        let periods = u32::try_from(missed + 1).unwrap_or(u32::MAX);
        self.next = self.next + self.period.saturating_mul(periods);
    }
}
