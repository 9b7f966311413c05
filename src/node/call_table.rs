//! The call table: calls in flight, by the number of their request.
//!
//! ```text
//!              reply, error reply, expiry
//!   waiting ──────────────────────────────> ended ──> (removed: its future takes the outcome)
//!      │                                      │
//!      ├── future dropped ────────────────────┴─────> (removed)
//!      └── expiry after the end of input ───────────> (removed; the future stays pending)
//! ```
//!
//! Invariants:
//! - A waiting call has exactly one armed timer; an ended one has none. (`Shared` arms and
//!   disarms it, and checks this.)
//! - `waiting` is the number of waiting entries.
//! - A number is used for one call only.
//!
//! Read next: `call`, the future whose entry this is.

use super::directory::NameId;
use super::received_message::ReceivedMessage;
use crate::protocol::Result;
use crate::time::TimerId;
use std::collections::{HashMap, hash_map};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::task::Waker;

/// How many calls may be in flight: 262,144, two for each task that may wait. One more ends
/// with error 11.
///
/// Each takes some 150 bytes here and on the timer wheel, so that one handler that calls
/// without bound takes 40 MiB at most.
pub const CALLS_MAX: usize = 1 << 18;

/// One call in flight.
pub(super) enum Entry {
    Waiting {
        dest: NameId,
        timer: TimerId,
        waker: Waker,
        /// The slot of the task that waits.
        slot: u32,
    },
    /// The reply, or the error that the call ends with.
    Ended(Result<Rc<ReceivedMessage>>),
}

/// Every call that was sent and whose future has not taken the outcome.
#[derive(Default)]
pub(super) struct CallTable {
    entries: HashMap<u64, Entry, BuildHasherDefault<MsgIdHasher>>,
    waiting: usize,
    /// Calls that have expired after the end of input, and the slots of the tasks that wait
    /// for them in vain.
    lost: HashMap<u64, u32>,
}

impl CallTable {
    /// Enters a call that was just sent.
    /// `slot` is that of the task that waits.
    pub(super) fn insert(
        &mut self,
        msg_id: u64,
        dest: NameId,
        timer: TimerId,
        waker: Waker,
        slot: u32,
    ) {
        let entry = Entry::Waiting {
            dest,
            timer,
            waker,
            slot,
        };
        let replaced = self.entries.insert(msg_id, entry);
        assert!(replaced.is_none(), "two calls have the number {msg_id}");
        self.waiting += 1;
    }

    /// The id of the node or service that a waiting call was sent to.
    pub(super) fn dest(&self, msg_id: u64) -> Option<NameId> {
        match self.entries.get(&msg_id)? {
            Entry::Waiting { dest, .. } => Some(*dest),
            Entry::Ended(_) => None,
        }
    }

    /// Ends a waiting call that was sent to `dest`, and returns its timer and waker.
    ///
    /// `None` if no such call waits: the reply is late, comes twice, or comes from another
    /// node than the one that was called. Then `outcome` is not evaluated.
    pub(super) fn end(
        &mut self,
        msg_id: u64,
        dest: NameId,
        outcome: impl FnOnce() -> Result<Rc<ReceivedMessage>>,
    ) -> Option<(TimerId, Waker)> {
        let entry = self.entries.get_mut(&msg_id)?;
        if !matches!(entry, Entry::Waiting { dest: called, .. } if *called == dest) {
            return None;
        }
        match std::mem::replace(entry, Entry::Ended(outcome())) {
            Entry::Waiting { timer, waker, .. } => {
                self.waiting -= 1;
                Some((timer, waker))
            }
            Entry::Ended(_) => None,
        }
    }

    /// Removes a call whose timer has fired and that no reply can end, and notes the task that
    /// waits for it. The caller drops the entry when nothing is borrowed.
    pub(super) fn lose(&mut self, msg_id: u64) -> Option<Entry> {
        let removed = self.remove(msg_id);
        if let Some(Entry::Waiting { slot, .. }) = &removed {
            self.lost.insert(msg_id, *slot);
        }
        removed
    }

    /// Takes the outcome of a call that has ended. Its entry goes with it.
    pub(super) fn take_outcome(&mut self, msg_id: u64) -> Option<Result<Rc<ReceivedMessage>>> {
        let hash_map::Entry::Occupied(entry) = self.entries.entry(msg_id) else {
            return None;
        };
        if matches!(entry.get(), Entry::Waiting { .. }) {
            return None;
        }
        match entry.remove() {
            Entry::Ended(outcome) => Some(outcome),
            Entry::Waiting { .. } => None,
        }
    }

    /// Has a waiting call wake `waker`, of the task in `slot`. Returns the waker that is no
    /// longer needed: dropping it may run the author's code, so the caller drops it when
    /// nothing is borrowed.
    pub(super) fn set_waker(&mut self, msg_id: u64, waker: Waker, slot: u32) -> Waker {
        match self.entries.get_mut(&msg_id) {
            Some(Entry::Waiting {
                waker: known,
                slot: known_slot,
                ..
            }) => {
                *known_slot = slot;
                std::mem::replace(known, waker)
            }
            Some(Entry::Ended(_)) | None => waker,
        }
    }

