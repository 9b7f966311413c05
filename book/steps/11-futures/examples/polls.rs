//! The same computation twice: as an `async fn`, and as a state machine by hand. Both are
//! polled by hand.

use by_hand::{Reply, promise};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

async fn sum(first: Reply<u32>, second: Reply<u32>) -> u32 {
    println!("    it runs: starts");
    let a = first.await.unwrap_or(0);
    println!("    it runs: has {a}");
    let b = second.await.unwrap_or(0);
    a + b
}

/// `sum` by hand. A state has what is still needed in it.
enum Sum {
    Start {
        first: Reply<u32>,
        second: Reply<u32>,
    },
    WaitsForFirst {
        first: Reply<u32>,
        second: Reply<u32>,
    },
    WaitsForSecond {
        a: u32,
        second: Reply<u32>,
    },
    Ended,
}

impl Future for Sum {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        loop {
            match std::mem::replace(&mut *self, Sum::Ended) {
                Sum::Start { first, second } => {
                    println!("    it runs: starts");
                    *self = Sum::WaitsForFirst { first, second };
                }
                Sum::WaitsForFirst { mut first, second } => {
                    let Poll::Ready(a) = Pin::new(&mut first).poll(cx) else {
                        *self = Sum::WaitsForFirst { first, second };
                        return Poll::Pending;
                    };
                    let a = a.unwrap_or(0);
                    println!("    it runs: has {a}");
                    *self = Sum::WaitsForSecond { a, second };
                }
                Sum::WaitsForSecond { a, mut second } => {
                    let Poll::Ready(b) = Pin::new(&mut second).poll(cx) else {
                        *self = Sum::WaitsForSecond { a, second };
                        return Poll::Pending;
                    };
                    return Poll::Ready(a + b.unwrap_or(0));
                }
                Sum::Ended => panic!("polled after its end"),
            }
        }
    }
}

fn by_hand<F: Future<Output = u32>>(name: &str, make: impl Fn(Reply<u32>, Reply<u32>) -> F) {
    let ((first, one), (second, two)) = (promise(), promise());
    println!("{name}");
    let mut future = Box::pin(make(one, two));
    let mut poll = |when: &str| {
        println!("  {when}");
        let poll = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        println!("    {poll:?}");
    };
    println!("  it was called");
    poll("first poll");
    poll("second poll: nothing has happened");
    first.keep(3);
    poll("third poll: the first value has come");
    second.keep(4);
    poll("fourth poll: the second value has come");
}

fn main() {
    by_hand("async fn", sum);
    by_hand("enum", |first, second| Sum::Start { first, second });
}
