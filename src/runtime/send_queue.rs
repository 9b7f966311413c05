//! The sends that wait for their turn: senders take turns.
//!
//! ```text
//!   turns: a, b, c          lanes: a: 1 2 3    b: 4 6    c: 5
//!   served in the order     1 4 5 2 6 3
//! ```
//!
//! Without lanes, one sender with a hundred thousand sends would make all others wait
//! for them. So a send waits behind one of each other sender.
//!
//! # Invariant
//! - A sender stands in `turns` if and only if it has a lane, and stands there once. A
//!   lane may be empty until its turn comes.

use std::collections::{HashMap, VecDeque};

/// The sender whose request a send is for; `None` if it is not known.
pub(super) type Requester = Option<u32>;

/// The numbers of sends that have not begun, in a lane for each sender.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    lanes: HashMap<Requester, VecDeque<u64>>,
    turns: VecDeque<Requester>,
}

impl SendQueue {
    /// Whether no send waits. It may say false when only empty lanes are left.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// How many sends wait.
    #[cfg(any(test, feature = "lab"))]
    pub(super) fn len(&self) -> usize {
        self.lanes.values().map(VecDeque::len).sum()
    }

    /// Adds a send at the end of its sender's lane.
    pub(super) fn push(&mut self, requester: Requester, number: u64) {
        self.lane(requester).push_back(number);
    }

    /// Takes the send whose turn it is.
    pub(super) fn pop(&mut self) -> Option<(Requester, u64)> {
        loop {
            let requester = self.turns.pop_front()?;
            let lane = self.lanes.get_mut(&requester)?;
            if let Some(number) = lane.pop_front() {
                self.turns.push_back(requester);
                return Some((requester, number));
            }
            self.lanes.remove(&requester);
        }
    }

    /// Puts the send that was just taken back: it is still its turn.
    pub(super) fn put_back(&mut self, requester: Requester, number: u64) {
        self.lane(requester).push_front(number);
        if self.turns.back() == Some(&requester) {
            self.turns.rotate_right(1);
        }
    }

    /// Removes a send that has waited long enough. All wait equally long, so it is the
    /// oldest one of its lane and found at once.
    pub(super) fn remove(&mut self, requester: Requester, number: u64) {
        let lane = self.lane(requester);
        let place = lane.iter().position(|&other| other == number);
        debug_assert!(place.is_some(), "send {number} does not wait");
        place.and_then(|place| lane.remove(place));
    }

    fn lane(&mut self, requester: Requester) -> &mut VecDeque<u64> {
        let turns = &mut self.turns;
        self.lanes.entry(requester).or_insert_with(|| {
            turns.push_back(requester);
            VecDeque::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(sends: impl IntoIterator<Item = (u64, u32)>) -> SendQueue {
        let mut queue = SendQueue::default();
        for (number, requester) in sends {
            queue.push(Some(requester), number);
            assert_invariant(&queue);
        }
        queue
    }

    fn assert_invariant(queue: &SendQueue) {
        assert_eq!(queue.turns.len(), queue.lanes.len());
        assert!(
            queue
                .turns
                .iter()
                .all(|requester| queue.lanes.contains_key(requester))
        );
    }

    fn numbers(mut queue: SendQueue) -> Vec<u64> {
        let sends = std::iter::from_fn(|| {
            let send = queue.pop();
            assert_invariant(&queue);
            send
        });
        let numbers = sends.map(|(_requester, number)| number).collect();
        assert!(queue.is_empty() && queue.lanes.is_empty());
        numbers
    }

    #[test]
    fn senders_take_turns_and_each_has_its_order() {
        let queue = queue([(1, 7), (2, 7), (3, 7), (4, 8), (5, 9), (6, 8)]);
        assert_eq!(numbers(queue), [1, 4, 5, 2, 6, 3]);
    }

    #[test]
    fn what_is_put_back_is_next_again() {
        let mut queue = queue([(0, 1), (1, 1), (2, 2)]);
        let (requester, number) = queue.pop().unwrap();
        queue.put_back(requester, number);
        assert_eq!(numbers(queue), [0, 2, 1]);
    }

    #[test]
    fn a_send_that_has_waited_long_enough_leaves_its_lane() {
        let mut queue = queue([(0, 1), (1, 2), (2, 1), (3, 2)]);
        queue.remove(Some(1), 0);
        queue.remove(Some(2), 1);
        assert_eq!(numbers(queue), [2, 3]);
    }
}
