//! The examples, each under the workload that it is for, over many seeds: with
//! latency, loss, duplication and partitions wherever the workload allows them.
//!
//! 50 seeds each; `EDDYLINE_SEEDS=500` for another number of them, `EDDYLINE_SEED=7`
//! for one.

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
mod simple;
mod stores;
mod touch;
mod transactions;

use eddyline::sim::{Failure, Latency, Nemesis, Report, Simulation, seeds};
use std::time::Duration;

/// Runs `run` for each seed, and fails with the first failure.
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

/// Five nodes on a network that is slow, and loses and reorders.
fn lossy(seed: u64) -> Simulation {
    Simulation::new(seed)
        .nodes(5)
        .latency(Latency::exponential_ms(30))
        .loss(0.05)
        .reordering(0.05)
}

/// Partitions that come and go.
fn partitions() -> Nemesis {
    Nemesis::every(Duration::from_secs(2)).partitions()
}
