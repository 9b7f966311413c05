//! Faults: everything that can be wrong with nodes and network, drawn from a seed.
//!
//! ```text
//!   Nemesis ──> Adversary ─┐
//!   faults and spans ──────┴─> Schedule ──Change──> testbed ──> nodes: pause, crash, …
//!                                                      │
//!                                   Partition ──links──┴─────> Network: cut, mend
//!   Latency, loss, duplication, reordering ──────────────────> Network: fate of a message
//! ```
//!
//! The testbed writes each fault that struck into the ledger, [`Faults`].
//!
//! Nothing here knows a clock, a node or a socket. The schedule says when something
//! changes and what; the testbed does it to its nodes, whether they are sessions or
//! processes. Each cause draws from a stream of its own, so that two runs which differ in
//! one cause can be compared.
//!
//! Jepsen separates the two sides in the same way: a *workload* is generators, clients and
//! checkers, and a *nemesis* with its own generator stands beside it. TigerBeetle's
//! simulator keeps faults in the cluster that it ticks, and requests in a workload that
//! knows nothing of them.
//!
//! Read next: [`Fault`] and [`Partition`], then [`Nemesis`].

mod fault;
mod latency;
mod ledger;
mod nemesis;
mod network;
mod partition;
mod schedule;

pub use fault::{Fault, FaultKind};
pub use latency::Latency;
pub use ledger::{FaultSpan, Faults};
pub use nemesis::{Group, Nemesis};
pub use partition::Partition;

pub(crate) use network::{Conditions, Fate, Network};
pub(crate) use partition::Link;
pub(crate) use schedule::{Change, CutLinks, FaultPlan, Moment, Schedule};
