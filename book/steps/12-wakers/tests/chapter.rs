//! The two sides of a wait run on two threads, and a turnstile lets them pass in a given
//! order. So each interleaving is a test of its own, on the real code.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;
use wakers::{Executor, ReadyQueue};

/// Lets threads take steps in the order of a schedule.
struct Turnstile {
    /// The numbers of the threads whose steps are still to come.
    schedule: Mutex<Vec<usize>>,
    changed: Condvar,
}

impl Turnstile {
    fn new(order: &[usize]) -> Turnstile {
        Turnstile {
            schedule: Mutex::new(order.iter().rev().copied().collect()),
            changed: Condvar::new(),
        }
    }

    /// Waits until the next step is that of `thread`.
    fn enter(&self, thread: usize) {
        let mut schedule = self.schedule.lock().unwrap();
        while schedule.last() != Some(&thread) {
            let waited = self.changed.wait_timeout(schedule, Duration::from_secs(10));
            let (guard, timeout) = waited.unwrap();
            assert!(!timeout.timed_out(), "a step does not come");
            schedule = guard;
        }
    }

    fn leave(&self) {
        self.schedule.lock().unwrap().pop();
        self.changed.notify_all();
    }
}

/// All orders of the steps of some threads, two steps for each.
fn interleavings(left: &mut [usize], order: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
    if left.iter().all(|&steps| steps == 0) {
        all.push(order.clone());
    }
    for thread in 0..left.len() {
        if left[thread] > 0 {
            left[thread] -= 1;
            order.push(thread);
            interleavings(left, order, all);
            order.pop();
            left[thread] += 1;
        }
    }
}

/// Thread 0 parks, the others push. Panics if the loop sleeps with a task in the queue
/// and the bell does not ring.
fn no_wake_is_lost(order: &[usize], pushers: usize) {
    let queue = &ReadyQueue::new().unwrap();
    let turnstile = &Turnstile::new(order);
    let pause = |thread| {
        move || {
            turnstile.leave();
            turnstile.enter(thread);
        }
    };
    let mut sleeps = false;
    std::thread::scope(|scope| {
        for thread in 1..=pushers {
            scope.spawn(move || {
                turnstile.enter(thread);
                queue.push_in_steps(thread, pause(thread));
                turnstile.leave();
            });
        }
        turnstile.enter(0);
        sleeps = queue.park_in_steps(pause(0));
        turnstile.leave();
    });
    let rings = queue.rings();
    assert!(
        !sleeps || rings > 0,
        "the wake is lost in the order {order:?}"
    );
}

#[test]
fn no_interleaving_loses_a_wake() {
    for pushers in [1, 2] {
        let mut all = Vec::new();
        interleavings(&mut vec![2; pushers + 1], &mut Vec::new(), &mut all);
        assert_eq!(all.len(), if pushers == 1 { 6 } else { 90 });
        for order in all {
            no_wake_is_lost(&order, pushers);
        }
    }
}

#[test]
fn only_the_first_wake_of_a_sleep_rings() {
    let queue = ReadyQueue::new().unwrap();
    assert!(queue.park());
    queue.push(0);
    queue.push(1);
    assert_eq!(queue.rings(), 1);
}

#[test]
fn a_wake_while_the_loop_is_awake_rings_no_bell() {
    let queue = ReadyQueue::new().unwrap();
    queue.push(0);
    assert_eq!(queue.rings(), 0);
    let queue = ReadyQueue::new().unwrap();
    assert!(queue.park());
    queue.unpark();
    queue.push(0);
    assert_eq!(queue.rings(), 0);
}

/// The names of tasks in the order of their polls, and the waker of each.
#[derive(Default)]
struct Record {
    polls: Vec<u32>,
    wakers: BTreeMap<u32, Waker>,
}

/// A task that ends at its third poll.
async fn three_polls(name: u32, record: Rc<RefCell<Record>>) {
    let mut count = 0;
    poll_fn(move |cx| {
        count += 1;
        let mut record = record.borrow_mut();
        record.polls.push(name);
        record.wakers.insert(name, cx.waker().clone());
        if count == 3 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// An executor with three tasks that were polled once.
fn three_tasks() -> (Executor, Rc<RefCell<Record>>) {
    let mut executor = Executor::new().unwrap();
    let record = Rc::default();
    for name in 0..3 {
        executor.spawn(three_polls(name, Rc::clone(&record)));
    }
    assert_eq!(executor.run_ready(), 3);
    record.borrow_mut().polls.clear();
    (executor, record)
}

#[test]
fn only_a_task_that_was_woken_is_polled() {
    let (mut executor, record) = three_tasks();
    assert_eq!(executor.run_ready(), 0);
    record.borrow().wakers[&1].wake_by_ref();
    assert_eq!(executor.run_ready(), 1);
    assert_eq!((&record.borrow().polls, executor.tasks()), (&vec![1], 3));
}

#[test]
fn tasks_are_polled_in_the_order_of_their_wakes() {
    let (mut executor, record) = three_tasks();
    for name in [2, 0, 1] {
        record.borrow().wakers[&name].wake_by_ref();
    }
    executor.run_ready();
    assert_eq!(record.borrow().polls, [2, 0, 1]);
}

#[test]
fn a_task_that_is_woken_twice_is_polled_once() {
    let (mut executor, record) = three_tasks();
    record.borrow().wakers[&1].wake_by_ref();
    record.borrow().wakers[&1].wake_by_ref();
    executor.run_ready();
    assert_eq!(record.borrow().polls, [1]);
}

#[test]
fn a_wake_during_the_poll_is_not_lost() {
    let mut executor = Executor::new().unwrap();
    let mut polls = 0;
    executor.spawn(poll_fn(move |cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        if polls == 3 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    // The wake of each poll leads to one more, in the next call.
    assert_eq!([(); 3].map(|()| executor.run_ready()), [1, 1, 1]);
    assert_eq!(executor.tasks(), 0);
}

#[test]
fn a_wake_after_the_end_of_the_task_does_no_harm() {
    let (mut executor, record) = three_tasks();
    for _ in 0..3 {
        record.borrow().wakers[&0].wake_by_ref();
        executor.run_ready();
    }
    assert_eq!((&record.borrow().polls, executor.tasks()), (&vec![0, 0], 2));
}

#[test]
fn a_wake_from_another_thread_ends_the_sleep() {
    let (done, end) = mpsc::channel();
    std::thread::spawn(move || {
        let mut executor = Executor::new().unwrap();
        let (send, receive) = mpsc::channel::<Waker>();
        let (go, goes) = mpsc::channel();
        let answer = Arc::new(Mutex::new(None));
        let shared = answer.clone();
        std::thread::spawn(move || {
            let waker = receive.recv().unwrap();
            goes.recv().unwrap();
            *shared.lock().unwrap() = Some(42);
            waker.wake();
        });
        let mut asked = false;
        executor.spawn(poll_fn(move |cx| {
            if answer.lock().unwrap().is_some() {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut asked, true) {
                send.send(cx.waker().clone()).unwrap();
            }
            Poll::Pending
        }));
        // Polled after the first task, so the wake comes after that poll.
        executor.spawn(async move { go.send(()).unwrap() });
        executor.run().unwrap();
        _ = done.send(());
    });
    end.recv_timeout(Duration::from_secs(10))
        .expect("the loop wakes up");
}
