//! The one timer wheel of a process, and the clock that it goes by.
//!
//! ```text
//!   calls of the node ───── arm_call ──┐                   ┌──> end_call(number)
//!   tasks that sleep ────── arm_wake ──┼──> wheel ─expire──┼──> wakes the task
//!   owner of the session ── arm_owner ─┘                   └──> next_expired() -> key
//! ```
//!
//! The owner is the program around the session: the runtime, with its deadlines for
//! sockets. It gives each deadline a key, and takes the keys that are due after `expire`.
//!
//! # Invariants
//! - No waker runs and none is dropped while the wheel is borrowed.
//! - All due timers are collected before the first of them fires. One that is armed
//!   again at once waits for the next turn.
//!
//! Read next: `time/wheel.rs`, how the wheel finds the earliest timer; `call_table.rs`.

use crate::protocol::Error;
use crate::time::{Clock, Instant, TimerId, Wheel};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

/// How many timers may be armed before a task that asks for one more ends with error
/// 11: 1,048,576. Each task can sleep, and each call has its own timer, so only a
/// handler that holds thousands of sleeps gets there. A timer costs some 50 bytes.
///
/// ```
/// # fn rest(session: &eddyline::session::Session) {
/// use eddyline::session::{CALLS_MAX, TIMERS_MAX};
/// // A call has its own timer, whether or not the others are used up.
/// assert!(session.usage().timers <= TIMERS_MAX + CALLS_MAX);
/// # }
/// ```
pub const TIMERS_MAX: usize = 1 << 20;

/// The owner's keys have this bit, and message numbers count up from 0 and never reach
/// it. A third variant of [`Timer`] would make every armed timer 8 bytes larger.
const OWNER: u64 = 1 << 63;

/// The error of a task that would arm one timer more.
pub(crate) fn too_many_timers() -> Error {
    Error::temporarily_unavailable(format!(
        "{TIMERS_MAX} timers are armed already; try again later"
    ))
}

/// An armed timer.
enum Timer {
    /// A call by its message number, or a deadline of the owner by its key.
    Numbered(u64),
    /// A task to wake.
    Wake(Waker),
}

const _: () = assert!(size_of::<Timer>() == size_of::<Waker>());

