//! The node's armed timers: its wheel and its clock.

use crate::time::{Clock, Instant, TimerId, Wheel};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

/// How many timers may be armed before a task that asks for one more ends with
/// error 11: 1,048,576. Every task that may wait can sleep, and every call has its
/// own timer, so only a handler that holds thousands of sleeps gets there. Each
/// costs some 50 bytes.
///
/// ```
/// # fn rest(session: &eddyline::session::Session) {
/// use eddyline::session::{CALLS_MAX, TIMERS_MAX};
/// // A call has its own timer, whether or not the others are used up.
/// assert!(session.usage().timers <= TIMERS_MAX + CALLS_MAX);
/// # }
/// ```
pub const TIMERS_MAX: usize = 1 << 20;

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
    /// The task that is being polled asked for a timer too many.
    is_overrun: Cell<bool>,
}

impl Timers {
    pub(super) fn new(clock: Rc<dyn Clock>) -> Timers {
        let wheel = Wheel::new(clock.now());
        Timers {
            clock,
            wheel: RefCell::new(wheel),
            due: Cell::default(),
            is_overrun: Cell::new(false),
        }
    }

    /// The time now. Deadlines are counted from a fresh reading: one that was
    /// taken before a long handler would make its timers early.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Arms a timer. A deadline that has passed is due in the next turn.
    pub(super) fn arm(&self, deadline: Instant, timer: Timer) -> TimerId {
        let mut wheel = self.wheel.borrow_mut();
        if wheel.is_empty() {
            // A wheel without timers is not told the time: it may be far behind,
            // and would then have its timers fall through levels for nothing.
            wheel.expire(self.clock.now(), &mut Vec::new());
        }
        wheel.insert(deadline, timer)
    }

    /// Arms a timer that wakes a task, unless too many are armed. A sleep has no
    /// way to fail, so then the task is marked to end: see [`task_begins`] and
    /// [`task_overran`].
    ///
    /// [`task_begins`]: Timers::task_begins
    /// [`task_overran`]: Timers::task_overran
    pub(super) fn arm_wake(&self, deadline: Instant, waker: &Waker) -> Option<TimerId> {
        if self.len() >= TIMERS_MAX {
            self.is_overrun.set(true);
            return None;
        }
        Some(self.arm(deadline, Timer::Wake(waker.clone())))
    }

    /// Says that a task is about to be polled.
    pub(crate) fn task_begins(&self) {
        self.is_overrun.set(false);
    }

    /// Whether the task that was just polled waits for a timer that it did not
    /// get, and so would wait for ever.
    pub(crate) fn task_overran(&self) -> bool {
        self.is_overrun.get()
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

    /// Whether this timer is armed and ends the call of that number.
    pub(super) fn is_armed_for(&self, timer: TimerId, msg_id: u64) -> bool {
        let mut wheel = self.wheel.borrow_mut();
        matches!(wheel.get_mut(timer), Some(Timer::Call(call)) if *call == msg_id)
    }
}
