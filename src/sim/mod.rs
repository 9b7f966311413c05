//! The simulation: whole clusters on virtual time, inside a test.
//!
//! A [`Simulation`] puts sessions, Maelstrom's services and clients on a network
//! that loses, doubles, delays and partitions. All of it is drawn from one seed. The same
//! seed makes the same run, on any machine. A second of virtual time costs no more than
//! the messages in it.
//!
//! ```
//! use eddyline::sim::{Latency, Nemesis, Simulation, seeds, workload::GSet};
//! use std::time::Duration;
//! # use eddyline::{Context, Node, Request, Result};
//! # use serde::{Deserialize, Serialize};
//! # use std::{cell::RefCell, collections::BTreeSet, rc::Rc};
//! # #[derive(Deserialize)] struct Add { element: u64 }
//! # #[derive(Serialize, Deserialize)] struct Set { value: BTreeSet<u64> }
//! # struct MySet { set: RefCell<BTreeSet<u64>> }
//! # impl Node for MySet {
//! #     fn new(_: &Context) -> Self { MySet { set: RefCell::default() } }
//! #     async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
//! #         let mut ticks = cx.every(Duration::from_millis(500));
//! #         loop {
//! #             ticks.tick().await;
//! #             let value = self.set.borrow().clone();
//! #             for peer in cx.peers() { cx.send(peer, "merge", &Set { value: value.clone() })?; }
//! #         }
//! #     }
//! #     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
//! #         match request.kind() {
//! #             "add" => {
//! #                 self.set.borrow_mut().insert(request.body::<Add>()?.element);
//! #                 cx.reply(&request, &())
//! #             }
//! #             "merge" => { self.set.borrow_mut().extend(request.body::<Set>()?.value); Ok(()) }
//! #             _ => cx.reply(&request, &Set { value: self.set.borrow().clone() }),
//! #         }
//! #     }
//! # }
//!
//! // #[test]
//! fn my_set_survives_partitions() -> Result<(), Box<eddyline::sim::Failure>> {
//!     for seed in seeds(3) {
//!         let report = Simulation::new(seed)
//!             .nodes(5)
//!             .latency(Latency::exponential_ms(100))
//!             .loss(0.05)
//!             .nemesis(Nemesis::every(Duration::from_secs(2)).partitions())
//!             .run::<MySet, _>(GSet::new())?;
//!         assert_eq!(report.summary.final_reads, 5);
//!     }
//!     Ok(())
//! }
//! # my_set_survives_partitions().unwrap();
//! ```
//!
//! Generators, checkers, services and faults are in [`workload`]. They know nothing of a
//! simulation, and its driver runs on anything that implements its testbed. This module
//! implements it:
//!
//! ```text
//!   Simulation ──> Plan ──> Cluster (testbed) <── driver ── Workload
//!                             │                     │
//!                             │ trace, fingerprint, │ history, anomalies
//!                             │ violations          │
//!                             └──────> Report <─────┘   or Failure
//! ```
//!
//! Invariants: a run depends on its seed and settings only; sessions are given virtual time
//! and nothing else to wait for; nothing but [`Failure::write`] touches a file.
//!
//! Nodes replay under two conditions. They take time and randomness from their
//! [`Context`](crate::Context). And they never let the order of a `HashMap` decide about
//! messages; a `BTreeMap` has only one order. A failed run is repeated, and the failure says
//! when the second run differed.
//!
//! A node lives as a process does. Its [`now`](crate::Context::now) begins at zero in each life,
//! its random numbers are others in each life, and its
//! [wall clock](crate::Context::unix_time) may be wrong.
//!
//! Two models shaped this. Maelstrom simulates the network around real processes, so its
//! runs do not replay. Its rules are kept: valid destinations, messages that a partition
//! swallows, the behaviour of clients and services. Turmoil gives each host an async runtime
//! and advances all of them tick by tick. Sessions need no runtime, so here one queue of
//! events is enough, and time jumps from one event to the next.
//!
//! Read next: the [guide](crate::guide), which writes a node and its tests step by step. In
//! the source: `cluster`, then `trace`.

mod address;
mod clocks;
mod cluster;
mod diagram;
mod plan;
mod queue;
mod report;
mod rules;
mod seeds;
mod simulation;
mod trace;

pub use cluster::Cluster;
pub use report::{Failure, Report};
pub use rules::Violation;
pub use seeds::seeds;
pub use simulation::Simulation;
pub use trace::{Event, Loss, Record, Trace};

// A test of a node needs these names beside those above.
pub use crate::workload;
pub use crate::workload::faults::{
    Fault, FaultKind, FaultSpan, Faults, Group, Latency, Nemesis, Partition,
};
pub use crate::workload::{
    Anomalies, History, Operation, Outcome, Phase, Request, Statistics, Workload,
};
