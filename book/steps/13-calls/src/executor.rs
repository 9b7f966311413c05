//! An executor for one thread: tasks in slots, and a ready queue that their wakers fill.
//!
//! It is the executor of chapter 11 with the ready queue of chapter 12. All wakes come
//! from the loop's own thread, before the loop looks at the queue. So there is no bell.

use slab::Slab;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::take;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

type Task = Pin<Box<dyn Future<Output = ()>>>;
type Queue = Arc<Mutex<VecDeque<Arc<Signal>>>>;

/// The inside of a waker. Each task has one of its own, so it is a name too: it does not
/// fit a later task in the same slot.
struct Signal {
    slot: usize,
    is_queued: AtomicBool,
    queue: Queue,
}

impl Wake for Signal {
    fn wake(self: Arc<Signal>) {
        if !self.is_queued.swap(true, Relaxed) {
            let queue = self.queue.clone();
            queue
                .lock()
                .expect("no code panics with the lock")
                .push_back(self);
        }
    }
}

struct Slot {
    task: Task,
    signal: Arc<Signal>,
}

/// A handle with which a task starts others.
#[derive(Clone, Default)]
pub struct Spawner(Rc<RefCell<Vec<Task>>>);

impl Spawner {
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().push(Box::pin(future));
    }
}

#[derive(Default)]
pub struct Executor {
    slots: Slab<Slot>,
    ready: Queue,
    spawned: Spawner,
}

impl Executor {
    pub fn spawner(&self) -> Spawner {
        self.spawned.clone()
    }

    /// Starts what was spawned, and polls the tasks that are ready now, each once.
    /// Returns how many polls that were.
    pub fn run_ready(&mut self) -> usize {
        for task in take(&mut *self.spawned.0.borrow_mut()) {
            let entry = self.slots.vacant_entry();
            let signal = Arc::new(Signal {
                slot: entry.key(),
                is_queued: AtomicBool::new(false),
                queue: self.ready.clone(),
            });
            signal.clone().wake();
            entry.insert(Slot { task, signal });
        }
        let ready = take(&mut *self.ready.lock().expect("no code panics with the lock"));
        let polls = ready.len();
        for signal in ready {
            signal.is_queued.store(false, Relaxed);
            let slot = self.slots.get_mut(signal.slot);
            let Some(slot) = slot.filter(|slot| Arc::ptr_eq(&slot.signal, &signal)) else {
                continue; // the task has ended
            };
            let waker = Waker::from(signal.clone());
            if slot
                .task
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                self.slots.remove(signal.slot);
            }
        }
        polls
    }

    /// Whether `run_ready` would poll a task.
    pub fn has_work(&self) -> bool {
        let ready = self.ready.lock().expect("no code panics with the lock");
        !ready.is_empty() || !self.spawned.0.borrow().is_empty()
    }

    /// How many tasks have begun and not ended.
    pub fn tasks(&self) -> usize {
        self.slots.len()
    }
}
