//! The thread that ticks while the loop runs, so that a handler that holds the loop is found.
//!
//! ```text
//!                the loop has waited at each of IDLE_TICKS ticks
//!   ticking ─────────────────────────────────────────────────────> asleep
//!      ^                                                             │
//!      └─────────────────── a turn begins ───────────────────────────┘
//! ```
//!
//! While the loop waits it is not counted, and while it waits for long the watchdog sleeps: a node at
//! rest wakes no thread. A turn pays one load to see whether to wake it.
//!
//! # Why the watchdog never sleeps through a turn
//! The watchdog says that it is asleep, then looks whether the loop waits. The loop says that it no
//! longer waits ([`ReadyQueue::unpark`]), then looks whether the watchdog is asleep. All four are
//! SeqCst, so at least one of the two sees the other.
//!
//! Read next: `task/watch.rs`, the count; `session/held.rs`, the report.

use crate::task::{ReadyQueue, Watch};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};

/// After how many ticks in a row that find the loop waiting the watchdog sleeps: 40, a second. A node
/// that gossips ten times a second does not wake it each time.
const IDLE_TICKS: u32 = 40;

/// The name of the thread, as `ps -L` shows it.
const NAME: &str = "eddyline-watch";

pub(super) struct Watchdog {
    common: Arc<Common>,
    thread: Thread,
}

/// The common knowledge of the loop and the thread.
struct Common {
    watch: Arc<Watch>,
    queue: Arc<ReadyQueue>,
    is_asleep: AtomicBool,
    is_closed: AtomicBool,
}

impl Watchdog {
    /// Starts the thread.
    pub(super) fn start(watch: Arc<Watch>, queue: Arc<ReadyQueue>) -> io::Result<Watchdog> {
        let common = Arc::new(Common {
            watch,
            queue,
            is_asleep: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        });
        let other_side = common.clone();
        let started = thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || other_side.run())?;
        Ok(Watchdog {
            common,
            thread: started.thread().clone(),
        })
    }

    /// Called after each wait of the loop: the count starts again.
    pub(super) fn turn_begins(&self) {
        self.common.watch.clear();
        if self.common.is_asleep.load(Ordering::SeqCst) {
            self.common.is_asleep.store(false, Ordering::SeqCst);
            self.thread.unpark();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.common.is_closed.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Common {
    /// The life of the thread.
    fn run(&self) {
        let mut idle_ticks = 0;
        while !self.is_closed.load(Ordering::SeqCst) {
            thread::park_timeout(Watch::TICK);
            if !self.queue.is_parked() {
                self.watch.tick();
                idle_ticks = 0;
            } else if idle_ticks < IDLE_TICKS {
                idle_ticks += 1;
            } else {
                self.sleep();
                idle_ticks = 0;
            }
        }
    }

    /// Waits for a turn, or for the end.
    fn sleep(&self) {
        self.is_asleep.store(true, Ordering::SeqCst);
        while self.queue.is_parked()
            && self.is_asleep.load(Ordering::SeqCst)
            && !self.is_closed.load(Ordering::SeqCst)
        {
            thread::park(); // may end early
        }
        self.is_asleep.store(false, Ordering::SeqCst);
    }
}
