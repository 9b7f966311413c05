//! Checks that a session in steady state does not allocate, in memory and without
//! descriptors. These tests have a binary of their own, because the counter replaces
//! the global allocator.

#[path = "../benches/support/memory.rs"]
mod memory;

use memory::{Memory, SHORT, request};

const MESSAGES: u64 = 1_000;

/// The number of allocations for `MESSAGES` messages, after as many messages to warm
/// up.
fn allocations(mut message: impl FnMut()) -> u64 {
    let mut messages = || (0..MESSAGES).for_each(|_| message());
    messages();
    allocation_counter::measure(messages).count_total
}

#[test]
fn an_echo_allocates_nothing() {
    let mut memory = Memory::new();
    let cold = allocation_counter::measure(|| drop(Memory::new()));
    assert!(cold.count_total > 0, "the counter does not count");
    let escaped = "\\u00e9\\n".repeat(100);
    let kib = "x".repeat(1024);
    for payload in [SHORT, &kib, &escaped] {
        let line = request("echo", payload);
        let counted = allocations(|| _ = memory.echo(line.as_bytes()));
        assert_eq!(counted, 0, "{payload}");
    }
}

#[test]
fn a_call_and_its_reply_allocate_once_at_most() {
    let mut memory = Memory::new();
    let line = request("ask", SHORT);
    let counted = allocations(|| _ = memory.ask(line.as_bytes()));
    assert!(counted <= MESSAGES, "{counted} for {MESSAGES} calls");
}

#[test]
fn a_timer_allocates_nothing() {
    let mut memory = Memory::new();
    let line = request("nap", SHORT);
    assert_eq!(allocations(|| _ = memory.nap(line.as_bytes())), 0);
}

// Memory of large requests that have ended is used again for small ones. It must not
// stay large: otherwise the waiting small requests would keep a thousand more large
// blocks after every burst of large requests.
#[test]
fn small_requests_that_wait_do_not_hold_the_memory_of_large_ones() {
    const ROUNDS: u64 = 10;
    let mut memory = Memory::new();
    let large = request("nap", &"x".repeat(3_900));
    let small = request("ask", SHORT);
    let held = allocation_counter::measure(|| {
        for _ in 0..ROUNDS {
            (1..MESSAGES).for_each(|_| memory.session.receive(large.as_bytes()));
            memory.nap(large.as_bytes());
            while memory.session.run_tasks(200) {}
            (0..MESSAGES).for_each(|_| memory.session.receive(small.as_bytes()));
            let waiting = memory.session.output().len();
            memory.session.output().consume(waiting);
        }
    });
    let waiting = ROUNDS * MESSAGES;
    assert_eq!(memory.session.usage().tasks as u64, waiting);
    let each = held.bytes_current / i64::try_from(waiting).expect("few");
    assert!(each < 3_000, "{each} bytes for each waiting request");
}
