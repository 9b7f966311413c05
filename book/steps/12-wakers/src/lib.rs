//! An executor for one thread: tasks in slots, wakers that fill a ready queue, and a
//! loop that sleeps while the queue is empty.

#![forbid(unsafe_code)]

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::{read, write};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

/// The tasks that were woken and not polled since. Wakers fill it, on any thread.
pub struct ReadyQueue {
    slots: Mutex<VecDeque<usize>>,
    /// The loop sleeps, or is about to, and no wake has come since.
    parked: AtomicBool,
    /// An eventfd: a counter in the kernel. A write adds to it, and ends a `poll` of it.
    bell: OwnedFd,
}

impl ReadyQueue {
    pub fn new() -> io::Result<ReadyQueue> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(ReadyQueue {
            slots: Mutex::new(VecDeque::new()),
            parked: AtomicBool::new(false),
            bell: eventfd(0, flags)?,
        })
    }

    /// Adds a task. If the loop sleeps, rings the bell.
    pub fn push(&self, slot: usize) {
        self.push_in_steps(slot, || {});
    }

    /// `push`, with a pause between its two steps. For tests.
    pub fn push_in_steps(&self, slot: usize, pause: impl FnOnce()) {
        self.lock().push_back(slot); // W1
        pause();
        if self.parked.swap(false, SeqCst) {
            self.ring(); // W2
        }
    }

    /// Announces that the loop is about to sleep. If this returns false, a task is ready
    /// and the loop must not sleep.
    pub fn park(&self) -> bool {
        self.park_in_steps(|| {})
    }

    /// `park`, with a pause between its two steps. For tests.
    pub fn park_in_steps(&self, pause: impl FnOnce()) -> bool {
        self.parked.store(true, SeqCst); // L1
        pause();
        self.is_empty() // L2
    }

    /// Announces that the loop is awake: a wake need not ring.
    pub fn unpark(&self) {
        self.parked.store(false, SeqCst);
    }

    /// Sleeps until the bell rings. If it has rung already, does not sleep.
    pub fn sleep(&self) -> io::Result<()> {
        poll(&mut [PollFd::new(&self.bell, PollFlags::IN)], None)?;
        self.rings();
        Ok(())
    }

    /// How often the bell has rung since the last look.
    pub fn rings(&self) -> u64 {
        let mut count = [0; 8];
        match read(&self.bell, &mut count) {
            Ok(_) => u64::from_ne_bytes(count),
            Err(_) => 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn ring(&self) {
        // It fails only if the counter is full. Then the bell is ringing anyway.
        let _ = write(&self.bell, &1_u64.to_ne_bytes());
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.slots.lock().expect("no code panics with the lock")
    }
}

/// The waker of one slot.
struct SlotWaker {
    slot: usize,
    /// The slot is in the queue: a further wake need not add it.
    is_queued: AtomicBool,
    queue: Arc<ReadyQueue>,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<SlotWaker>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<SlotWaker>) {
        if !self.is_queued.swap(true, SeqCst) {
            self.queue.push(self.slot);
        }
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

struct Slot {
    /// `None` after the task has ended.
    task: Option<Task>,
    signal: Arc<SlotWaker>,
    waker: Waker,
}

pub struct Executor {
    slots: Vec<Slot>,
    queue: Arc<ReadyQueue>,
    /// How many tasks have not ended.
    tasks: usize,
}

impl Executor {
    pub fn new() -> io::Result<Executor> {
        Ok(Executor {
            slots: Vec::new(),
            queue: Arc::new(ReadyQueue::new()?),
            tasks: 0,
        })
    }

    pub fn queue(&self) -> &Arc<ReadyQueue> {
        &self.queue
    }

    /// How many tasks have not ended.
    pub fn tasks(&self) -> usize {
        self.tasks
    }

    /// Adds a task. It is ready at once.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) {
        let signal = Arc::new(SlotWaker {
            slot: self.slots.len(),
            is_queued: AtomicBool::new(false),
            queue: self.queue.clone(),
        });
        let waker = Waker::from(signal.clone());
        waker.wake_by_ref();
        self.slots.push(Slot {
            task: Some(Box::pin(future)),
            signal,
            waker,
        });
        self.tasks += 1;
    }

    /// Polls the tasks that are ready now, each once. Returns how many those were. A task
    /// that is woken meanwhile waits for the next call.
    pub fn run_ready(&mut self) -> usize {
        let count = self.queue.lock().len();
        for _ in 0..count {
            // The lock must not be held during the poll: the task may wake others.
            let index = self.queue.lock().pop_front().expect("only this loop takes");
            let slot = &mut self.slots[index];
            // Before the poll, so that a wake during the poll counts.
            slot.signal.is_queued.store(false, SeqCst);
            let Some(task) = &mut slot.task else {
                continue; // a waker was used after the end of its task
            };
            if let Poll::Ready(()) = task.as_mut().poll(&mut Context::from_waker(&slot.waker)) {
                slot.task = None;
                self.tasks -= 1;
            }
        }
        count
    }

    /// Runs until all tasks have ended. Sleeps while none is ready.
    pub fn run(&mut self) -> io::Result<()> {
        while self.tasks > 0 {
            if self.run_ready() == 0 && self.queue.park() {
                self.queue.sleep()?;
            }
            self.queue.unpark();
        }
        Ok(())
    }
}
