//! Measures the executor: a task that ends at once, a task that waits for a wake, and
//! the same while many other tasks wait.

use criterion::{Criterion, criterion_group, criterion_main};
use eddyline::task::{Executor, Polled};
use std::cell::RefCell;
use std::future::poll_fn;
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

type Mailbox = Rc<RefCell<Option<Waker>>>;

/// Puts its waker into `mailbox` and waits for one wake.
async fn wait(mailbox: Mailbox) -> u64 {
    let mut polled = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(7);
        }
        *mailbox.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}

fn wake_one<F: Future<Output = u64>>(executor: &mut Executor<F, ()>, mailbox: &Mailbox) -> bool {
    if let Some(waker) = mailbox.take() {
        waker.wake();
    }
    !matches!(black_box(executor.run_one()), Polled::Nothing)
}

fn executor(c: &mut Criterion) {
    c.bench_function("executor/ready_at_once", |b| {
        let mut executor = Executor::new();
        b.iter(|| executor.start((), async { black_box(1) }).is_some());
    });
    for waiting in [0, 100_000] {
        c.bench_function(&format!("executor/wait_and_wake/{waiting}"), |b| {
            let mailbox = Mailbox::default();
            let mut executor = Executor::new();
            for _ in 0..waiting {
                executor.start((), wait(Mailbox::default()));
            }
            b.iter(|| {
                executor.start((), wait(mailbox.clone()));
                wake_one(&mut executor, &mailbox)
            });
        });
    }
    c.bench_function("executor/boxed_for_comparison", |b| {
        let mailbox = Mailbox::default();
        let mut executor: Executor<Pin<Box<dyn Future<Output = u64>>>, ()> = Executor::new();
        b.iter(|| {
            executor.start((), Box::pin(wait(mailbox.clone())));
            wake_one(&mut executor, &mailbox)
        });
    });
}

criterion_group!(benches, executor);
criterion_main!(benches);
