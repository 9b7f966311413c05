//! A private file of the library, which needs nothing else of it.

#![allow(dead_code, reason = "the link uses the rest")]

#[path = "../../src/engine/parser.rs"]
pub(crate) mod parser;
