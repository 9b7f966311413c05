//! Calls: requests that wait for a reply, for a limited time.

#![forbid(unsafe_code)]

pub mod deadlines;
pub mod executor;

use deadlines::{Deadlines, TimerId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The end of a call whose time is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeout;

/// The table of the calls that wait. Clones share it.
pub struct Calls<T>(Rc<RefCell<Table<T>>>);

struct Table<T> {
    /// By their numbers.
    waiting: HashMap<u64, Waiting<T>>,
    deadlines: Deadlines<u64>,
    calls: u64,
}

struct Waiting<T> {
    timer: TimerId,
    /// The waker of the last poll.
    waker: Option<Waker>,
    /// It is there from the end of the call to the next poll.
    outcome: Option<Result<T, Timeout>>,
}

/// A future: the reply, or the timeout. To drop it is to forget the call.
pub struct Call<T> {
    number: u64,
    calls: Calls<T>,
}

impl<T> Calls<T> {
    /// Begins a call that ends at `deadline` at the latest.
    pub fn begin(&self, deadline: u64) -> Call<T> {
        let mut table = self.0.borrow_mut();
        table.calls += 1;
        let number = table.calls;
        let timer = table.deadlines.insert(deadline, number);
        let waiting = Waiting {
            timer,
            waker: None,
            outcome: None,
        };
        table.waiting.insert(number, waiting);
        Call {
            number,
            calls: self.clone(),
        }
    }

    /// A reply has come. Returns false if no call waits for it: it is too late, or a
    /// second one, or was never asked for.
    pub fn reply(&self, number: u64, value: T) -> bool {
        let ended = self.0.borrow_mut().end(number, Ok(value));
        // Now nothing is borrowed, and the waker may do what it likes.
        if let Some(Some(waker)) = &ended {
            waker.wake_by_ref();
        }
        ended.is_some()
    }

    /// Ends all calls whose time is over.
    pub fn expire(&self, now: u64) {
        let mut wakers = Vec::new();
        let mut table = self.0.borrow_mut();
        let mut due = Vec::new();
        table.deadlines.expire(now, &mut due);
        for number in due {
            wakers.extend(table.end(number, Err(Timeout)).flatten());
        }
        drop(table);
        for waker in wakers {
            waker.wake();
        }
    }

    pub fn next_deadline(&self) -> Option<u64> {
        self.0.borrow_mut().deadlines.next_deadline()
    }

    /// How many calls are in the table, and how many timers are armed.
    pub fn sizes(&self) -> (usize, usize) {
        let table = self.0.borrow();
        (table.waiting.len(), table.deadlines.armed())
    }
}

impl<T> Table<T> {
    /// Ends a call that waits. Returns the waker of its task, if it was polled.
    fn end(&mut self, number: u64, outcome: Result<T, Timeout>) -> Option<Option<Waker>> {
        let waiting = self.waiting.get_mut(&number);
        let waiting = waiting.filter(|waiting| waiting.outcome.is_none())?;
        waiting.outcome = Some(outcome);
        self.deadlines.cancel(waiting.timer);
        Some(waiting.waker.take())
    }
}

impl<T> Call<T> {
    /// The number that goes out with the request, and comes back with its reply.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl<T> Future for Call<T> {
    type Output = Result<T, Timeout>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut table = self.calls.0.borrow_mut();
        let waiting = table.waiting.get_mut(&self.number);
        let waiting = waiting.expect("a call is in the table until it ends");
        match waiting.outcome.take() {
            Some(outcome) => {
                table.waiting.remove(&self.number);
                Poll::Ready(outcome)
            }
            None => {
                waiting.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        let mut table = self.calls.0.borrow_mut();
        if let Some(waiting) = table.waiting.remove(&self.number) {
            table.deadlines.cancel(waiting.timer);
        }
    }
}

impl<T> Clone for Calls<T> {
    fn clone(&self) -> Calls<T> {
        Calls(self.0.clone())
    }
}

impl<T> Default for Calls<T> {
    fn default() -> Calls<T> {
        Calls(Rc::new(RefCell::new(Table {
            waiting: HashMap::new(),
            deadlines: Deadlines::default(),
            calls: 0,
        })))
    }
}
