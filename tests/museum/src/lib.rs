//! The event loop with bugs planted in it, for the bug museum.
//!
//! The build script copies the rooms of the library that the loop needs, and plants the
//! bugs of `mutants/` in the copy. Each can be switched on, so that the copy is compiled
//! once and not for each. Without one this is the sound loop.
//!
//! A copy, and no switches in the library itself: they would stand in the code that
//! people come to read.

#![allow(
    warnings,
    reason = "a part of a library, whose other parts use the rest"
)]

use std::cell::Cell;

mod facts;
pub mod mutant;

pub use facts::{FACTS, Fact};

/// As in the library, but always on.
macro_rules! look {
    ($($seen:tt)*) => {
        {
            if crate::microscope::is_on() {
                $($seen)*
            }
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/rooms.rs"));

thread_local! {
    /// The bug that is switched on, on this thread.
    static BUG: Cell<Option<&'static str>> = const { Cell::new(None) };
    /// A connection holds bytes for its client, and asks for room.
    static ASKS_FOR_ROOM: Cell<bool> = const { Cell::new(false) };
}

/// Runs something with a bug.
pub fn with_bug<T>(bug: &'static str, run: impl FnOnce() -> T) -> T {
    ASKS_FOR_ROOM.set(false);
    BUG.set(Some(bug));
    let result = run();
    BUG.set(None);
    result
}

/// Whether a bug is switched on. The planted code asks this.
fn has(bug: &str) -> bool {
    BUG.get() == Some(bug)
}

fn ask_for_room() {
    ASKS_FOR_ROOM.set(true);
}

fn asks_for_room() -> bool {
    ASKS_FOR_ROOM.get()
}
