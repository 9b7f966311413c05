//! The seeds, and single plans that once failed.

use super::plan::{Ending, Line, Plan, Reader, Stderr};
use super::request::{Answer, Request, Wanted};
use super::run::{Failure, Run, run, run_plan};
use crate::lab::kernel::{Fault, Shape};
use crate::runtime::DRAIN_DEADLINE;
use crate::tcp::SEND_DEADLINE;
use crate::time::Instant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// How many seeds `cargo test` runs.
const SEEDS: u64 = 2_000;

/// How many seeds of plans with many sends it runs.
const SEND_SEEDS: u64 = 300;

/// As [`run`], with a panic as one more failure.
fn survive(seed: u64) -> Result<Run, String> {
    let caught = catch_unwind(AssertUnwindSafe(|| run(seed)));
    match caught {
        Ok(result) => result.map_err(|failure: Failure| failure.to_string()),
        Err(_) => {
            crate::lab::kernel::uninstall();
            Err(format!(
                "seed {seed}: panicked; replay with EDDYLINE_SEED={seed} cargo test --lib injected"
            ))
        }
    }
}

#[test]
fn the_loop_survives_every_seed() {
    let mut totals = Fault::ALL.map(|fault| (fault, 0));
    let (mut runs, mut turns, mut calls, mut requests) = (0, 0, 0, 0);
    let mut virtual_time = Duration::ZERO;
    let seeds = crate::sim::seeds(SEEDS);
    let is_whole = seeds.end - seeds.start >= SEEDS;
    for seed in seeds {
        let account = survive(seed).unwrap_or_else(|failure| panic!("{failure}"));
        for (total, (_, count)) in totals.iter_mut().zip(&account.faults) {
            total.1 += count;
        }
        runs += 1;
        turns += account.turns;
        calls += account.calls;
        requests += account.requests;
        virtual_time += account.virtual_time;
    }
    eprintln!("{runs} runs: {turns} turns, {calls} calls, {requests} requests, {virtual_time:?}");
    eprintln!("{totals:?}");
    if is_whole {
        for (fault, count) in totals {
            assert!(count > 50, "{fault:?} happened {count} times only");
        }
    }
}

/// Found by a seed with a pause between the end of a wait and the reading of the
/// clock. A reply had come in the pause, and lost to its own timeout.
#[test]
fn a_reply_that_came_between_the_wait_and_the_clock_beats_its_deadline() {
    let reply = Answer::After(Duration::from_millis(500));
    let mut plan = Plan::quiet(vec![
        (Duration::ZERO, Wanted::Init),
        (Duration::ZERO, Wanted::Proxy(reply)),
        // Its end makes the loop read the clock without input on stdin.
        (Duration::ZERO, Wanted::Nap(300)),
    ]);
    plan.stands_still = Some((Instant::from_millis(300), Duration::from_secs(2)));
    run_plan(plan).unwrap_or_else(|failure| panic!("{failure}"));
}

/// Found by a seed where stdout and stderr were one socket. It was full in the middle
/// of a diagnostic. When it had room again, a message came before the rest.
#[test]
fn the_rest_of_a_diagnostic_comes_before_any_message_on_a_shared_socket() {
    let mut plan = Plan::quiet(vec![(Duration::ZERO, Wanted::Init)]);
    (plan.stdout, plan.stderr) = (Shape::Socket, Stderr::Shared);
    // The parent begins to read when the echo is written. By then the socket is full.
    plan.reader = Reader::WritesFirst;
    // The gaps keep stdin from filling: then the parent would begin to read.
    let noise = || (Duration::from_millis(1), Line::Noise(vec![b'?'; 300]));
    plan.lines.extend((0..1_000).map(|_| noise()));
    let echo = Line::Request(Request::new(Wanted::Echo(100), 1));
    plan.lines.push((Duration::from_secs(1), echo));
    run_plan(plan).unwrap_or_else(|failure| panic!("{failure}"));
}

/// No connection is ever accepted: some sends are in flight, the others wait.
#[test]
fn sends_that_wait_in_vain_are_answered_before_the_end() {
    let send = || (Duration::ZERO, Wanted::Send(100));
    let mut plan = Plan::quiet(vec![
        (Duration::ZERO, Wanted::Init),
        (Duration::ZERO, Wanted::Start),
        send(),
        send(),
        send(),
        (Duration::ZERO, Wanted::Stats),
        send(),
    ]);
    plan.ending = Ending::Early;
    plan.faults.add(Fault::AcceptOutOfResources, 1.0);
    let account = run_plan(plan).unwrap_or_else(|failure| panic!("{failure}"));
    let took = account.virtual_time;
    assert!(SEND_DEADLINE <= took && took < DRAIN_DEADLINE, "{took:?}");
}

/// With two descriptors beside the listener's, every send succeeds or is refused
/// because the queue is long, and requests for statistics do not wait in it.
#[test]
fn sends_share_few_descriptors_in_every_seed() {
    for seed in crate::sim::seeds(SEND_SEEDS) {
        run_plan(Plan::sends(seed)).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn a_seed_replays_to_the_same_trace() {
    for seed in 0..20 {
        let once = survive(seed).unwrap_or_else(|failure| panic!("{failure}"));
        let again = survive(seed).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(once, again, "seed {seed}");
    }
}
