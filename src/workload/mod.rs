//! Workloads: the requests of clients, the services, and the check of the answers.
//!
//! A workload is a generator and a checker. The driver takes requests from the
//! generator, sends them through clients, and writes the history. When the run is over,
//! the checker looks for anomalies in it.
//!
//! ```text
//!                     ┌────────────── driver ─────────────┐
//!   Workload::next ───┼─> Request ─> Operation ─> History ┼──> Workload::check ──> Anomalies
//!                     └───────┬───────────▲───────────────┘
//!                     request │           │ reply, alarm
//!                     ┌───────▼───────────┴───────────────┐
//!                     │              testbed              │ <── faults: Schedule, Network
//!                     │          nodes, services          │ <── service: lin-kv, seq-kv, …
//!                     └───────────────────────────────────┘
//! ```
//!
//! The testbed is the only part that differs from one kind of run to another: the
//! [simulation](crate::sim) is one, on virtual time. This module knows no clock, no I/O
//! and no node. Times are durations since the start of the run, and lines are bytes.
//! So the driver can stand here too: it needs only numbers. And it belongs here, since its
//! rules are part of the meaning of a history. They say when a client is replaced, and how
//! final operations are tried again.
//!
//! | workload | its checker requires |
//! |---|---|
//! | [`Echo`] | the reply has what was sent |
//! | [`UniqueIds`] | no id is given out twice |
//! | [`Broadcast`] | every value reaches every node |
//! | [`GSet`] | every final read has all elements |
//! | [`Counter`]: `g()` for g-counter, `pn()` for pn-counter | every final read is the sum |
//! | [`LinKv`] | each key is linearizable |
//! | [`Kafka`] | logs lose nothing, and polls pass over nothing |
//! | [`TxnListAppend`], [`TxnRwRegister`] | no cycle of dependencies that the model forbids |
//!
//! A history need not come from a run: [`HistoryReader`] reads those that Jepsen or
//! Maelstrom recorded.
//!
//! Read next: [`Workload`], then [`GSet`] as the shortest whole one, then the driver's
//! source, and [`faults`].

mod anomalies;
mod broadcast;
mod contract;
mod counter;
mod draws;
mod driver;
mod echo;
mod elements;
pub mod faults;
mod g_set;
mod history;
mod import;
mod kafka;
mod lin_kv;
mod schema;
mod service;
mod statistics;
mod testbed;
mod txn;
mod unique_ids;

pub use anomalies::Anomalies;
pub use broadcast::{Broadcast, BroadcastSummary, Topology};
pub use contract::{Observed, Turn, Workload};
pub use counter::{Counter, CounterSummary};
pub use echo::{Echo, EchoSummary};
pub use elements::Elements;
pub use g_set::{GSet, GSetSummary};
pub use history::{History, Operation, Outcome, Phase, Request};
pub use import::{HistoryError, HistoryReader};
pub use kafka::{Kafka, KafkaSummary};
pub use lin_kv::{LinKv, LinKvSummary};
pub use statistics::Statistics;
pub use txn::{ConsistencyModel, TxnListAppend, TxnRwRegister, TxnSummary};
pub use unique_ids::{UniqueIds, UniqueIdsSummary};

pub(crate) use contract::CLIENT_TIMEOUT;
pub(crate) use draws::duration_below;
pub(crate) use driver::{Driver, Load};
pub(crate) use service::{NAMES as SERVICE_NAMES, Services};
pub(crate) use testbed::{Happening, Testbed};
