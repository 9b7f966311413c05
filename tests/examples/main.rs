//! Checks each example under its workload in simulated clusters, over many seeds: with
//! latency, loss, duplication and partitions, as far as the workload allows them.
//!
//! Each test runs 50 seeds. `EDDYLINE_SEEDS=500` sets another number of seeds, and
//! `EDDYLINE_SEED=7` runs only one seed.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/broadcast.rs"]
mod broadcast;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/echo.rs"]
mod echo;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/g_counter.rs"]
mod g_counter;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/g_set.rs"]
mod g_set;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/kafka.rs"]
mod kafka;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/lin_kv.rs"]
mod lin_kv;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/pn_counter.rs"]
mod pn_counter;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/txn_list_append.rs"]
mod txn_list_append;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/txn_rw_register.rs"]
mod txn_rw_register;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/unique_ids.rs"]
mod unique_ids;

mod crdts;
mod efficiency;
mod logs;
mod quiet;
mod simple;
mod stores;
mod touch;
mod transactions;

use eddyline::sim::{Failure, Latency, Nemesis, Report, Simulation, seeds};
use std::time::Duration;

/// Calls `run` for each seed. Panics at the first failure.
#[track_caller]
fn over_seeds<S>(run: impl Fn(u64) -> Result<Report<S>, Box<Failure>>) -> Vec<Report<S>> {
    let mut reports = Vec::new();
    for seed in seeds(50) {
        match run(seed) {
            Ok(report) => reports.push(report),
            Err(failure) => panic!("{failure}"),
        }
    }
    reports
}

/// Five nodes on a slow network that loses and reorders messages.
fn lossy(seed: u64) -> Simulation {
    Simulation::new(seed)
        .nodes(5)
        .latency(Latency::exponential_ms(30))
        .loss(0.05)
        .reordering(0.05)
}

/// Partitions that begin and end every two seconds on average.
fn partitions() -> Nemesis {
    Nemesis::every(Duration::from_secs(2)).partitions()
}
