//! The node's armed timers: its wheel and its clock.

use crate::time::{Clock, Instant, TimerId, Wheel};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

/// What an armed timer does when it is due.
pub(crate) enum Timer {
    /// Ends the call of that number with error 0.
    Call(u64),
    /// Wakes a task.
    Wake(Waker),
}

/// Every armed timer of a node.
pub(crate) struct Timers {
    clock: Rc<dyn Clock>,
    wheel: RefCell<Wheel<Timer>>,
    /// Empty between turns; kept for its memory.
    due: Cell<Vec<Timer>>,
}

impl Timers {
    pub(super) fn new(clock: Rc<dyn Clock>) -> Timers {
        let wheel = Wheel::new(clock.now());
        Timers {
            clock,
            wheel: RefCell::new(wheel),
            due: Cell::default(),
        }
    }

    /// The time now. Deadlines are counted from a fresh reading: one that was
    /// taken before a long handler would make its timers early.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Arms a timer. A deadline that has passed is due in the next turn.
    pub(super) fn arm(&self, deadline: Instant, timer: Timer) -> TimerId {
        self.wheel.borrow_mut().insert(deadline, timer)
    }

    /// Points a waking timer at another waker; false if it has fired.
    pub(super) fn point_at(&self, timer: TimerId, waker: &Waker) -> bool {
        // Whatever is replaced is dropped last, when nothing is borrowed.
        let mut fresh = waker.clone();
        match self.wheel.borrow_mut().get_mut(timer) {
            Some(Timer::Wake(known)) => std::mem::swap(known, &mut fresh),
            _ => return false,
        }
        true
    }

    pub(super) fn disarm(&self, timer: TimerId) {
        // Taken out first: dropping a waker may run foreign code.
        let _disarmed = self.wheel.borrow_mut().cancel(timer);
    }

    /// When the next timer is due, at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.borrow().next_deadline()
    }

    /// Fires every timer that is due at `now`, those of calls by `end_call`. All
    /// are collected first, so that one which is armed anew at once waits for
    /// the next turn.
    pub(super) fn expire(&self, now: Instant, mut end_call: impl FnMut(u64)) {
        let mut due = self.due.take();
        self.wheel.borrow_mut().expire(now, &mut due);
        for timer in due.drain(..) {
            match timer {
                Timer::Wake(waker) => waker.wake(),
                Timer::Call(msg_id) => end_call(msg_id),
            }
        }
        self.due.set(due);
    }

    pub(super) fn len(&self) -> usize {
        self.wheel.borrow().len()
    }
}
