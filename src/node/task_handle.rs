//! Tasks beside the handlers, and the handles with which their authors await or abort them.
//!
//! Made by [`Context::spawn`](super::Context::spawn).
//!
//! ```text
//!             ends, panics, is refused, is aborted                 awaited
//!   running ───────────────────────────────────────> ended ───────────────────> taken
//!      │                                               │
//!      │ handle dropped                                │ handle dropped: an error that was not
//!      v                                               v awaited is logged
//!   detached ──> the host logs an error              (removed)
//! ```
//!
//! As in tokio, dropping a handle lets its task run, and an aborted task is dropped when the executor
//! polls it next, not inside [`abort`](TaskHandle::abort). So its destructors run in a poll of
//! their own, and the code between two `.await`s stays atomic. Unlike in tokio, an error that no
//! handle takes is never silent.
//!
//! Invariant: an error of a task is either awaited or logged, and not both. A panic is always logged.
//!
//! Read next: `shared`, the queue of tasks that wait to start.

use super::shared::Shared;
use super::timers::too_many_timers;
use crate::protocol::{Error, Result};
use std::cell::Cell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};

/// A task that was spawned by [`Context::spawn`](super::Context::spawn).
///
/// - **Await it** for the result of the task. Its error is then yours, and is not logged.
/// - **[`abort`](TaskHandle::abort)** it to end the task early.
/// - **Drop it** to let the task run. An error of the task is then logged.
///
/// Awaiting ends with one of these:
///
/// | the task | the handle |
/// |---|---|
/// | ended | its result |
/// | panicked | error 13. The log has the panic |
/// | was aborted | error 13 |
/// | was dropped, because [`SPAWNED_MAX`](crate::session::SPAWNED_MAX) tasks were waiting to start | error 11 |
/// | was ended, because [`TIMERS_MAX`](crate::session::TIMERS_MAX) timers were armed | error 11. The log has it too |
///
/// A task that awaits its own handle waits for ever.
///
/// ```
/// # use eddyline::{Context, Request, Result};
/// # use serde_json::json;
/// # use std::time::Duration;
/// # async fn tally(cx: Context, request: Request) -> Result<()> {
/// let context = cx.clone();
/// let count = cx.spawn_returning(async move {
///     let reply = context.sync_rpc("n2", "count", &()).await?;
///     Ok(reply.body::<serde_json::Value>()?["count"].as_u64().unwrap_or(0))
/// });
/// let beacon = cx.clone();
/// let beats = cx.spawn(async move {
///     loop {
///         beacon.sleep(Duration::from_millis(50)).await;
///         beacon.send("n3", "counting", &())?;
///     }
/// });
/// let count = count.await; // the beats go on meanwhile
/// beats.abort();
/// cx.reply(&request, &json!({ "count": count? }))
/// # }
/// ```
pub struct TaskHandle<T = ()> {
    shared: Rc<Shared>,
    link: Rc<Link<T>>,
}

/// The common knowledge of a task and its handle.
struct Link<T> {
    state: Cell<State<T>>,
    is_aborted: Cell<bool>,
    /// The waker of the task, from its first poll to its end.
    task: Cell<Option<Waker>>,
    /// The waker of the task that awaits the handle.
    awaiter: Cell<Option<Waker>>,
}

/// See the picture above. The four variants in the middle are its `ended`.
enum State<T> {
    Running,
    Detached,
    Ended(Result<T>),
    Aborted,
    /// It never started: too many tasks were waiting.
    Refused,
    /// Its host ended it, and has logged why.
    Lost(Error),
    Taken,
}

impl<T: 'static> TaskHandle<T> {
    /// Gives a task to the executor.
    pub(super) fn spawn(
        shared: Rc<Shared>,
        task: impl Future<Output = Result<T>> + 'static,
    ) -> TaskHandle<T> {
        let link = Rc::new(Link {
            state: Cell::new(State::Running),
            is_aborted: Cell::new(false),
            task: Cell::new(None),
            awaiter: Cell::new(None),
        });
        let running = Running {
            shared: shared.clone(),
            link: link.clone(),
        };
        if shared.try_spawn(Box::pin(run(task, running))).is_err() {
            link.state.set(State::Refused);
        }
        TaskHandle { shared, link }
    }
}