/// Every armed timer of a process.
pub(crate) struct Timers {
    clock: Rc<dyn Clock>,
    wheel: RefCell<Wheel<Timer>>,
    /// Empty between turns; kept for its memory.
    due: Cell<Vec<Timer>>,
    /// How many of the armed timers are the owner's.
    owner_len: Cell<usize>,
    /// The owner's keys that are due, and that it has not taken.
    owner_due: RefCell<VecDeque<u64>>,
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
            owner_len: Cell::new(0),
            owner_due: RefCell::default(),
            is_overrun: Cell::new(false),
        }
    }

    /// The time now. Deadlines are counted from a fresh reading: one that was
    /// taken before a long handler would make its timers early.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The time of day.
    pub(super) fn unix_time(&self) -> Duration {
        self.clock.unix_time()
    }

    pub(super) fn clock(&self) -> &Rc<dyn Clock> {
        &self.clock
    }

    /// Arms a timer. One whose deadline has passed is due in the next turn.
    fn arm(&self, deadline: Instant, timer: Timer) -> TimerId {
        let mut wheel = self.wheel.borrow_mut();
        wheel.insert_with_clock(&*self.clock, deadline, timer)
    }

    /// Arms the timer of the call with that message number.
    pub(super) fn arm_call(&self, deadline: Instant, msg_id: u64) -> TimerId {
        debug_assert!(msg_id & OWNER == 0, "message numbers ran out");
        self.arm(deadline, Timer::Numbered(msg_id))
    }

    /// Arms a deadline of the session's owner, which is told `key` when it is due.
    pub(crate) fn arm_owner(&self, deadline: Instant, key: u64) -> TimerId {
        self.owner_len.set(self.owner_len.get() + 1);
        self.arm(deadline, Timer::Numbered(key | OWNER))
    }

    /// Disarms a deadline of the owner; without effect if it was due.
    pub(crate) fn disarm_owner(&self, timer: TimerId) {
        let disarmed = self.wheel.borrow_mut().cancel(timer);
        if disarmed.is_some() {
            self.owner_len.set(self.owner_len.get() - 1);
        }
    }

    /// Takes the next key of the owner that is due.
    pub(crate) fn next_expired(&self) -> Option<u64> {
        self.owner_due.borrow_mut().pop_front()
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
        // The replaced waker is dropped last, when nothing is borrowed.
        let mut fresh = waker.clone();
        match self.wheel.borrow_mut().get_mut(timer) {
            Some(Timer::Wake(known)) => std::mem::swap(known, &mut fresh),
            _ => return false,
        }
        true
    }

    pub(super) fn disarm(&self, timer: TimerId) {
        // Dropping a waker may run other code, so the borrow ends first.
        let _disarmed = self.wheel.borrow_mut().cancel(timer);
    }

    /// When the next timer is due, at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.borrow().next_deadline()
    }

    /// Fires every timer that is due at `now`, those of calls by `end_call`. The
    /// owner's keys wait for [`next_expired`](Timers::next_expired).
    pub(super) fn expire(&self, now: Instant, mut end_call: impl FnMut(u64)) {
        let mut due = self.due.take();
        self.wheel.borrow_mut().expire(now, &mut due);
        for timer in due.drain(..) {
            match timer {
                Timer::Wake(waker) => waker.wake(),
                Timer::Numbered(key) if key & OWNER != 0 => {
                    self.owner_len.set(self.owner_len.get() - 1);
                    self.owner_due.borrow_mut().push_back(key & !OWNER);
                }
                Timer::Numbered(msg_id) => end_call(msg_id),
            }
        }
        self.due.set(due);
    }

    /// How many timers of tasks and calls are armed.
    pub(super) fn len(&self) -> usize {
        self.wheel.borrow().len() - self.owner_len.get()
    }

    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn snapshot(&self) -> crate::time::WheelSnapshot {
        self.wheel.borrow().snapshot(|timer| match timer {
            Timer::Wake(_) => "sleep".to_owned(),
            Timer::Numbered(key) if key & OWNER != 0 => "deadline of TCP".to_owned(),
            Timer::Numbered(msg_id) => format!("call {msg_id}"),
        })
    }

    /// Whether this timer is armed and ends the call of that number.
    pub(super) fn is_armed_for(&self, timer: TimerId, msg_id: u64) -> bool {
        let mut wheel = self.wheel.borrow_mut();
        matches!(wheel.get_mut(timer), Some(Timer::Numbered(call)) if *call == msg_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::VirtualClock;

    #[test]
    fn each_timer_that_is_due_goes_to_its_own_side() {
        let timers = Timers::new(Rc::new(VirtualClock::default()));
        let at = Instant::from_millis;
        timers.arm_owner(at(2), 7);
        timers.arm_call(at(1), 7);
        timers.arm_owner(at(1), 0);
        let disarmed = timers.arm_owner(at(1), 9);
        timers.disarm_owner(disarmed);
        assert_eq!(timers.len(), 1, "the owner's are not counted");
        let mut calls = Vec::new();
        timers.expire(at(1), |msg_id| calls.push(msg_id));
        assert_eq!(calls, [7]);
        assert_eq!(timers.next_expired(), Some(0));
        assert_eq!(timers.next_expired(), None);
        assert_eq!((timers.len(), timers.next_deadline()), (0, Some(at(2))));
        timers.expire(at(2), |_| panic!("a call"));
        assert_eq!(timers.next_expired(), Some(7));
        timers.disarm_owner(disarmed);
        assert_eq!((timers.len(), timers.next_deadline()), (0, None));
    }
}
