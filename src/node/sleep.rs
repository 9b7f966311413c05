//! Futures that wait for time to pass: once ([`Sleep`]) or at an interval ([`Interval`]).
//!
//! Made by [`Context::sleep`](super::Context::sleep) and
//! [`Context::every`](super::Context::every); retries use them too.
//!
//! Read next: `timers`, the wheel and the clock behind them.

use super::shared::Shared;
use crate::time::{Instant, TimerId};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

/// Waits until a deadline; made by [`Context::sleep`](super::Context::sleep).
///
/// It never ends early. It ends up to two milliseconds late, because the wheel and epoll
/// both round up to a millisecond. While input is waiting, which the loop serves first, it
/// ends up to 20 ms late. Dropping it disarms its timer.
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
    shared: Rc<Shared>,
    deadline: Instant,
    /// `None` until the first poll.
    timer: Option<TimerId>,
    counting: Counting,
}

/// Whether the task that awaits a sleep counts as one that sleeps.
#[derive(Clone, Copy)]
enum Counting {
    /// It does, from the first poll on.
    Wanted,
    /// It does. The slot of the task.
    Counted(u32),
    /// It does not, or does no more.
    Not,
}

impl Sleep {
    pub(super) fn until(shared: Rc<Shared>, deadline: Instant) -> Sleep {
        Sleep {
            shared,
            deadline,
            timer: None,
            counting: Counting::Wanted,
        }
    }

    /// A sleep inside a call: its task waits for a reply.
    pub(super) fn inside_a_call(shared: Rc<Shared>, deadline: Instant) -> Sleep {
        let mut sleep = Sleep::until(shared, deadline);
        sleep.counting = Counting::Not;
        sleep
    }

    fn end_counting(&mut self) {
        if let Counting::Counted(slot) = self.counting {
            self.shared.waits().end_sleep(slot);
            self.counting = Counting::Not;
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let timers = self.shared.timers();
        let Some(timer) = self.timer else {
            // A deadline in the past is due in the next turn, so that even a sleep of zero
            // lets other tasks run. Without a timer the task is ended and not polled again.
            self.timer = timers.arm_wake(self.deadline, cx.waker());
            if let Counting::Wanted = self.counting {
                self.counting = Counting::Counted(self.shared.waits().begin_sleep());
            }
            return Poll::Pending;
        };
        if timers.point_at(timer, cx.waker()) {
            Poll::Pending
        } else {
            self.end_counting();
            Poll::Ready(())
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.end_counting();
        if let Some(timer) = self.timer {
            self.shared.timers().disarm(timer);
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
    shared: Rc<Shared>,
    period: Duration,
    next: Instant,
}

impl Interval {
    pub(super) fn new(shared: Rc<Shared>, period: Duration) -> Interval {
        // With a period of zero the loop would never wait.
        let period = period.max(Duration::from_millis(1));
        let next = shared.timers().now() + period;
        Interval {
            shared,
            period,
            next,
        }
    }

    /// Waits for the next tick.
    ///
    /// Missed ticks are left out. After a pause of the process, or after long work between
    /// two ticks, one tick comes, and not a burst.
    pub async fn tick(&mut self) {
        Sleep::until(self.shared.clone(), self.next).await;
        let late = self.shared.timers().now().since(self.next).as_nanos();
        let missed = late / self.period.as_nanos();
        let periods = u32::try_from(missed + 1).unwrap_or(u32::MAX);
        self.next = self.next + self.period.saturating_mul(periods);
    }
}
