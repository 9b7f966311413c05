//! The executor: runs the handlers of a node, futures in recycled slots.
//!
//! A task is polled at once when it starts. A task that never waits costs no
//! allocation and does not go through the queue. A task that waits is polled again
//! after its [`Waker`](std::task::Waker) was used.
//!
//! ```text
//!   start ──> poll ── Ready ──> Finished, slot free
//!              ^ │
//!              │ └─ Pending ──> the task waits in its slot
//!       run_one│                     │ wake
//!              └──── ReadyQueue <────┘
//! ```
//!
//! # Invariants
//!
//! - Tasks are polled in the order of their wakes. A slot is in the queue once at most.
//! - A panic of a task ends that task only.
//! - No wake is lost, on any thread: the page of `ready_queue.rs` has
//!   the proof.
//!
//! Read `executor.rs` first, then `ready_queue.rs`. `threads.rs` is the place for closures that block.

mod executor;
mod panic;
mod ready_queue;
#[cfg(any(test, feature = "microscope"))]
mod snapshot;
mod threads;

pub use executor::{Executor, Finished, Polled};
pub use panic::{Panic, capture_panic_places, catch};
pub use ready_queue::ReadyQueue;
#[cfg(any(test, feature = "microscope"))]
pub(crate) use snapshot::TasksSnapshot;
pub use threads::{Inline, Threads, Work};
