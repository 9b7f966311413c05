//! The microscope: recordings of the event loop, to watch it think.
//!
//! A recording is a run of the real loop, event by event: which edges the kernel told,
//! which source was served and what it answered, which timers fired, which task was
//! polled and why. It is made from snapshots. Each room has one in a file of its own,
//! and the turn calls one macro, `look!`, where something has happened. Without the
//! feature `microscope` the macro expands to nothing.
//!
//! ```text
//!   EventLoop, host, reactor ── look! ──> recorder ── differences ──> Recording (JSON)
//!                                            ^                          │
//!                        snapshot() of each room                        ├──> page: a file for a browser
//!   scenario: a script on the simulated kernel ─────────────────────────┘──> explain: text for a terminal
//! ```
//!
//! A snapshot costs thousands of instructions, so a recorded run is slow. It takes the
//! same turns: the recorder reads no clock of the loop and asks the kernel nothing.
//! TigerBeetle's simulator shows its state with a character for each replica and event;
//! rr and Pernosco record everything and search it later. A turn has few moments, and a
//! picture for each of them is what a learner can follow.
//!
//! The bug museum has the same recordings of a loop with bugs in it: `exhibits`, and the
//! package in `tests/museum/`.
//!
//! Read next: `moment`, the list of moments; `recorder`; `scenario`.

mod calls;
mod check;
mod code;
mod exhibits;
mod expiry;
mod explain;
mod files;
mod live;
mod moment;
mod outcome;
mod page;
mod patch;
mod recorder;
mod recording;
mod scenario;
mod scenarios;
mod sentence;
#[cfg(test)]
mod tests;

pub use exhibits::{exhibits, record_exhibit};
pub use explain::explain;
pub use files::{read, write_page};
pub use page::{museum_page, page};
pub use recording::{Recording, RecordingError};
pub use scenarios::{NAMES, record};

pub(crate) use check::check;
pub(crate) use live::Live;
pub(crate) use moment::Moment;
pub(crate) use recorder::{asked, dispatched, edge, is_on, look, polled, received, said, woken};
