//! The harness: tests of node programs as real processes, and the files that a run leaves.
//!
//! ```text
//!   run ──> Record ──> store: results.edn, history.txt, report.html, …
//!   file ──> read_history ──> judge: verdict, anomalies, measurements
//! ```
//!
//! Read next: [`Record`], which is all that is known about a run, and [`store`].

mod check;
mod edn;
mod evidence;
mod record;
pub mod store;
mod words;

pub use check::{Judgement, consistency_model, judge, read_history};
pub use record::{LogLine, Message, MessageFate, Problem, Record, Verdict};
