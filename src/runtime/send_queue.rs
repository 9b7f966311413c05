//! The sends that wait for their turn.

use super::client::Ticket;
use crate::tcp::QUEUE_WAIT_MAX;
use crate::time::Instant;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Which sender's request a send is for; `None` for those nobody knows.
pub(super) type Asker = Option<u32>;

/// A send that has not begun.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) asker: Asker,
    pub(super) asked: Instant,
    pub(super) data: Vec<u8>,
}

/// Sends in a lane for each sender, and the lanes take turns: behind another's
/// hundred thousand a send waits for one of them, not for all.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    /// By their numbers, so that the first is the oldest.
    sends: BTreeMap<u64, Waiting>,
    /// The numbers again, by sender. A lane may be empty until its turn comes.
    lanes: HashMap<Asker, VecDeque<u64>>,
    /// Each lane once.
    turns: VecDeque<Asker>,
}

impl SendQueue {
    /// Adds the youngest send.
    pub(super) fn push(&mut self, send: Waiting) {
        let number = send.ticket.number;
        self.lane(send.asker).push_back(number);
        self.sends.insert(number, send);
    }

    /// The send whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        loop {
            let asker = self.turns.pop_front()?;
            let lane = self.lanes.get_mut(&asker)?;
            if let Some(number) = lane.pop_front() {
                self.turns.push_back(asker);
                return self.sends.remove(&number);
            }
            self.lanes.remove(&asker);
        }
    }

    /// Puts back what was just taken: it is still its turn.
    pub(super) fn put_back(&mut self, send: Waiting) {
        let (number, asker) = (send.ticket.number, send.asker);
        self.lane(asker).push_front(number);
        if self.turns.back() == Some(&asker) {
            self.turns.rotate_right(1);
        }
        self.sends.insert(number, send);
    }

    /// When somebody will have waited long enough.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let oldest = self.sends.values().next()?;
        Some(oldest.asked + QUEUE_WAIT_MAX)
    }

    /// Takes a send that has waited long enough.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Waiting> {
        // All wait equally long, so the oldest is due first, here and in its lane.
        let oldest = self.sends.first_entry()?;
        if oldest.get().asked + QUEUE_WAIT_MAX > now {
            return None;
        }
        let send = oldest.remove();
        if let Some(lane) = self.lanes.get_mut(&send.asker) {
            lane.pop_front();
        }
        Some(send)
    }

    fn lane(&mut self, asker: Asker) -> &mut VecDeque<u64> {
        let turns = &mut self.turns;
        self.lanes.entry(asker).or_insert_with(|| {
            turns.push_back(asker);
            VecDeque::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::OperationId;

    fn waiting(number: u64, asker: u32) -> Waiting {
        Waiting {
            ticket: Ticket {
                number,
                operation: OperationId::default(),
            },
            asker: Some(asker),
            asked: Instant::from_millis(number),
            data: Vec::new(),
        }
    }

    fn numbers(queue: &mut SendQueue) -> Vec<u64> {
        let sends = std::iter::from_fn(|| queue.pop());
        sends.map(|send| send.ticket.number).collect()
    }

    #[test]
    fn senders_take_turns_and_each_has_its_order() {
        let mut queue = SendQueue::default();
        for (number, asker) in (0..).zip([1, 1, 1, 2, 3, 2]) {
            queue.push(waiting(number, asker));
        }
        assert_eq!(numbers(&mut queue), [0, 3, 4, 1, 5, 2]);
        assert!(queue.lanes.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn what_is_put_back_is_next_again() {
        let mut queue = SendQueue::default();
        for (number, asker) in (0..).zip([1, 1, 2]) {
            queue.push(waiting(number, asker));
        }
        let first = queue.pop().unwrap();
        queue.put_back(first);
        assert_eq!(numbers(&mut queue), [0, 2, 1]);
    }

    #[test]
    fn the_oldest_is_due_first_whoever_asked_and_leaves_its_lane() {
        let mut queue = SendQueue::default();
        for (number, asker) in (0..).zip([1, 2, 1, 2]) {
            queue.push(waiting(number, asker));
        }
        let least = Instant::ZERO + QUEUE_WAIT_MAX;
        assert_eq!(queue.next_deadline(), Some(least));
        let due = |queue: &mut SendQueue, now| {
            let send = queue.pop_due(Instant::from_millis(now) + QUEUE_WAIT_MAX);
            send.map(|send| send.ticket.number)
        };
        assert_eq!(due(&mut queue, 1), Some(0));
        assert_eq!(due(&mut queue, 1), Some(1));
        assert_eq!(due(&mut queue, 1), None);
        assert_eq!(numbers(&mut queue), [2, 3]);
        assert_eq!(queue.next_deadline(), None);
    }
}