impl<T> TaskHandle<T> {
    /// Ends the task. It is not polled any more, and is dropped with its timers and its calls before
    /// the turn ends. Awaiting the handle waits for that, and ends with error 13.
    ///
    /// - A task that has not started never starts.
    /// - A task that aborts itself runs to its next `.await` that waits. If it ends before that, its
    ///   result counts.
    /// - A second abort, and one after the end of the task, changes nothing.
    ///
    /// ```
    /// # use eddyline::{Context, Error, Result};
    /// # use std::time::Duration;
    /// # async fn watch(cx: Context) -> Result<()> {
    /// let watched = cx.clone();
    /// let alarm = cx.spawn(async move {
    ///     watched.sleep(Duration::from_millis(300)).await;
    ///     Err(Error::timeout("no heartbeat for 300 ms"))
    /// });
    /// cx.sync_rpc("n2", "heartbeat", &()).await?;
    /// alarm.abort(); // its timer is disarmed
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort(&self) {
        self.link.is_aborted.set(true);
        // Without a waker it has ended, or has not started and looks when it does.
        self.link.task.take().into_iter().for_each(Waker::wake);
    }

    /// Whether the task has ended, so that awaiting the handle does not wait.
    pub fn is_finished(&self) -> bool {
        let state = self.link.state.replace(State::Taken);
        let is_finished = !matches!(state, State::Running);
        self.link.state.set(state);
        is_finished
    }

    /// The error of a task that was refused, for a caller that has not taken the handle yet.
    pub(super) fn into_accepted(self) -> Result<TaskHandle<T>> {
        match self.link.state.replace(State::Taken) {
            State::Refused => Err(Shared::too_many_spawned()),
            state => {
                self.link.state.set(state);
                Ok(self)
            }
        }
    }
}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        Poll::Ready(match self.link.state.replace(State::Taken) {
            state @ (State::Running | State::Detached) => {
                self.link.state.set(state);
                self.link.awaiter.set(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            State::Ended(outcome) => outcome,
            State::Aborted => Err(Error::crash("the task was aborted before its end")),
            State::Refused => Err(Shared::too_many_spawned()),
            State::Lost(error) => Err(error),
            State::Taken => Err(Error::crash("a task's handle was polled after its end")),
        })
    }
}

impl<T> Drop for TaskHandle<T> {
    fn drop(&mut self) {
        match self.link.state.replace(State::Taken) {
            State::Running => self.link.state.set(State::Detached),
            State::Ended(Err(error)) => self.shared.log_failed_task(&error),
            State::Refused => self.shared.count_dropped_task(),
            State::Detached | State::Ended(Ok(_)) => {}
            State::Aborted | State::Lost(_) | State::Taken => {}
        }
    }
}

/// The task's side of its link. It belongs to the task's future, and is dropped with it.
struct Running<T> {
    shared: Rc<Shared>,
    link: Rc<Link<T>>,
}

/// The future that the executor polls. Its error is the host's to log.
async fn run<T>(task: impl Future<Output = Result<T>>, running: Running<T>) -> Result<()> {
    let outcome = {
        // Dropped at the end of this block: all that the task held is gone when its handle ends.
        let mut task = pin!(task);
        std::future::poll_fn(|cx| running.poll(task.as_mut(), cx)).await
    };
    running.link.task.take();
    match outcome {
        None => running.link.end(State::Aborted),
        Some(outcome) => running.link.end(State::Ended(outcome)),
    }
}

impl<T> Running<T> {
    /// Polls the task: `None` if it was aborted.
    fn poll<F>(&self, task: Pin<&mut F>, cx: &mut TaskContext<'_>) -> Poll<Option<Result<T>>>
    where
        F: Future<Output = Result<T>>,
    {
        if self.link.is_aborted.get() {
            return Poll::Ready(None);
        }
        self.link.task.set(Some(cx.waker().clone()));
        let polled = task.poll(cx).map(Some);
        if polled.is_pending() && self.link.is_aborted.get() {
            return Poll::Ready(None); // it aborted itself
        }
        polled
    }
}

impl<T> Drop for Running<T> {
    /// Ends the handle of a task that did not come to its end: it panicked, its host ended it, or
    /// the node is dropped.
    fn drop(&mut self) {
        self.link.task.take();
        let error = if std::thread::panicking() {
            Error::crash("the task panicked; the log has its message")
        } else if self.shared.timers().task_overran() {
            too_many_timers()
        } else {
            Error::crash("the task was dropped before its end")
        };
        // Without a handle nothing is left to do: the host has logged it.
        let _logged = self.link.end(State::Lost(error));
    }
}

impl<T> Link<T> {
    /// Enters the state in which the task ends, unless it has one already. Returns an error that no
    /// handle is left to take.
    fn end(&self, ended: State<T>) -> Result<()> {
        match (self.state.replace(State::Taken), ended) {
            (State::Running, ended) => {
                self.state.set(ended);
                self.awaiter.take().into_iter().for_each(Waker::wake);
                Ok(())
            }
            (State::Detached, State::Ended(outcome)) => outcome.map(drop),
            (known, _) => {
                self.state.set(known);
                Ok(())
            }
        }
    }
}
