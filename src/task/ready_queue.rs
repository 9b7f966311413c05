//! The ready queue: the tasks that were woken, and the wakers that fill it.
//!
//! A waker can be used on any thread. A wake on the loop's own thread only adds to
//! the queue, because the loop looks at the queue before it waits. A wake on another
//! thread may come while the loop waits in `epoll_wait`, and must end that wait.
//!
//! # Why no wake is lost
//!
//! Each side takes two steps, in this order:
//!
//! ```text
//!   loop, before a wait (park)               waker (push)
//!   L1  parked = true                        W1  add the task to the queue
//!   L2  is the queue empty? then wait        W2  was parked true? it is false now;
//!       else parked = false, no wait             write to the eventfd
//! ```
//!
//! The lock of the queue orders L2 and W1. Either comes first:
//!
//! - **W1 before L2.** The loop sees the task in L2 and does not wait.
//! - **L2 before W1.** Then L1 came before W2, so the waker sees `parked` and writes to
//!   the eventfd, which is registered with epoll. The write ends the wait. If the loop
//!   has finished L2 but is not in `epoll_wait` yet, the write comes before the wait.
//!   That is safe: the event of an eventfd stays with epoll until a wait takes it. So
//!   the next wait returns at once.
//!
//! Both can happen: the loop sees the task, and the waker writes to the eventfd as
//! well. Then one wait returns early without need.
//!
//! The order within each side matters. If the loop looked at the queue first and set
//! the flag afterwards, a waker could add its task and read the flag in between. The
//! loop would wait with a task in its queue.
//!
//! W2 swaps the flag to false, so the first wake of a wait makes the system call and
//! further ones do not. [`ReadyQueue::unpark`] clears the flag after the wait. A wake
//! after that only adds to the queue, where the turn or the next `park` finds it.
//!
//! The flags use SeqCst, the strongest order. A weaker one would be correct with the
//! lock as it is, but must be proved again with every change, and the gain is small.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Wake;

/// The tasks that were woken and not polled since, in the order of their wakes.
///
/// Wakers can be used from any thread, as every combinator expects, so the queue has
/// a lock. A wake while the loop waits calls the function given to
/// [`on_ring`](ReadyQueue::on_ring), which must end the wait. All other wakes cost
/// no system call.
///
/// ```
/// use eddyline::task::{Executor, ReadyQueue};
/// use std::sync::Arc;
///
/// let mut executor = Executor::new();
/// executor.start((), std::future::pending::<()>());
/// let queue: &Arc<ReadyQueue> = executor.ready_queue();
/// assert!(queue.is_empty()); // it waits, and was not woken
/// ```
#[derive(Default)]
pub struct ReadyQueue {
    slots: Mutex<VecDeque<u32>>,
    /// The loop waits, or is about to, and no wake has come since.
    parked: AtomicBool,
    /// Ends the wait. In the event loop it is mio's waker, which writes to an eventfd.
    ring: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl ReadyQueue {
    /// Sets the function that ends the wait of the loop. Only the first call counts.
    ///
    /// A call of the function before the wait begins must end that wait too.
    ///
    /// ```
    /// # use eddyline::task::ReadyQueue;
    /// # use std::sync::mpsc;
    /// let queue = ReadyQueue::default();
    /// let (wake, _waits) = mpsc::channel();
    /// queue.on_ring(move || _ = wake.send(()));
    /// ```
    pub fn on_ring(&self, ring: impl Fn() + Send + Sync + 'static) {
        let _already_named = self.ring.set(Box::new(ring));
    }

    /// Announces that the loop is about to wait. Returns false if a task is ready: then
    /// the loop must not wait.
    ///
    /// From here until [`unpark`](ReadyQueue::unpark) a wake ends the wait, or keeps
    /// it from beginning.
    ///
    /// ```
    /// let queue = eddyline::task::ReadyQueue::default();
    /// if queue.park() {
    ///     // … wait for readiness, or for the function given to `on_ring` …
    /// }
    /// queue.unpark();
    /// ```
    pub fn park(&self) -> bool {
        // This order keeps wakes from being lost: see the page of this file.
        self.parked.store(true, Ordering::SeqCst);
        let is_idle = self.is_empty();
        if !is_idle {
            self.unpark();
        }
        is_idle
    }

    /// Announces that the wait is over: from here on a wake only adds to the queue.
    pub fn unpark(&self) {
        self.parked.store(false, Ordering::SeqCst);
    }

    /// Whether no task is ready.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// How many tasks are ready.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn pop(&self) -> Option<u32> {
        self.lock().pop_front()
    }

    fn push(&self, slot: u32) {
        // This order, too.
        self.lock().push_back(slot);
        if self.parked.swap(false, Ordering::SeqCst)
            && let Some(ring) = self.ring.get()
        {
            ring();
        }
    }

    /// Whether the loop is parked, and the slots in the queue.
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn snapshot(&self) -> (bool, Vec<u32>) {
        let parked = self.parked.load(Ordering::SeqCst);
        (parked, self.lock().iter().copied().collect())
    }

    /// No code panics while it holds the lock, so a poisoned queue is whole.
    fn lock(&self) -> MutexGuard<'_, VecDeque<u32>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker of a slot, shared by all tasks that run in the slot one after another.
/// That saves an allocation for each task. A waker that is kept after the end of its
/// task costs the next task a spurious poll, which every future must accept.
pub(super) struct SlotWaker {
    slot: u32,
    /// The slot is in the queue. Further wakes do not add it again.
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

    /// Called when the slot leaves the queue, before its poll. A wake during the poll
    /// adds the slot again, so it is not missed.
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
        queue.on_ring(move || {
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
