//! Transactions: what two workloads share.
//!
//! Both are checked in Elle's way (Kingsbury and Alvaro, 2020): the values that
//! reads return show who depends on whom, a dependency graph is built of all
//! transactions, and what is forbidden is a cycle of certain dependencies. A
//! cycle is a proof; that there is none is evidence only.

mod graph;
mod list_append;
mod model;
mod operations;
mod rw_register;

pub use list_append::TxnListAppend;
pub use model::{ConsistencyModel, TxnSummary};
pub use rw_register::TxnRwRegister;

#[cfg(test)]
mod tests;
