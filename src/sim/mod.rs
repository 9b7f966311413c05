//! A simulated network: whole clusters on virtual time, in a test of your own.
//!
//! A [`Simulation`] puts sessions, Maelstrom's services and clients on a network
//! that loses, doubles, delays and partitions, all of it drawn from one seed. A
//! second of virtual time costs what its messages cost; the same seed makes the
//! same run, on any machine.
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
//! The [guide](crate::guide) has a node and its tests step by step, and what to do
//! when one fails.
//!
//! Two models were read before this was built. Maelstrom simulates the network
//! around real processes, which replays nothing; its rules are kept (who may be
//! sent to, when a partition swallows a message, what clients and services do),
//! its threads are not. Turmoil gives each host an async runtime and advances all
//! of them tick by tick; here the sessions are sans-IO already, so one queue of
//! events and no tick is enough, and time jumps from one event to the next.
//!
//! What a node must do for its runs to replay: take time and randomness from its
//! [`Context`](crate::Context), and never let the order of a `HashMap` decide what
//! it sends (a `BTreeMap` has one order). A failed run is run twice, and says
//! when it did not replay.

mod address;
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
pub use crate::workload::faults::{Fault, Latency, Nemesis, Partition};
pub use crate::workload::{
    Anomalies, History, Operation, Outcome, Phase, Request, Statistics, Workload,
};
