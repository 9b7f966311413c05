//! The waits of suspended tasks. After the end of input they decide whether the process
//! waits for them.
//!
//! A task is known by its slot in the executor. A call notes the slot of the task that polls
//! it in its entry of the call table. A sleep counts itself here, and so does a closure of
//! `unblock`, which ends without another message too. A wait for another thing, such as a
//! thread of the author's, is unknown: then the task's waker is held somewhere, and neither a
//! call nor a sleep explains that.
//!
//! The waker alone does not tell. A `FuturesUnordered` of calls hands wakers of its own to
//! the call table, and keeps the task's.

use super::received_message::{Answer, ReceivedMessage};
use super::request::Request;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// The list of kept requests is looked through for the first time when it has 64 entries.
const KEPT_CHECK_MIN: usize = 64;

/// The waits of the tasks of one node, and the requests that their handlers have kept.
#[derive(Default)]
pub(crate) struct Waits {
    /// The slot of the task that is being polled, or was polled last. The executor sets it.
    polled: Rc<Cell<u32>>,
    /// How many sleeps and closures have not ended, by the slot of the task that awaits them.
    sleeps: RefCell<Vec<u32>>,
    kept: RefCell<Kept>,
}

/// Requests whose handlers have ended without a reply, while a clone was kept.
///
/// It has at most twice as many entries as there are such requests: ended ones are removed
/// when it has doubled.
#[derive(Default)]
struct Kept {
    requests: Vec<Weak<ReceivedMessage>>,
    /// How many entries were left when the ended ones were removed last.
    left: usize,
}

impl Waits {
    /// The place where the executor says which slot it polls.
    pub(crate) fn polled(&self) -> &Rc<Cell<u32>> {
        &self.polled
    }

    /// The slot of the task that is being polled.
    pub(super) fn polled_slot(&self) -> u32 {
        self.polled.get()
    }

    /// Notes that the task that is being polled sleeps. Returns its slot, for
    /// [`end_sleep`](Waits::end_sleep).
    pub(super) fn begin_sleep(&self) -> u32 {
        let slot = self.polled.get();
        let mut sleeps = self.sleeps.borrow_mut();
        let index = slot as usize;
        if sleeps.len() <= index {
            sleeps.resize(index + 1, 0);
        }
        sleeps[index] += 1;
        slot
    }

    /// Notes that a sleep has ended or was dropped.
    pub(super) fn end_sleep(&self, slot: u32) {
        if let Some(count) = self.sleeps.borrow_mut().get_mut(slot as usize) {
            *count -= 1;
        }
    }

    /// Whether the task in a slot sleeps.
    pub(crate) fn sleeps(&self, slot: u32) -> bool {
        let sleeps = self.sleeps.borrow();
        sleeps.get(slot as usize).is_some_and(|&count| count > 0)
    }

    /// Notes a request whose handler has ended without a reply, while a clone is kept.
    pub(crate) fn keep(&self, request: &Request) {
        let mut kept = self.kept.borrow_mut();
        if kept.requests.len() >= KEPT_CHECK_MIN.max(2 * kept.left) {
            kept.requests.retain(is_open);
            kept.left = kept.requests.len();
        }
        kept.requests.push(request.downgrade());
    }

    /// The number of kept requests that may still be answered.
    pub(crate) fn kept(&self) -> usize {
        let kept = self.kept.borrow();
        kept.requests.iter().filter(|kept| is_open(kept)).count()
    }

    /// How many entries the list of kept requests has.
    #[cfg(test)]
    fn entries(&self) -> usize {
        self.kept.borrow().requests.len()
    }
}

/// Whether a clone of the request exists, and its reply is due.
fn is_open(kept: &Weak<ReceivedMessage>) -> bool {
    kept.upgrade()
        .is_some_and(|kept| kept.answer.get() == Answer::Due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_are_counted_by_the_slot_that_was_polled() {
        let waits = Waits::default();
        waits.polled().set(7);
        let (one, other) = (waits.begin_sleep(), waits.begin_sleep());
        waits.polled().set(3);
        let third = waits.begin_sleep();
        waits.end_sleep(one);
        let sleeping = || -> Vec<u32> { (0..9).filter(|&slot| waits.sleeps(slot)).collect() };
        assert_eq!(sleeping(), [3, 7]);
        waits.end_sleep(other);
        waits.end_sleep(third);
        assert!(sleeping().is_empty());
    }

    #[test]
    fn kept_requests_that_were_dropped_or_answered_leave_the_list() {
        let waits = Waits::default();
        let request = || Request::new(Rc::new(ReceivedMessage::default()));
        let (open, answered) = (request(), request());
        waits.keep(&open);
        waits.keep(&answered);
        assert_eq!(waits.kept(), 2);
        answered.replace_answer(Answer::Sent);
        for _ in 0..10 * KEPT_CHECK_MIN {
            waits.keep(&request());
        }
        assert_eq!(waits.kept(), 1);
        assert!(waits.entries() <= KEPT_CHECK_MIN, "{}", waits.entries());
    }
}
