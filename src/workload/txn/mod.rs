//! Transactions: two workloads, over lists and over registers.
//!
//! Both are checked as Elle does it (Kingsbury and Alvaro, 2020). The values that reads
//! return show which transaction depends on which. All transactions form a dependency
//! graph, and a consistency model forbids certain cycles in it. A cycle proves that the
//! model is violated. Its absence proves nothing.
//!
//! Read next: `model` for the models, `operations` for the transactions, `graph` for the
//! cycles, and then one of the two workloads.

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
