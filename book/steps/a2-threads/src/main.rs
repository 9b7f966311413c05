//! The cost of a second thread: shared counters, locked queues, and wakes.
//!
//! Each line is the least of eleven rounds. Other work on the machine can only make a
//! round longer.

#![forbid(unsafe_code)]

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};
use std::collections::VecDeque;
use std::hint::black_box;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

const ROUNDS: usize = 11;
const COUNT: u32 = 1_000_000;
const WAKES: u32 = 20_000;

fn main() {
    let mut queue = VecDeque::new();
    show("a queue of our own", COUNT, || push_and_pop(&mut queue));
    let locked = Mutex::new(VecDeque::new());
    show("the queue in a Mutex, one thread", COUNT, || {
        push_and_pop_locked(&locked);
    });
    let pair = two_threads(COUNT, || push_and_pop_locked(&locked));
    print("the queue in a Mutex, two threads", pair);
    let mut plain = 0_u64;
    show("a counter of our own", COUNT, || {
        for _ in 0..COUNT {
            plain = black_box(plain) + 1;
        }
    });
    let counter = AtomicU64::new(0);
    show("an atomic counter, one thread", COUNT, || count(&counter));
    let pair = two_threads(COUNT, || count(&counter));
    print("an atomic counter, two threads", pair);
    show("a write to an eventfd and its read", WAKES, || {
        let bell = eventfd(0, EventfdFlags::empty()).expect("an eventfd");
        for _ in 0..WAKES {
            ring(&bell);
            hear(&bell);
        }
    });
    print("a wake of a thread that sleeps", wake());
}

/// The least time of one of `count` operations.
fn show(name: &str, count: u32, mut round: impl FnMut()) {
    let times = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        round();
        began.elapsed() / count
    });
    print(name, times.min().expect("some rounds"));
}

fn print(name: &str, time: Duration) {
    println!("{name:<36}{:>8} ns", time.as_nanos());
}

fn push_and_pop(queue: &mut VecDeque<u64>) {
    for number in 0..u64::from(COUNT) {
        queue.push_back(black_box(number));
        black_box(queue.pop_front());
    }
}

fn push_and_pop_locked(queue: &Mutex<VecDeque<u64>>) {
    for number in 0..u64::from(COUNT) {
        let mut queue = queue.lock().expect("no panic");
        queue.push_back(black_box(number));
        black_box(queue.pop_front());
    }
}

fn count(counter: &AtomicU64) {
    for _ in 0..COUNT {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The least time of one operation, if two threads make `count` of them each.
fn two_threads(count: u32, work: impl Fn() + Sync) -> Duration {
    let times = (0..ROUNDS).map(|_| {
        let start = Barrier::new(3);
        std::thread::scope(|scope| {
            let threads = [(); 2].map(|()| {
                scope.spawn(|| {
                    start.wait();
                    let began = Instant::now();
                    work();
                    began.elapsed() / count
                })
            });
            start.wait();
            let times = threads.map(|thread| thread.join().expect("no panic"));
            times[0].max(times[1])
        })
    });
    times.min().expect("some rounds")
}

fn ring(bell: impl AsFd) {
    write(bell, &1_u64.to_ne_bytes()).expect("the counter has room");
}

fn hear(bell: impl AsFd) {
    read(bell, &mut [0_u8; 8]).expect("it was rung");
}

/// Two threads wake each other in turn. A wake is half of a round trip.
fn wake() -> Duration {
    let there = Arc::new(eventfd(0, EventfdFlags::empty()).expect("an eventfd"));
    let back = Arc::new(eventfd(0, EventfdFlags::empty()).expect("an eventfd"));
    let times = (0..ROUNDS).map(|_| {
        let (ours, theirs) = (Arc::clone(&there), Arc::clone(&back));
        let answering = std::thread::spawn(move || {
            for _ in 0..WAKES {
                hear(&ours);
                ring(&theirs);
            }
        });
        let began = Instant::now();
        for _ in 0..WAKES {
            ring(&there);
            hear(&back);
        }
        let time = began.elapsed() / (2 * WAKES);
        answering.join().expect("no panic");
        time
    });
    times.min().expect("some rounds")
}
