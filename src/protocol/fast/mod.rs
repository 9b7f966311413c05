//! Shortcuts for the messages of a busy node. Skip this folder at first: it finds
//! exactly what the plain parser finds.
//!
//! | plain | shortcut | what the shortcut saves |
//! |---|---|---|
//! | `Envelope::parse` | [`Parser`] | serde_json's two passes over a line |
//! | `Header::parse` | [`parse_header`] | the same for a body that stands alone |
//! | `parse_body` | [`parse_outlined`] | a second look at fields whose places are known |
//! | serde_json's `to_string` | [`is_plain`] | escaping a string that needs no escape |
//!
//! A shortcut either gives the answer or refuses. When it refuses, it asks the plain
//! parser, which says why, or answers instead. So every error text is the plain parser's.
//!
//! `tests/envelope_differential.rs` checks that both accept the same lines and find
//! the same in them: random messages, damaged ones, and each byte in each place. The fuzz target
//! `envelope` does it without end. `every_type_is_read_as_serde_json_reads_it` in
//! `body.rs` does it for bodies.
//!
//! Read in this order: `scan/` (one pass over JSON text), `envelope.rs` (a scan for
//! the envelope's fields), `outline.rs` (the places of the body's fields), `body.rs`
//! (a body read by its outline), `shape.rs` (a line that looks like an earlier one
//! needs no scan), `parser.rs` (when to look for a shape). docs/PERFORMANCE.md
//! has the gain of each.

mod body;
mod envelope;
mod outline;
mod parser;
mod scan;
mod shape;

pub use parser::Parser;

pub(crate) use body::{Subject, parse_outlined};
pub(crate) use outline::Outline;
pub(crate) use scan::is_plain;

pub(crate) use envelope::first_src;
pub(super) use envelope::parse_header;
pub(super) use scan::ObjectFields;
