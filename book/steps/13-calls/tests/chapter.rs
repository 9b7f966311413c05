//! The rules of calls. Time is a number, and the test plays the network.

use calls::executor::Executor;
use calls::{Call, Calls, Timeout};
use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

type Outcome = Result<&'static str, Timeout>;

/// One poll by hand, with a waker that does nothing.
fn poll(call: Pin<&mut Call<&'static str>>) -> Poll<Outcome> {
    call.poll(&mut Context::from_waker(Waker::noop()))
}

/// Tasks that wait for one call each, and their outcomes in the order of their ends.
struct Tasks {
    calls: Calls<&'static str>,
    executor: Executor,
    outcomes: Rc<RefCell<Vec<(u64, Outcome)>>>,
}

impl Tasks {
    /// Begins a call for each deadline, and polls each task once.
    fn new(deadlines: &[u64]) -> Tasks {
        let tasks = Tasks {
            calls: Calls::default(),
            executor: Executor::default(),
            outcomes: Rc::default(),
        };
        for &deadline in deadlines {
            let (call, outcomes) = (tasks.calls.begin(deadline), tasks.outcomes.clone());
            tasks.executor.spawner().spawn(async move {
                let number = call.number();
                let outcome = call.await;
                outcomes.borrow_mut().push((number, outcome));
            });
        }
        tasks.run()
    }

    fn run(mut self) -> Tasks {
        self.executor.run_ready();
        self
    }

    fn outcomes(&self) -> Vec<(u64, Outcome)> {
        self.outcomes.borrow().clone()
    }
}

#[test]
fn a_reply_ends_its_call() {
    let tasks = Tasks::new(&[50]);
    assert!(tasks.calls.reply(1, "pong"));
    assert_eq!(tasks.run().outcomes(), [(1, Ok("pong"))]);
}

#[test]
fn each_reply_goes_to_its_own_call() {
    let tasks = Tasks::new(&[50, 50, 50]);
    tasks.calls.reply(3, "three");
    let tasks = tasks.run();
    tasks.calls.reply(1, "one");
    assert_eq!(tasks.run().outcomes(), [(3, Ok("three")), (1, Ok("one"))]);
}

#[test]
fn a_call_without_a_reply_times_out() {
    let tasks = Tasks::new(&[50]);
    tasks.calls.expire(49);
    let tasks = tasks.run();
    assert_eq!(tasks.outcomes(), [], "early");
    tasks.calls.expire(50);
    assert_eq!(tasks.run().outcomes(), [(1, Err(Timeout))]);
}

#[test]
fn calls_that_time_out_together_all_end() {
    let tasks = Tasks::new(&[50, 50, 40]);
    tasks.calls.expire(60);
    let tasks = tasks.run();
    let numbers: Vec<u64> = tasks.outcomes().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [3, 1, 2], "in the order of their deadlines");
}

#[test]
fn a_reply_that_comes_too_late_is_ignored() {
    let calls = Calls::default();
    let mut call = pin!(calls.begin(50));
    calls.expire(50);
    assert_eq!(poll(call.as_mut()), Poll::Ready(Err(Timeout)));
    assert!(!calls.reply(1, "late"), "no call waits for it");
    assert_eq!(calls.sizes(), (0, 0), "calls and timers");
}

#[test]
fn the_first_reply_counts() {
    let calls = Calls::default();
    let mut call = pin!(calls.begin(50));
    assert!(calls.reply(1, "first"));
    assert!(!calls.reply(1, "second"), "the call has ended");
    assert_eq!(poll(call.as_mut()), Poll::Ready(Ok("first")));
}

#[test]
fn a_call_that_was_answered_has_no_deadline() {
    let calls = Calls::default();
    let _call = calls.begin(50);
    assert_eq!(calls.next_deadline(), Some(50));
    calls.reply(1, "pong");
    assert_eq!(
        calls.next_deadline(),
        None,
        "the loop would wake for nothing"
    );
}

#[test]
fn a_call_that_is_dropped_leaves_nothing_behind() {
    let calls = Calls::default();
    let call = calls.begin(50);
    assert_eq!(calls.sizes(), (1, 1));
    drop(call);
    assert_eq!(calls.sizes(), (0, 0), "calls and timers");
    assert!(!calls.reply(1, "pong"), "no call waits for it");
}

/// Counts its wakes.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Counter>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn a_call_wakes_the_task_that_polled_it_last() {
    let (first, last) = (Arc::<Counter>::default(), Arc::<Counter>::default());
    let calls = Calls::default();
    let mut call = pin!(calls.begin(50));
    for counter in [&first, &last] {
        let waker = Waker::from(counter.clone());
        assert!(
            call.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    calls.reply(1, "pong");
    assert_eq!((first.0.load(Relaxed), last.0.load(Relaxed)), (0, 1));
}

#[test]
fn nothing_wakes_a_call_but_its_end() {
    let mut tasks = Tasks::new(&[50, 60]);
    tasks.calls.expire(40);
    tasks.calls.reply(7, "for another one");
    assert_eq!(tasks.executor.run_ready(), 0, "polls");
}

thread_local! {
    static TABLE: Calls<&'static str> = Calls::default();
}

/// A waker that uses the table: it drops a task, say, which has a call of its own.
struct Curious;

impl Wake for Curious {
    fn wake(self: Arc<Curious>) {
        TABLE.with(|calls| drop(calls.begin(1000)));
    }
}

#[test]
fn a_waker_may_use_the_table() {
    TABLE.with(|calls| {
        let waker = Waker::from(Arc::new(Curious));
        let mut answered = pin!(calls.begin(50));
        let mut silent = pin!(calls.begin(50));
        for call in [&mut answered, &mut silent] {
            assert!(
                call.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        calls.reply(1, "pong");
        calls.expire(50);
        assert_eq!(poll(silent), Poll::Ready(Err(Timeout)));
    });
}
