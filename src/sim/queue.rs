//! The event queue: events in the order of their virtual times.

use crate::time::Instant;
use slab::Slab;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events by time. Those of one instant come in the order in which they were
/// pushed, and late ones come after all others.
///
/// The heap moves only three numbers for each event. The events stay in a slab.
pub(super) struct Queue<E> {
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Slab<E>,
    pushed: u64,
}

/// The bit that puts late events behind all others of their instant.
const LATE: u64 = 1 << 63;

impl<E> Queue<E> {
    pub(super) fn new() -> Queue<E> {
        Queue {
            heap: BinaryHeap::new(),
            events: Slab::new(),
            pushed: 0,
        }
    }

    /// Adds an event.
    pub(super) fn push(&mut self, at: Instant, event: E) {
        self.insert(at, 0, event);
    }

    /// Adds an event that comes after all others of its instant. A timer is one: a reply
    /// that arrives at the same instant must come first.
    pub(super) fn push_late(&mut self, at: Instant, event: E) {
        self.insert(at, LATE, event);
    }

    fn insert(&mut self, at: Instant, class: u64, event: E) {
        let index = self.events.insert(event);
        self.heap
            .push(Reverse((at.as_nanos(), class | self.pushed, index)));
        self.pushed += 1;
    }

    /// The time of the next event.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let Reverse((at, _, _)) = self.heap.peek()?;
        Some(Instant::from_nanos(*at))
    }

    /// Removes the next event.
    pub(super) fn pop(&mut self) -> Option<(Instant, E)> {
        let Reverse((at, _, index)) = self.heap.pop()?;
        Some((Instant::from_nanos(at), self.events.remove(index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_one_instant_keep_their_order_and_late_ones_come_last() {
        let mut queue = Queue::new();
        let (one, two) = (Instant::from_millis(1), Instant::from_millis(2));
        queue.push(two, "e");
        queue.push_late(one, "d");
        queue.push(one, "a");
        queue.push(one, "b");
        queue.push(one, "c");
        assert_eq!(queue.next_at(), Some(one));
        let order: String = std::iter::from_fn(|| queue.pop())
            .map(|(_, event)| event)
            .collect();
        assert_eq!(order, "abcde");
    }
}
