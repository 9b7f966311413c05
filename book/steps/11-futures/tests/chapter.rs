//! Futures and an executor, without a loop around them: the test is the loop.

use by_hand::{Executor, both, promise};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// One poll of a future by hand.
macro_rules! poll {
    ($future:expr) => {
        $future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    };
}

#[test]
fn a_reply_waits_for_its_promise() {
    let (promise, reply) = promise();
    let mut reply = pin!(reply);
    assert_eq!(poll!(reply), Poll::Pending);
    assert_eq!(poll!(reply), Poll::Pending);
    promise.keep(7);
    assert_eq!(poll!(reply), Poll::Ready(Some(7)));
}

#[test]
fn a_promise_that_is_dropped_ends_the_wait() {
    let (promise, reply) = promise::<u32>();
    let mut reply = pin!(reply);
    assert_eq!(poll!(reply), Poll::Pending);
    drop(promise);
    assert_eq!(poll!(reply), Poll::Ready(None));
}

#[test]
fn both_waits_for_both() {
    let ((first, one), (second, two)) = (promise(), promise());
    let mut both = pin!(both(one, two));
    assert_eq!(poll!(both), Poll::Pending);
    first.keep(1);
    second.keep("two");
    assert_eq!(poll!(both), Poll::Ready((Some(1), Some("two"))));
}

/// A future that is ready at its poll number `at`, and counts its polls.
fn ready_at(at: u32, polls: &Rc<Cell<u32>>) -> impl Future<Output = u32> + use<> {
    let polls = polls.clone();
    poll_fn(move |_| {
        polls.set(polls.get() + 1);
        match polls.get() >= at {
            true => Poll::Ready(at),
            false => Poll::Pending,
        }
    })
}

#[test]
fn both_lets_each_one_go_on_while_the_other_waits() {
    let (first, second) = (Rc::default(), Rc::default());
    let mut both = pin!(both(ready_at(100, &first), ready_at(100, &second)));
    assert_eq!(poll!(both), Poll::Pending);
    assert_eq!((first.get(), second.get()), (1, 1), "polls of the two");
}

#[test]
fn both_does_not_poll_a_future_that_has_ended() {
    let (first, second) = (Rc::default(), Rc::default());
    let mut both = pin!(both(ready_at(1, &first), ready_at(3, &second)));
    assert_eq!(poll!(both), Poll::Pending);
    assert_eq!(poll!(both), Poll::Pending);
    assert_eq!(poll!(both), Poll::Ready((1, 3)));
    assert_eq!((first.get(), second.get()), (1, 3), "polls of the two");
}

#[test]
fn a_task_is_polled_when_it_is_spawned() {
    let mut executor = Executor::default();
    let polls = Rc::default();
    let task = ready_at(1, &polls);
    executor.spawn(async { _ = task.await });
    assert_eq!((polls.get(), executor.tasks()), (1, 0), "polls, tasks");
}

#[test]
fn each_task_is_polled_once() {
    let mut executor = Executor::default();
    for _ in 0..3 {
        executor.spawn(std::future::pending());
    }
    let before = executor.polls;
    executor.poll_all();
    assert_eq!((executor.polls - before, executor.tasks()), (3, 3));
}

/// Sets the flag when it is dropped.
struct Guard(Rc<Cell<bool>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn a_task_that_has_ended_is_dropped() {
    let mut executor = Executor::default();
    let ((promise, reply), dropped) = (promise(), Rc::<Cell<bool>>::default());
    let guard = Guard(dropped.clone());
    // The guard is held by the closure, which lives as long as the task.
    let (mut reply, mut cell) = (Box::pin(reply), Some(guard));
    executor.spawn(poll_fn(move |cx| {
        _ = &mut cell;
        reply.as_mut().poll(cx).map(|_value| ())
    }));
    assert!(!dropped.get(), "it waits");
    promise.keep(());
    executor.poll_all();
    assert!(dropped.get() && executor.tasks() == 0);
}

#[test]
fn a_task_that_is_cancelled_drops_all_that_it_holds() {
    let mut executor = Executor::default();
    let dropped = Rc::<Cell<bool>>::default();
    let guard = Guard(dropped.clone());
    let id = executor.spawn(async move {
        let _held_across_the_wait = guard;
        std::future::pending::<()>().await;
    });
    assert!(!dropped.get());
    assert!(executor.cancel(id));
    assert!(dropped.get() && executor.tasks() == 0);
}

#[test]
fn an_old_name_polls_no_new_task() {
    let mut executor = Executor::default();
    let old = executor.spawn(std::future::ready(()));
    executor.poll_all();
    let polls = Rc::default();
    let task = ready_at(100, &polls);
    let new = executor.spawn(async { _ = task.await });
    assert_eq!(old.slot, new.slot, "the slot is used again");
    let before = polls.get();
    assert!(!executor.poll(old));
    assert_eq!(polls.get(), before, "the new task was polled");
}

#[test]
fn an_old_name_cancels_no_new_task() {
    let mut executor = Executor::default();
    let old = executor.spawn(std::future::ready(()));
    executor.poll_all();
    executor.spawn(std::future::pending());
    assert!(!executor.cancel(old));
    assert_eq!(executor.tasks(), 1, "the new task is still there");
}

#[test]
fn a_task_can_spawn_another() {
    let mut executor = Executor::default();
    let (spawner, log) = (executor.spawner(), Rc::<RefCell<Vec<&str>>>::default());
    let inner = log.clone();
    executor.spawn(async move {
        inner.borrow_mut().push("outer");
        spawner.spawn(async move { inner.borrow_mut().push("inner") });
    });
    executor.poll_all();
    executor.poll_all();
    assert_eq!(*log.borrow(), ["outer", "inner"]);
}

#[test]
fn a_task_that_spawns_without_end_does_not_keep_the_loop() {
    fn again(spawner: by_hand::Spawner, count: Rc<Cell<u32>>) {
        let next = spawner.clone();
        spawner.spawn(async move {
            count.set(count.get() + 1);
            assert!(count.get() < 1000, "one call starts tasks without end");
            again(next, count);
        });
    }
    let mut executor = Executor::default();
    let count = Rc::<Cell<u32>>::default();
    again(executor.spawner(), count.clone());
    executor.poll_all();
    assert!(count.get() <= 1, "{} tasks in one call", count.get());
}
