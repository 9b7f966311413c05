//! The seeds.

use super::ledger::{Answer, Wanted};
use super::plan::Plan;
use super::{Account, Failure, Fault, run, run_plan};
use crate::time::Instant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// How many seeds a plain `cargo test` runs.
const SEEDS: u64 = 2_000;

/// As `run`, with a panic as one more failure.
fn survive(seed: u64) -> Result<Account, String> {
    let caught = catch_unwind(AssertUnwindSafe(|| run(seed)));
    match caught {
        Ok(result) => result.map_err(|failure: Failure| failure.to_string()),
        Err(_) => {
            crate::sys::simulated::uninstall();
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

/// Found by a seed whose pause lay between the end of a wait and the reading of
/// the clock: the reply that had come meanwhile lost to its own timeout.
#[test]
fn a_reply_that_came_between_the_wait_and_the_clock_beats_its_deadline() {
    let reply = Answer::After(Duration::from_millis(500));
    let mut plan = Plan::quiet(vec![
        (Duration::ZERO, Wanted::Init),
        (Duration::ZERO, Wanted::Proxy(reply)),
        // Its end brings the loop to the clock without a word on stdin.
        (Duration::ZERO, Wanted::Nap(300)),
    ]);
    plan.stands_still = Some((Instant::from_millis(300), Duration::from_secs(2)));
    run_plan(plan).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_seed_replays_to_the_same_trace() {
    for seed in 0..20 {
        let once = survive(seed).unwrap_or_else(|failure| panic!("{failure}"));
        let again = survive(seed).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(once, again, "seed {seed}");
    }
}
