//! Time: points in time, the clock, and the timer wheel.
//!
//! The rooms above get a [`Clock`] and never ask the operating system for the time.
//! So a run on a [`VirtualClock`] can be replayed to the nanosecond.

mod clock;
mod instant;
mod wheel;

pub use clock::{Clock, MonotonicClock, VIRTUAL_UNIX_START, VirtualClock};
pub use instant::Instant;
#[cfg(any(test, feature = "microscope"))]
pub(crate) use wheel::WheelSnapshot;
pub use wheel::{TimerId, Wheel};
