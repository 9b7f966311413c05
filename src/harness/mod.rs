//! The harness: tests of node programs as real processes, and the files that a run leaves.
//!
//! ```text
//!   run ──> Record ──> store: results.edn, history.txt, report.html, …
//! ```
//!
//! Read next: `record`, which is all that is known about a run.

mod record;

pub use record::{LogLine, Message, MessageFate, Problem, Record, Verdict};
