//! What a source is ready for.

use mio::event::Event;
use std::ops::BitOr;

/// What a source is ready for, as a set; one byte, since every source holds one.
///
/// Sticky: an edge sets a flag, and only whoever saw the source run dry (a
/// `WouldBlock`, or a short read or write that proves it) clears it again.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Readiness(u8);

impl Readiness {
    pub(crate) const NONE: Readiness = Readiness(0);
    /// A read may bring bytes, an end of file or an error.
    pub(crate) const READABLE: Readiness = Readiness(1);
    /// A write may take bytes or bring an error.
    pub(crate) const WRITABLE: Readiness = Readiness(1 << 1);
    /// The close has had its edge, and there will be none for it again: read on
    /// to 0, whatever a short read seems to say.
    pub(crate) const READ_CLOSED: Readiness = Readiness(1 << 2);

    /// How many bits of a byte the flags above take.
    pub(super) const BITS: u32 = 3;

    pub(crate) fn is_readable(self) -> bool {
        self.contains(Readiness::READABLE)
    }

    pub(crate) fn is_writable(self) -> bool {
        self.contains(Readiness::WRITABLE)
    }

    pub(crate) fn is_read_closed(self) -> bool {
        self.contains(Readiness::READ_CLOSED)
    }

    pub(super) fn contains(self, other: Readiness) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    pub(super) fn from_bits(bits: u8) -> Readiness {
        Readiness(bits & ((1 << Readiness::BITS) - 1))
    }

    /// What an event tells to try.
    ///
    /// An empty pipe whose writer closed says HUP and nothing else: mio calls
    /// that read-closed and not readable, but only a read can fetch the end of
    /// file. Likewise the writer learns of a gone reader by an error alone, and
    /// after either there are no more edges. So both directions are tried then.
    pub(crate) fn from_signs(signs: Signs) -> Readiness {
        let read_closed = signs.error || signs.read_closed;
        let mut readiness = Readiness::NONE;
        if signs.readable || read_closed {
            readiness = readiness | Readiness::READABLE;
        }
        if signs.writable || signs.error || signs.write_closed {
            readiness = readiness | Readiness::WRITABLE;
        }
        if read_closed {
            readiness = readiness | Readiness::READ_CLOSED;
        }
        readiness
    }
}

/// What an event says, in mio's words.
#[derive(Clone, Copy)]
pub(crate) struct Signs {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) error: bool,
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
}

impl From<&Event> for Signs {
    fn from(event: &Event) -> Signs {
        Signs {
            readable: event.is_readable(),
            writable: event.is_writable(),
            error: event.is_error(),
            read_closed: event.is_read_closed(),
            write_closed: event.is_write_closed(),
        }
    }
}

impl BitOr for Readiness {
    type Output = Readiness;

    fn bitor(self, other: Readiness) -> Readiness {
        Readiness(self.0 | other.0)
    }
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
