//! The queue of tasks that were woken, and the wakers that fill it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Wake;

/// The tasks that were woken and not polled since, first come first served.
///
/// Wakers may be used from any thread, as every combinator expects, so the
/// queue has a lock. On the loop's own thread it is never contended. A wake
/// from another thread while the loop waits for readiness must end that wait:
/// it calls the function given to [`on_unpark`](ReadyQueue::on_unpark), and
/// only then, so that the loop's own wakes cost no system call.
///
/// ```
/// use eddyline::task::{Executor, ReadyQueue};
/// use std::sync::Arc;
///
/// let mut executor = Executor::new();
/// executor.start((), std::future::pending::<()>());
/// let queue: &Arc<ReadyQueue> = executor.ready_queue();
/// assert!(queue.is_empty()); // it waits, and nobody has woken it
/// ```
#[derive(Default)]
pub struct ReadyQueue {
    slots: Mutex<VecDeque<u32>>,
    /// The loop is about to wait, or waits.
    parked: AtomicBool,
    unpark: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl ReadyQueue {
    /// Names what ends the loop's wait; the first one named stays.
    ///
    /// ```
    /// # use eddyline::task::ReadyQueue;
    /// # use std::sync::mpsc;
    /// let queue = ReadyQueue::default();
    /// let (wake, _waits) = mpsc::channel();
    /// queue.on_unpark(move || _ = wake.send(()));
    /// ```
    pub fn on_unpark(&self, unpark: impl Fn() + Send + Sync + 'static) {
        let _already_named = self.unpark.set(Box::new(unpark));
    }

    /// Says that the loop is about to wait. Returns false, and the loop must not
    /// wait, when a task is ready already.
    ///
    /// The flag is set before the queue is looked at, and a waker pushes before
    /// it looks at the flag: one of the two sees the other.
    ///
    /// ```
    /// let queue = eddyline::task::ReadyQueue::default();
    /// if queue.park() {
    ///     // … wait for readiness, or for what `on_unpark` was told …
    /// }
    /// queue.unpark();
    /// ```
    pub fn park(&self) -> bool {
        self.parked.store(true, Ordering::SeqCst);
        let idle = self.is_empty();
        if !idle {
            self.unpark();
        }
        idle
    }

    /// Says that the loop's wait is over.
    ///
    /// ```
    /// let queue = eddyline::task::ReadyQueue::default();
    /// assert!(queue.park());
    /// queue.unpark(); // from here on a wake only fills the queue
    /// ```
    pub fn unpark(&self) {
        self.parked.store(false, Ordering::SeqCst);
    }

    /// Whether no task is ready.
    ///
    /// ```
    /// assert!(eddyline::task::ReadyQueue::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// How many tasks are ready.
    ///
    /// ```
    /// assert_eq!(eddyline::task::ReadyQueue::default().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn pop(&self) -> Option<u32> {
        self.lock().pop_front()
    }

    fn push(&self, slot: u32) {
        self.lock().push_back(slot);
        if self.parked.swap(false, Ordering::SeqCst)
            && let Some(unpark) = self.unpark.get()
        {
            unpark();
        }
    }

    /// Nothing panics while the lock is held, so a poisoned one is whole.
    fn lock(&self) -> MutexGuard<'_, VecDeque<u32>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker of a slot. It outlives the tasks that come and go in the slot: one
/// that is kept for too long costs the next task a spurious poll, which every
/// future must bear, and saves an allocation for each task.
pub(super) struct SlotWaker {
    slot: u32,
    /// The slot is in the queue, and a second wake would be one too many.
    queued: AtomicBool,
    queue: Arc<ReadyQueue>,
}

impl SlotWaker {
    pub(super) fn new(slot: u32, queue: Arc<ReadyQueue>) -> Arc<SlotWaker> {
        Arc::new(SlotWaker {
            slot,
            queued: AtomicBool::new(false),
            queue,
        })
    }

    /// Called before the poll, so that a wake during it counts for the next.
    pub(super) fn taken_from_queue(&self) {
        self.queued.store(false, Ordering::SeqCst);
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<SlotWaker>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<SlotWaker>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.queue.push(self.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_wake_ends_the_wait_once_and_only_while_parked() {
        let queue = Arc::new(ReadyQueue::default());
        let unparked = Arc::new(AtomicUsize::new(0));
        let count = unparked.clone();
        queue.on_unpark(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let wakers: Vec<_> = (0..3)
            .map(|slot| SlotWaker::new(slot, queue.clone()))
            .collect();
        wakers[0].wake_by_ref();
        assert_eq!(unparked.load(Ordering::SeqCst), 0);
        assert!(!queue.park(), "a task is ready");
        assert_eq!(queue.pop(), Some(0));
        assert!(queue.park());
        wakers[1].wake_by_ref();
        wakers[2].wake_by_ref();
        wakers[2].wake_by_ref();
        assert_eq!(unparked.load(Ordering::SeqCst), 1);
        assert_eq!(queue.len(), 2);
    }
}
