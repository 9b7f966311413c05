//! Calls in flight, by the number of their request.
//!
//! ```text
//!              reply, expiry
//!   waiting ──────────────────> ended ──> (its future takes the outcome)
//!      │                          │
//!      └── future dropped ────────┴─────> (removed)
//! ```
//!
//! A waiting call has exactly one armed timer, an ended one has none.

use super::directory::NameId;
use super::received_message::ReceivedMessage;
use crate::protocol::Result;
use crate::time::TimerId;
use std::collections::{HashMap, hash_map};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::task::Waker;

/// How many calls may wait at once: 262,144, two for each task that may wait. One
/// more ends with error 11. Each costs some 150 bytes here and on the timer
/// wheel, so one handler that asks everybody everything takes 40 MiB at most.
///
/// ```
/// # fn rest(session: &eddyline::session::Session) {
/// use eddyline::session::CALLS_MAX;
/// assert!(session.usage().calls <= CALLS_MAX);
/// # }
/// ```
pub const CALLS_MAX: usize = 1 << 18;

/// One call in flight.
pub(crate) enum Entry {
    Waiting {
        dest: NameId,
        timer: TimerId,
        /// `None` until its future was polled.
        waker: Option<Waker>,
    },
    /// The reply, or why there is none.
    Ended(Result<Rc<ReceivedMessage>>),
}

/// Every call whose future has not taken its outcome yet.
#[derive(Default)]
pub(crate) struct CallTable {
    entries: HashMap<u64, Entry, BuildHasherDefault<MsgIdHasher>>,
    waiting: usize,
}

/// What a call's future learns when it is polled.
pub(crate) enum Progress {
    /// With the waker that was replaced, to be dropped once nothing is borrowed.
    Waiting(Option<Waker>),
    Ended(Result<Rc<ReceivedMessage>>),
}

impl CallTable {
    /// Enters a call that was just sent.
    pub(crate) fn insert(&mut self, msg_id: u64, dest: NameId, timer: TimerId) {
        self.waiting += 1;
        let entry = Entry::Waiting {
            dest,
            timer,
            waker: None,
        };
        self.entries.insert(msg_id, entry);
    }

    /// Whom a waiting call was sent to.
    pub(crate) fn dest(&self, msg_id: u64) -> Option<NameId> {
        match self.entries.get(&msg_id)? {
            Entry::Waiting { dest, .. } => Some(*dest),
            Entry::Ended(_) => None,
        }
    }

    /// Ends a waiting call that was sent to `dest`, with what `outcome` says, and
    /// returns its timer and who waits for it. A reply that comes late, twice, or
    /// from anybody but the one that was called finds nothing.
    pub(crate) fn end(
        &mut self,
        msg_id: u64,
        dest: NameId,
        outcome: impl FnOnce() -> Result<Rc<ReceivedMessage>>,
    ) -> Option<(TimerId, Option<Waker>)> {
        let entry = self.entries.get_mut(&msg_id)?;
        match entry {
            Entry::Waiting {
                dest: called,
                timer,
                waker,
            } if *called == dest => {
                let ended = (*timer, waker.take());
                *entry = Entry::Ended(outcome());
                self.waiting -= 1;
                Some(ended)
            }
            _ => None,
        }
    }

    /// Asks on behalf of a call's future; takes the outcome if there is one.
    pub(crate) fn poll(&mut self, msg_id: u64, waker: &Waker) -> Progress {
        // Only its own future removes an entry, and it asks no more after.
        let hash_map::Entry::Occupied(mut entry) = self.entries.entry(msg_id) else {
            return Progress::Waiting(None);
        };
        if let Entry::Waiting { waker: known, .. } = entry.get_mut() {
            return Progress::Waiting(match known {
                Some(known) if known.will_wake(waker) => None,
                known => known.replace(waker.clone()),
            });
        }
        match entry.remove() {
            Entry::Ended(outcome) => Progress::Ended(outcome),
            Entry::Waiting { .. } => Progress::Waiting(None),
        }
    }

    /// Forgets a call whose future was dropped. What it leaves is the caller's
    /// to dispose of, once nothing is borrowed.
    pub(crate) fn remove(&mut self, msg_id: u64) -> Option<Entry> {
        let removed = self.entries.remove(&msg_id);
        if let Some(Entry::Waiting { .. }) = removed {
            self.waiting -= 1;
        }
        removed
    }

    /// How many calls wait for a reply or their expiry.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many calls have an entry, ended ones that nobody took among them.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Our own message numbers are the keys, one after another and never chosen by
/// a sender, so one multiplication spreads them well enough.
#[derive(Default)]
struct MsgIdHasher(u64);

impl Hasher for MsgIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte) ^ self.0);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio; the high half is the better mixed.
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
