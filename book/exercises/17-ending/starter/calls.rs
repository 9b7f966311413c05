//! Calls (chapter 13) with their deadlines (chapter 8). The number of a call is the name
//! of its timer, too.

use serde_json::Value;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The time of a call is over.
pub struct Timeout;

/// The table of the calls that wait. Clones share it.
#[derive(Clone, Default)]
pub struct Calls(Rc<RefCell<Table>>);

#[derive(Default)]
struct Table {
    waiting: HashMap<u64, Waiting>,
    /// Deadlines and calls, the earliest on top. Calls that have ended leave it late.
    deadlines: BinaryHeap<Reverse<(u64, u64)>>,
    calls: u64,
}

#[derive(Default)]
struct Waiting {
    waker: Option<Waker>,
    outcome: Option<Result<Value, Timeout>>,
}

/// A future: the reply, or the timeout. To drop it is to forget the call.
pub struct Call {
    pub number: u64,
    calls: Calls,
}

impl Calls {
    pub fn begin(&self, deadline: u64) -> Call {
        let mut table = self.0.borrow_mut();
        table.calls += 1;
        let number = table.calls;
        table.waiting.insert(number, Waiting::default());
        table.deadlines.push(Reverse((deadline, number)));
        let calls = self.clone();
        Call { number, calls }
    }

    /// Ends a call that waits for it. Any other reply is ignored.
    pub fn end(&self, number: u64, outcome: Result<Value, Timeout>) {
        let mut table = self.0.borrow_mut();
        let waiting = table.waiting.get_mut(&number);
        let Some(waiting) = waiting.filter(|waiting| waiting.outcome.is_none()) else {
            return;
        };
        waiting.outcome = Some(outcome);
        let waker = waiting.waker.take();
        drop(table); // the waker may use it
        waker.into_iter().for_each(Waker::wake);
    }

    pub fn expire(&self, now: u64) {
        while self.next_deadline().is_some_and(|tick| tick <= now) {
            let due = self.0.borrow_mut().deadlines.pop();
            if let Some(Reverse((_, number))) = due {
                self.end(number, Err(Timeout));
            }
        }
    }

    pub fn next_deadline(&self) -> Option<u64> {
        let mut table = self.0.borrow_mut();
        loop {
            let &Reverse((tick, number)) = table.deadlines.peek()?;
            let waiting = table.waiting.get(&number);
            if waiting.is_some_and(|waiting| waiting.outcome.is_none()) {
                return Some(tick);
            }
            table.deadlines.pop();
        }
    }
}

impl Future for Call {
    type Output = Result<Value, Timeout>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut table = self.calls.0.borrow_mut();
        let waiting = table.waiting.entry(self.number).or_default();
        match waiting.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                waiting.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.0.borrow_mut().waiting.remove(&self.number);
    }
}
