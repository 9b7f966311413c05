//! Time: a point on the clock's own axis, the clock itself, and the timer wheel.
//!
//! Everything above this room is handed a [`Clock`] and never asks the
//! operating system for the time, so that a run on a [`VirtualClock`] can be
//! replayed to the nanosecond.

mod clock;
mod instant;
mod wheel;

pub use clock::{Clock, MonotonicClock, VirtualClock};
pub use instant::Instant;
pub use wheel::{TimerId, Wheel};
