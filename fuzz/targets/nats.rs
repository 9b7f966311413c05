//! The parser of NATS. A private file of the library is compiled into this target: it
//! needs nothing else of it.
#![no_main]
#![allow(dead_code, reason = "the rest of the library uses the rest")]

#[path = "../../tests/fuzz/engine.rs"]
mod engine;
#[path = "../../tests/fuzz/input.rs"]
mod input;
#[path = "../../tests/fuzz/nats.rs"]
mod nats;

libfuzzer_sys::fuzz_target!(|input: &[u8]| nats::check(input));
