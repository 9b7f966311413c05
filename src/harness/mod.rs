//! The harness: tests of node programs as real processes, and the files that a run leaves.
//!
//! ```text
//!            ┌──────────────────────── run ───────────────────────┐
//!   Plan ────┼─> workload's driver <──> Processes <──> child       │
//!            │        │                 (testbed)      processes   │
//!            │        v                     │                      │
//!            │   history, check             v                      │
//!            └────────┴─────────────> Record ──> store: results.edn, report.html, …
//!                                       └──────> words for people
//!   file ──> read_history ──> judge: verdict, anomalies, measurements
//! ```
//!
//! The driver, the workloads, the checkers, the services and the faults are those of the
//! [simulator](crate::sim). Only the testbed differs: its nodes are processes, and its time is
//! real. So a run does not replay from its seed, but what the tester itself draws does: the
//! load, latencies, losses and faults.
//!
//! [`Bench`] measures node programs, on the same reactor and child processes, and judges nothing.
//!
//! Read next: [`Plan`], then `processes`, then [`Record`], which is all that is known about a
//! run, and [`store`].

mod bench;
mod check;
mod complaints;
mod edn;
mod evidence;
mod plan;
mod processes;
mod progress;
mod record;
mod run;
mod stderr;
pub mod store;
mod tell;
mod words;

pub use bench::{Bench, BenchError, Measured, Pace, Program, Requests};
pub use check::{Judgement, consistency_model, judge, read_history};
pub use plan::{Attack, Concurrency, MODELS, NODES_MAX, Plan, TOPOLOGIES, WORKLOADS};
pub use record::{LogLine, Message, MessageFate, Problem, Record, Verdict};
pub use run::{Tested, run};
pub use stderr::Stderr;
