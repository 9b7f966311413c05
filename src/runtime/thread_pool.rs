//! The threads of a process for closures that block: [`Context::unblock`](crate::Context::unblock).
//!
//! ```text
//!   run ──> queue ──┬──> thread 1: takes a closure, runs it, takes the next
//!                   ├──> thread 2
//!                   └──> … THREADS_MAX
//! ```
//!
//! A thread starts when a closure comes and none is idle, so a node without such closures has none.
//! An idle thread ends after a while. The crate `blocking` and tokio do the same with up to 500
//! threads: their closures may wait for each other. Here that is the author's responsibility.
//!
//! Invariants:
//! - `threads` is at most [`THREADS_MAX`], and `idle` of them wait for a closure.
//! - A closure waits only while as many threads run as may, or while one is on its way to it.
//!
//! At the end of the process closures that wait are dropped, and those that run are cut off.

use crate::task::{Threads, Work, catch};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How many closures run at once: 16. So many waits for a disk overlap well. For computations as many
/// as there are processors would be enough, and the system shares these out among more.
const THREADS_MAX: usize = 16;

/// How many closures may wait for a thread: 16,384, a thousand for each. If each takes 10 ms, the last
/// one waits for 10 s, longer than any client. One more ends with error 11.
const WAITING_MAX: usize = 1 << 14;

/// How long an idle thread waits for a closure before it ends: 5 s. To start one takes some 50 µs.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// The name of each thread, as `ps -L` shows it.
const NAME: &str = "eddyline-work";

pub(super) struct ThreadPool(Arc<Pool>);

struct Pool {
    queue: Mutex<Queue>,
    /// Notified when a closure comes, and at the end.
    changed: Condvar,
    idle_max: Duration,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

impl ThreadPool {
    pub(super) fn new() -> ThreadPool {
        ThreadPool::with_idle_max(IDLE_MAX)
    }

    fn with_idle_max(idle_max: Duration) -> ThreadPool {
        ThreadPool(Arc::new(Pool {
            queue: Mutex::default(),
            changed: Condvar::new(),
            idle_max,
        }))
    }
}

impl Threads for ThreadPool {
    fn run(&self, work: Work) -> Result<(), String> {
        let mut queue = self.0.lock();
        if queue.waiting.len() >= WAITING_MAX {
            return Err(format!(
                "{WAITING_MAX} closures are waiting for a thread already"
            ));
        }
        // An idle thread that was notified counts as idle until it has taken its closure.
        let is_served = queue.idle > queue.waiting.len();
        if !is_served && queue.threads < THREADS_MAX {
            let pool = self.0.clone();
            let started = thread::Builder::new()
                .name(NAME.to_owned())
                .spawn(move || pool.serve());
            match started {
                Ok(_detached) => queue.threads += 1,
                Err(error) if queue.threads == 0 => {
                    return Err(format!("no thread can be started: {error}"));
                }
                Err(_) => {} // the closure waits for one of the others
            }
        }
        queue.waiting.push_back(work);
        drop(queue);
        self.0.changed.notify_one();
        Ok(())
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.is_closed = true;
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        self.0.changed.notify_all();
        for work in waiting {
            // The author's values, so without the lock. Their destructors may panic.
            let _panic_at_the_end = catch(|| drop(work));
        }
    }
}

impl Pool {
    /// No code of an author runs under the lock, so a poisoned queue is whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread.
    fn serve(&self) {
        let mut queue = self.lock();
        loop {
            if let Some(work) = queue.waiting.pop_front() {
                drop(queue);
                // Its author's panic is caught inside, except that of a result that is dropped.
                let _panic_in_drop = catch(work);
                queue = self.lock();
            } else if queue.is_closed {
                break;
            } else {
                queue.idle += 1;
                let waited = self.changed.wait_timeout(queue, self.idle_max);
                let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                queue = woken;
                queue.idle -= 1;
                if timeout.timed_out() && queue.waiting.is_empty() {
                    break;
                }
            }
        }
        queue.threads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    /// A pool all of whose threads wait until the barrier is reached once more.
    fn full_pool() -> (ThreadPool, Arc<Barrier>) {
        let pool = ThreadPool::new();
        let barrier = Arc::new(Barrier::new(THREADS_MAX + 1));
        let (started, starts) = mpsc::channel();
        for _ in 0..THREADS_MAX {
            let (barrier, started) = (barrier.clone(), started.clone());
            let run = pool.run(Box::new(move || {
                started.send(()).unwrap();
                barrier.wait();
            }));
            run.unwrap();
        }
        (0..THREADS_MAX).for_each(|_| starts.recv().unwrap());
        (pool, barrier)
    }

    #[test]
    fn a_pool_has_no_thread_until_it_is_used_and_none_when_it_has_been_idle() {
        let pool = ThreadPool::with_idle_max(Duration::from_millis(20));
        assert_eq!(pool.0.lock().threads, 0);
        let (sender, receiver) = mpsc::channel();
        for number in 0..3 {
            let sender = sender.clone();
            pool.run(Box::new(move || sender.send(number).unwrap()))
                .unwrap();
            assert_eq!(receiver.recv(), Ok(number));
        }
        assert!(pool.0.lock().threads >= 1);
        while pool.0.lock().threads > 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn an_idle_thread_is_used_again() {
        let pool = ThreadPool::new();
        let (sender, receiver) = mpsc::channel();
        for _ in 0..100 {
            let is_idle = || {
                let queue = pool.0.lock();
                queue.idle == queue.threads
            };
            while !is_idle() {
                thread::yield_now();
            }
            let sender = sender.clone();
            pool.run(Box::new(move || sender.send(()).unwrap()))
                .unwrap();
            receiver.recv().unwrap();
        }
        assert_eq!(pool.0.lock().threads, 1);
    }

    #[test]
    fn one_closure_too_many_is_refused_and_no_other_is_lost() {
        let (pool, barrier) = full_pool();
        let ran = Arc::new(AtomicUsize::new(0));
        let count = || {
            let ran = ran.clone();
            Box::new(move || _ = ran.fetch_add(1, Ordering::SeqCst)) as Work
        };
        for _ in 0..WAITING_MAX {
            pool.run(count()).unwrap();
        }
        let reason = pool.run(count()).unwrap_err();
        assert!(reason.contains("waiting for a thread"), "{reason}");
        assert_eq!(pool.0.lock().threads, THREADS_MAX);
        barrier.wait();
        while ran.load(Ordering::SeqCst) < WAITING_MAX {
            thread::yield_now();
        }
        pool.run(count()).unwrap();
    }

    #[test]
    fn a_panic_ends_no_thread_of_the_pool() {
        let pool = ThreadPool::new();
        let (sender, receiver) = mpsc::channel();
        pool.run(Box::new(|| panic!("on purpose"))).unwrap();
        pool.run(Box::new(move || sender.send(()).unwrap()))
            .unwrap();
        receiver.recv().unwrap();
    }

    #[test]
    fn a_pool_that_is_dropped_drops_the_closures_that_wait() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("on purpose");
            }
        }
        let (pool, barrier) = full_pool();
        for _ in 0..2 {
            let bomb = Bomb;
            pool.run(Box::new(move || drop(bomb))).unwrap();
        }
        let value = Arc::new(());
        let held = value.clone();
        pool.run(Box::new(move || drop(held))).unwrap();
        drop(pool);
        assert_eq!(Arc::strong_count(&value), 1);
        barrier.wait();
    }
}
