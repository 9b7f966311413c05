//! The executor: handlers as futures in recycled slots.
//!
//! A task is polled at once when it starts, so that one which never waits costs
//! no allocation and no trip through the queue. What waits is polled again
//! when its [`Waker`](std::task::Waker) says so, first come first served.

mod executor;
mod panic;
mod ready_queue;

pub use executor::{Executor, Finished, Polled};
pub use panic::{Panic, capture_panic_places, catch};
pub use ready_queue::ReadyQueue;
