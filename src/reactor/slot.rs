//! One source's place in the slab.

use crate::source::Readiness;
use std::num::NonZeroU32;

/// A source and the reactor's own eight bytes next to it.
///
/// The generation cannot be zero. The slab uses that value to mark a vacant slot, so
/// a slot costs its source plus eight bytes, without a word for a tag.
#[derive(Debug)]
pub(super) struct Slot<S> {
    /// Tells this source from earlier ones in the same slot.
    pub(super) generation: NonZeroU32,
    /// The sticky readiness in the low bits, the marks above them.
    flags: u8,
    pub(super) source: S,
}

/// A fact about a source that only the reactor needs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    /// It stands in the queue, once.
    Queued = 1 << Readiness::BITS,
    /// It stands in the carry-over list, once.
    Carried = 1 << (Readiness::BITS + 1),
    /// It stands in the list of those that have finished, once.
    Finished = 1 << (Readiness::BITS + 2),
    /// epoll refused it: it has no edges, and its readiness is never cleared.
    AlwaysReady = 1 << (Readiness::BITS + 3),
    /// It enters the queue in front of all others.
    First = 1 << (Readiness::BITS + 4),
}

impl<S> Slot<S> {
    pub(super) fn new(generation: NonZeroU32, source: S) -> Slot<S> {
        Slot {
            generation,
            flags: 0,
            source,
        }
    }

    pub(super) fn readiness(&self) -> Readiness {
        Readiness::from_bits(self.flags)
    }

    pub(super) fn merge(&mut self, readiness: Readiness) {
        self.flags |= readiness.bits();
    }

    /// Clears flags; of a source that is always ready, none.
    pub(super) fn clear(&mut self, readiness: Readiness) {
        if !self.is(Mark::AlwaysReady) {
            self.flags &= !readiness.bits();
        }
    }

    pub(super) fn is(&self, mark: Mark) -> bool {
        self.flags & mark as u8 != 0
    }

    /// Sets the mark; false if it was set already.
    pub(super) fn mark(&mut self, mark: Mark) -> bool {
        let is_new = !self.is(mark);
        self.flags |= mark as u8;
        is_new
    }

    pub(super) fn unmark(&mut self, mark: Mark) {
        self.flags &= !(mark as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_costs_eight_bytes_beyond_its_source() {
        /// As slab lays out its entries.
        enum Entry<T> {
            #[expect(dead_code, reason = "only its size is looked at")]
            Vacant(usize),
            #[expect(dead_code, reason = "only its size is looked at")]
            Occupied(T),
        }
        assert_eq!(size_of::<Entry<Slot<u64>>>(), 8 + 8);
        assert_eq!(size_of::<Entry<Slot<[u64; 3]>>>(), 24 + 8);
    }
}
