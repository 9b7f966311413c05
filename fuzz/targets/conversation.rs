//! A whole conversation with a session.
#![no_main]

#[path = "../../tests/fuzz/conversation/mod.rs"]
mod conversation;
#[path = "../../tests/fuzz/input.rs"]
mod input;
#[path = "../../tests/fuzz/memory.rs"]
mod memory;
#[allow(dead_code, reason = "this target does not use all of it")]
#[path = "../../tests/reference/mod.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|input: &[u8]| conversation::check(input));
