//! The whole process on a simulated kernel, through faults drawn from a seed.
//!
//! The real event loop, reactor, session, sockets and standard streams run here.
//! Simulated are only the kernel below them and the programs at the other ends.
//!
//! ```text
//!   Parent ── stdin ──> ┌───────────────────────┐ ── stderr ──> StderrReader
//!   (and node n2)       │ EventLoop with Subject │
//!          <── stdout ──┤  on lab::kernel        │ <── TCP ────> Client, 0 to 6
//!                       └───────────────────────┘
//!   each notes in the Ledger what was asked for and what came back
//! ```
//!
//! A seed is a plan: which kind of file each standard stream is, which faults happen
//! and how often, which requests the node gets, which clients connect, and how the
//! run ends. Afterwards every request must have one right answer, and no descriptor
//! may be left open.
//!
//! ```sh
//! cargo test --lib injected                        # a few thousand seeds
//! EDDYLINE_SEEDS=10000 cargo test --lib injected   # that many
//! EDDYLINE_SEED=7 cargo test --lib injected        # the one that failed
//! ```
//!
//! # Reading order
//!
//! 1. [`request`]: the requests, and the lines that they are.
//! 2. [`plan`]: the choices that a seed makes.
//! 3. [`node`]: the node under test.
//! 4. [`parent`], [`clients`], [`stderr`]: the actors.
//! 5. [`ledger`]: which answers are right.
//! 6. [`mod@run`]: one run, from set-up to judgement.
//! 7. `tests`: the seeds, and single plans that once failed. `endings`: a node that
//!    does not want to end.
//! 8. `by_nats`: the same node with its messages by NATS.

#[cfg(test)]
mod by_nats;
mod clients;
#[cfg(test)]
mod endings;
mod ledger;
mod node;
mod parent;
mod plan;
mod request;
mod run;
mod stderr;
#[cfg(test)]
mod tests;

pub use run::{Failure, Run, run};

#[cfg(any(test, feature = "microscope"))]
pub(crate) use node::{Bell, Subject};
