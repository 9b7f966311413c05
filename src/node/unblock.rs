//! Work that blocks or takes long, away from the loop; made by
//! [`Context::unblock`](super::Context::unblock).
//!
//! ```text
//!   node's thread                       another thread
//!   unstarted ── first poll ──> queued ──> running ──> ended
//!       │                         │           │          │ waker
//!       │ dropped                 │ dropped   │ dropped  └──────> done
//!       v                         v           v
//!   never runs                never runs   runs to its end; its result is dropped
//! ```
//!
//! As in the crate `blocking` and in tokio's `spawn_blocking`, a closure that runs cannot be stopped.
//! Unlike theirs, the queue is bounded.
//!
//! Read next: `task/threads.rs`, and `runtime/thread_pool.rs`, the threads of a process.

use super::shared::Shared;
use crate::notices::Topic;
use crate::protocol::{Error, Result};
use crate::task::{Panic, catch};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll, Waker};

/// A closure that runs on another thread; made by [`Context::unblock`](super::Context::unblock), where
/// its rules are.
///
/// ```
/// # use eddyline::{Context, Unblock};
/// fn digest(cx: &Context, data: Vec<u8>) -> Unblock<u64> {
///     cx.unblock(move || data.iter().map(|&byte| u64::from(byte)).sum())
/// }
/// ```
#[must_use = "the closure runs only when this is awaited"]
pub struct Unblock<T> {
    shared: Rc<Shared>,
    state: State<T>,
}

/// The node's side. See the picture above.
enum State<T> {
    Unstarted(Box<dyn FnOnce() -> T + Send>),
    Started(Started<T>),
    Done,
}

/// A closure that was handed to the threads. Until it has ended, or is dropped, its task counts as one
/// that sleeps: it goes on without another message.
struct Started<T> {
    slot: Arc<Slot<T>>,
    shared: Rc<Shared>,
    /// The slot of the task, for the count.
    sleeper: u32,
}

/// The place where the closure's thread leaves the result.
struct Slot<T>(Mutex<Progress<T>>);

enum Progress<T> {
    /// Queued or running.
    Awaited(Waker),
    Ended(std::result::Result<T, Box<Panic>>),
    /// The future is gone, or has taken the result.
    Unwanted,
}

impl<T> Slot<T> {
    /// No code of an author runs under the lock, so a poisoned value is whole.
    fn lock(&self) -> MutexGuard<'_, Progress<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the progress so far. The caller drops it without the lock.
    fn replace(&self, progress: Progress<T>) -> Progress<T> {
        std::mem::replace(&mut *self.lock(), progress)
    }

    /// Runs on the other thread.
    fn run(&self, closure: Box<dyn FnOnce() -> T + Send>) {
        if matches!(*self.lock(), Progress::Unwanted) {
            return;
        }
        let outcome = catch(closure);
        if let Progress::Awaited(waker) = self.replace(Progress::Ended(outcome)) {
            waker.wake();
        }
    }

    /// The outcome, if the closure has ended. Otherwise `waker` is woken when it has.
    fn poll(&self, waker: &Waker) -> Poll<std::result::Result<T, Box<Panic>>> {
        let mut progress = self.lock();
        match std::mem::replace(&mut *progress, Progress::Unwanted) {
            Progress::Ended(outcome) => Poll::Ready(outcome),
            Progress::Awaited(_) | Progress::Unwanted => {
                *progress = Progress::Awaited(waker.clone());
                Poll::Pending
            }
        }
    }
}

impl<T: Send + 'static> Unblock<T> {
    pub(super) fn new(shared: Rc<Shared>, closure: impl FnOnce() -> T + Send + 'static) -> Self {
        Unblock {
            shared,
            state: State::Unstarted(Box::new(closure)),
        }
    }

    fn start(
        &self,
        closure: Box<dyn FnOnce() -> T + Send>,
        waker: &Waker,
    ) -> std::result::Result<Started<T>, String> {
        let slot = Arc::new(Slot(Mutex::new(Progress::Awaited(waker.clone()))));
        let other_side = slot.clone();
        let threads = self.shared.threads();
        threads.run(Box::new(move || other_side.run(closure)))?;
        let shared = self.shared.clone();
        let sleeper = shared.waits().begin_sleep();
        Ok(Started {
            slot,
            shared,
            sleeper,
        })
    }
}

impl<T: Send + 'static> Future for Unblock<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let started = match std::mem::replace(&mut self.state, State::Done) {
            State::Started(started) => started,
            State::Unstarted(closure) => match self.start(closure, cx.waker()) {
                Ok(started) => started,
                Err(reason) => {
                    let text = format!("{reason}; try again later");
                    return Poll::Ready(Err(Error::temporarily_unavailable(text)));
                }
            },
            State::Done => {
                let text = "an unblocked closure was polled after its end";
                return Poll::Ready(Err(Error::crash(text)));
            }
        };
        match started.slot.poll(cx.waker()) {
            Poll::Pending => {
                self.state = State::Started(started);
                Poll::Pending
            }
            Poll::Ready(Ok(value)) => Poll::Ready(Ok(value)),
            Poll::Ready(Err(panic)) => {
                self.shared
                    .notice(Topic::Failure, format_args!("a closure of unblock {panic}"));
                let text = format!("a closure of unblock panicked: {}", panic.message);
                Poll::Ready(Err(Error::crash(text)))
            }
        }
    }
}

impl<T> Drop for Started<T> {
    fn drop(&mut self) {
        let _dropped_without_the_lock = self.slot.replace(Progress::Unwanted);
        self.shared.waits().end_sleep(self.sleeper);
    }
}
