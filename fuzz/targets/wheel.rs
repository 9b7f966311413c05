//! Operations on the timer wheel, compared with a model.
#![no_main]

#[path = "../../tests/fuzz/input.rs"]
mod input;
#[path = "../../tests/fuzz/wheel.rs"]
mod wheel;
#[path = "../../tests/reference/wheel.rs"]
mod wheel_model;

libfuzzer_sys::fuzz_target!(|input: &[u8]| wheel::check(input));
