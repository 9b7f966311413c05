//! A line, parsed by this package and by serde_json.
#![no_main]

#[path = "../../tests/fuzz/envelope.rs"]
mod envelope;
#[path = "../../tests/reference/mod.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|line: &[u8]| envelope::check(line));
