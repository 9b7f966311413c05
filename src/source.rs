//! The contract between a source and the event loop.
//!
//! A source is a descriptor and the state machine that reads and writes it: stdin,
//! a listener, a connection. It is told its readiness, makes a bounded number of
//! system calls, and answers with its progress. The loop hands every answer to the
//! reactor, whose `apply` is the one place that acts on it.
//!
//! ```text
//!                 ready(readiness)
//!   reactor ────────────────────────────> source: reads and writes, bounded
//!      ^                                    │
//!      │ apply                              │
//!      └──────────── Progress <─────────────┘
//!         used_up    flags that are cleared; the next edge sets them again
//!         next       Wait        serve it again after the next edge
//!                    CarryOver   serve it again in the next turn, for a reason
//!                    Finished    take it out of the reactor, then close it
//! ```
//!
//! # Invariants
//! - `used_up` is a part of the readiness that the source was told.
//! - A source that waits has used up the flag that it needs next, so that an edge will
//!   set it again. Otherwise its owner must serve it again, because no edge is repeated.
//! - A source that has finished is not served again.
//!
//! This room knows nothing else. So a state machine can be tested against events in
//! any order, without a reactor, and a fuzz target can compile it alone. calloop has
//! the same rule: a callback returns its intent, and the loop applies it. nginx lets
//! a handler free its connection in the middle of a batch, and needs an instance bit
//! against events of the freed one.
//!
//! Read next: `tcp/connection.rs`, the richest source; `reactor/mod.rs`, which
//! applies the answers; `reactor/worked_example.rs`, a new kind of source.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// The directions that a source is ready for, as a set in one byte.
///
/// Sticky: an edge sets a flag in the reactor. The flag is cleared when a call has
/// proved that the source ran dry: `WouldBlock`, or a short read or write.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Readiness(u8);

impl Readiness {
    pub(crate) const NONE: Readiness = Readiness(0);
    /// A read may bring bytes, an end of file or an error.
    pub(crate) const READABLE: Readiness = Readiness(1);
    /// A write may take bytes or bring an error.
    pub(crate) const WRITABLE: Readiness = Readiness(1 << 1);
    /// The peer has closed, and no further edge will announce it. A short read does
    /// not prove that the source ran dry: the end may lie behind the bytes. Read
    /// until a read returns 0.
    pub(crate) const READ_CLOSED: Readiness = Readiness(1 << 2);

    /// How many bits of a byte the flags above take.
    pub(crate) const BITS: u32 = 3;

    pub(crate) const fn is_readable(self) -> bool {
        self.contains(Readiness::READABLE)
    }

    pub(crate) const fn is_writable(self) -> bool {
        self.contains(Readiness::WRITABLE)
    }

    pub(crate) const fn is_read_closed(self) -> bool {
        self.contains(Readiness::READ_CLOSED)
    }

    /// Whether every flag of `other` is set.
    pub(crate) const fn contains(self, other: Readiness) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of `self` that `other` lacks.
    pub(crate) const fn without(self, other: Readiness) -> Readiness {
        Readiness(self.0 & !other.0)
    }

    /// Clears the flags of `other`.
    pub(crate) fn remove(&mut self, other: Readiness) {
        *self = self.without(other);
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// The flags in the low bits of a byte that holds more than those.
    pub(crate) const fn from_bits(bits: u8) -> Readiness {
        Readiness(bits & ((1 << Readiness::BITS) - 1))
    }
}

impl BitOr for Readiness {
    type Output = Readiness;

    fn bitor(self, other: Readiness) -> Readiness {
        Readiness(self.0 | other.0)
    }
}

impl BitOrAssign for Readiness {
    fn bitor_assign(&mut self, other: Readiness) {
        *self = *self | other;
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_set();
        for (flag, name) in [
            (Readiness::READABLE, "readable"),
            (Readiness::WRITABLE, "writable"),
            (Readiness::READ_CLOSED, "read closed"),
        ] {
            if self.contains(flag) {
                set.entry(&name);
            }
        }
        set.finish()
    }
}

/// A source's answer: how far it came with the readiness that it was told.
///
/// `T` is the outcome of a source that has finished. Its owner takes the outcome
/// with [`map`](Progress::map) before the reactor applies the rest.
#[derive(Debug)]
pub(crate) struct Progress<T = ()> {
    /// Bytes read. They count against the bound of the turn.
    pub(crate) received_bytes: usize,
    /// Flags that proved exhausted, for the reactor to clear.
    pub(crate) used_up: Readiness,
    pub(crate) next: Next<T>,
}

impl<T> Progress<T> {
    /// An answer that nothing was read for and that uses nothing up.
    pub(crate) const fn idle(next: Next<T>) -> Progress<T> {
        Progress {
            received_bytes: 0,
            used_up: Readiness::NONE,
            next,
        }
    }

    /// Hands the outcome, if the source has finished, to `owner`.
    pub(crate) fn map<U>(self, owner: impl FnOnce(T) -> U) -> Progress<U> {
        Progress {
            received_bytes: self.received_bytes,
            used_up: self.used_up,
            next: match self.next {
                Next::Wait => Next::Wait,
                Next::CarryOver(reason) => Next::CarryOver(reason),
                Next::Finished(outcome) => Next::Finished(owner(outcome)),
            },
        }
    }
}

/// The next step of the loop for a source.
#[derive(Debug)]
pub(crate) enum Next<T = ()> {
    /// Serve it after the next edge.
    Wait,
    /// Serve it in the next turn, and do not wait until then.
    CarryOver(Reason),
    /// Take it out of the reactor at the end of the turn, then close it.
    Finished(T),
}

/// Why a source is served in the next turn without an edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// The source made all the calls that a turn allows it, and work is left.
    BoundReached,
    /// The source did not read while a reader was behind; the reader has caught up.
    BackpressureOver,
    /// Something outside of epoll that the source lacked may be there by now: its
    /// timer fired, or a descriptor was given back.
    RetryDue,
    /// epoll refused the descriptor, so it is always ready and raises no edge.
    NoEdges,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_a_set() {
        let both = Readiness::READABLE | Readiness::WRITABLE;
        assert!(both.is_readable() && both.is_writable() && !both.is_read_closed());
        assert_eq!(both.without(Readiness::READABLE), Readiness::WRITABLE);
        assert_eq!(Readiness::from_bits(both.bits() | 0xf8), both);
        assert_eq!(format!("{both:?}"), r#"{"readable", "writable"}"#);
    }
}
