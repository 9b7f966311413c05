//! The line and output buffers, compared with models.
#![no_main]

#[path = "../../tests/fuzz/framing.rs"]
mod framing;
#[path = "../../tests/fuzz/input.rs"]
mod input;
#[path = "../../tests/fuzz/memory.rs"]
mod memory;

libfuzzer_sys::fuzz_target!(|input: &[u8]| framing::check(input));
