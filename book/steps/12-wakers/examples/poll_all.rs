//! A wrong draft: an executor that polls every task whenever anything has happened.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

fn main() {
    let mut polls = 0_u64;
    let mut cx = Context::from_waker(Waker::noop());
    // Task N waits for round N.
    let round = &std::cell::Cell::new(0);
    let task = |n| {
        poll_fn(move |_| {
            if round.get() >= n {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    };
    let mut tasks: Vec<_> = (1..=1000).map(task).collect();
    while !tasks.is_empty() {
        round.set(round.get() + 1);
        tasks.retain_mut(|task| {
            polls += 1;
            Pin::new(task).poll(&mut cx).is_pending()
        });
    }
    println!("1000 tasks, each of which had one reason to go on: {polls} polls");
}
