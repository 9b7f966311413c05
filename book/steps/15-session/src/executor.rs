//! An executor for one thread (chapters 11 to 13): tasks in slots, and a ready queue that
//! their wakers fill.

use slab::Slab;
use std::collections::VecDeque;
use std::mem::take;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

type Task = Pin<Box<dyn Future<Output = ()>>>;
type Queue = Arc<Mutex<VecDeque<Arc<Signal>>>>;

/// The inside of a waker, and the name of a task: no later task has the same one.
struct Signal {
    slot: usize,
    is_queued: AtomicBool,
    queue: Queue,
}

impl Wake for Signal {
    fn wake(self: Arc<Signal>) {
        if !self.is_queued.swap(true, Relaxed) {
            let queue = self.queue.clone();
            queue.lock().expect("never poisoned").push_back(self);
        }
    }
}

#[derive(Default)]
pub struct Executor {
    slots: Slab<(Arc<Signal>, Task)>,
    ready: Queue,
}

impl Executor {
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) {
        let entry = self.slots.vacant_entry();
        let signal = Arc::new(Signal {
            slot: entry.key(),
            is_queued: AtomicBool::new(false),
            queue: self.ready.clone(),
        });
        signal.clone().wake();
        entry.insert((signal, Box::pin(future)));
    }

    /// Polls the tasks that are ready now, each once.
    pub fn run_ready(&mut self) {
        let ready = take(&mut *self.ready.lock().expect("never poisoned"));
        for signal in ready {
            signal.is_queued.store(false, Relaxed);
            let slot = self.slots.get_mut(signal.slot);
            let Some((_, task)) = slot.filter(|(owner, _)| Arc::ptr_eq(owner, &signal)) else {
                continue; // the task has ended
            };
            let waker = Waker::from(signal.clone());
            if task
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                drop(self.slots.remove(signal.slot));
            }
        }
    }

    pub fn has_work(&self) -> bool {
        !self.ready.lock().expect("never poisoned").is_empty()
    }

    /// How many tasks have not ended.
    pub fn tasks(&self) -> usize {
        self.slots.len()
    }
}
