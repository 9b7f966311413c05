//! Tasks that were spawned and have not started.

use crate::protocol::{Error, Result};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;

/// How many tasks may wait to start: 131,072, as many as may run. They start in the
/// turn in which they were spawned, or when others have ended; so whoever gets
/// here spawns in a loop, and without a bound would fill the memory.
///
/// ```
/// # fn begin(cx: eddyline::Context) -> eddyline::Result<()> {
/// use eddyline::session::SPAWNED_MAX;
/// for _ in 0..=SPAWNED_MAX {
///     cx.try_spawn(async { Ok(()) })?; // the last time, error 11
/// }
/// # Ok(())
/// # }
/// ```
pub const SPAWNED_MAX: usize = 1 << 17;

/// A task beside the handlers.
pub(crate) type Task = Pin<Box<dyn Future<Output = Result<()>>>>;

/// The tasks that wait to start, in the order in which they were spawned.
#[derive(Default)]
pub(super) struct Spawned {
    queue: RefCell<VecDeque<Task>>,
    /// Tasks that were dropped and that nobody was told of yet.
    dropped: Cell<u64>,
}

impl Spawned {
    /// Takes a task in, or gives it back with error 11.
    pub(super) fn push(&self, task: Task) -> std::result::Result<(), (Task, Error)> {
        let mut queue = self.queue.borrow_mut();
        if queue.len() >= SPAWNED_MAX {
            let error = Error::temporarily_unavailable(format!(
                "{SPAWNED_MAX} tasks wait to start already; try again later"
            ));
            return Err((task, error));
        }
        queue.push_back(task);
        Ok(())
    }

    pub(super) fn pop(&self) -> Option<Task> {
        self.queue.borrow_mut().pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.borrow().len()
    }

    /// Counts a task that nobody will run.
    pub(super) fn count_dropped(&self) {
        self.dropped.set(self.dropped.get() + 1);
    }

    /// How many were dropped since the last time: one line for all of them, for a
    /// loop that spawns too many makes thousands.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.take()
    }
}