    /// Removes a call. The caller drops the entry when nothing is borrowed.
    pub(super) fn remove(&mut self, msg_id: u64) -> Option<Entry> {
        let removed = self.entries.remove(&msg_id);
        match removed {
            Some(Entry::Waiting { .. }) => self.waiting -= 1,
            Some(Entry::Ended(_)) => {}
            None => {
                self.lost.remove(&msg_id);
            }
        }
        removed
    }

    /// The number of calls that wait for a reply or their expiry.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The number of entries: calls that wait, and ended ones whose outcome was not taken.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number and the timer of each waiting call.
    pub(super) fn timers(&self) -> impl Iterator<Item = (u64, TimerId)> {
        let entries = self.entries.iter();
        entries.filter_map(|(&msg_id, entry)| match entry {
            Entry::Waiting { timer, .. } => Some((msg_id, *timer)),
            Entry::Ended(_) => None,
        })
    }

    /// The number of each call, and where it was sent if it still waits.
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn states(&self) -> impl Iterator<Item = (u64, Option<NameId>)> {
        let entries = self.entries.iter();
        entries.map(|(&msg_id, entry)| match entry {
            Entry::Waiting { dest, .. } => (msg_id, Some(*dest)),
            Entry::Ended(_) => (msg_id, None),
        })
    }

    /// The slot of the task of each call without an outcome.
    pub(super) fn callers(&self) -> impl Iterator<Item = u32> {
        let waiting = self.entries.values().filter_map(|entry| match entry {
            Entry::Waiting { slot, .. } => Some(*slot),
            Entry::Ended(_) => None,
        });
        waiting.chain(self.lost.values().copied())
    }

    /// Checks what can be checked without the timers. Reads every entry.
    pub(super) fn assert_invariants(&self) {
        assert_eq!(
            self.waiting,
            self.timers().count(),
            "the count of waiting calls"
        );
    }
}

/// The keys are this node's own message numbers. They are consecutive and no sender chooses
/// them, so one multiplication spreads them well enough.
#[derive(Default)]
struct MsgIdHasher(u64);

impl Hasher for MsgIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte) ^ self.0);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio. The high half is mixed better, so it goes below.
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::directory::Directory;
    use crate::protocol::Error;
    use crate::time::{Instant, Wheel};

    /// A table with one waiting call of number 7, and the node that was called.
    fn with_a_call() -> (CallTable, NameId) {
        let dest = Directory::default().find("lin-kv").expect("a service");
        let timer = Wheel::new(Instant::ZERO).insert(Instant::ZERO, ());
        let mut calls = CallTable::default();
        calls.insert(7, dest, timer, Waker::noop().clone(), 0);
        calls.assert_invariants();
        (calls, dest)
    }

    fn outcome() -> Result<Rc<ReceivedMessage>> {
        Err(Error::timeout("late"))
    }

    #[test]
    fn each_way_out_of_waiting_is_counted_once() {
        let (mut calls, dest) = with_a_call();
        assert!(calls.take_outcome(7).is_none());
        assert!(calls.end(7, dest, outcome).is_some());
        assert!(calls.end(7, dest, outcome).is_none());
        calls.assert_invariants();
        assert_eq!((calls.waiting(), calls.len()), (0, 1));
        assert!(calls.take_outcome(7).is_some());
        assert!(calls.take_outcome(7).is_none());
        assert_eq!(calls.len(), 0);
        let (mut calls, _) = with_a_call();
        assert!(calls.remove(7).is_some());
        assert!(calls.remove(7).is_none());
        calls.assert_invariants();
        assert_eq!((calls.waiting(), calls.len()), (0, 0));
    }

    #[test]
    fn a_lost_call_has_a_task_and_takes_no_reply() {
        let (mut calls, dest) = with_a_call();
        assert!(calls.lose(7).is_some());
        assert!(calls.end(7, dest, outcome).is_none());
        assert!(calls.take_outcome(7).is_none());
        calls.assert_invariants();
        assert_eq!((calls.waiting(), calls.len()), (0, 0));
        assert!(calls.callers().eq([0]));
        assert!(calls.remove(7).is_none(), "its future is dropped");
        assert_eq!(calls.callers().count(), 0);
    }

    #[test]
    #[should_panic(expected = "the count of waiting calls")]
    fn a_wrong_count_of_waiting_calls_is_found() {
        let (mut calls, _) = with_a_call();
        calls.entries.clear();
        calls.assert_invariants();
    }

    #[test]
    #[should_panic(expected = "two calls have the number 7")]
    fn a_number_that_is_used_twice_is_found() {
        let (mut calls, dest) = with_a_call();
        let timer = Wheel::new(Instant::ZERO).insert(Instant::ZERO, ());
        calls.insert(7, dest, timer, Waker::noop().clone(), 0);
    }
}
