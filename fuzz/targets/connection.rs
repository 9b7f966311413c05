//! The state machines of TCP echo against events in any order. Three private rooms
//! of the library are compiled into this target: they need nothing else of it.
#![no_main]
#![allow(
    dead_code,
    unused_imports,
    reason = "the rest of the library uses the rest"
)]

#[path = "../../tests/fuzz/connection/mod.rs"]
mod connection;
#[path = "../../src/source.rs"]
mod source;
#[path = "../../src/sys/mod.rs"]
mod sys;
#[path = "../../src/tcp/mod.rs"]
mod tcp;

libfuzzer_sys::fuzz_target!(|input: &[u8]| connection::check(input));
