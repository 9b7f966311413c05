//! Whatever the line: the scan and serde_json take it for the same, or both
//! refuse it.
#![no_main]

#[path = "../../tests/reference/mod.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    reference::same(line);
    // Most random lines are no message; in one, they are its text or a value.
    reference::same(
        &[
            b"{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"x\":",
            line,
            b"}}",
        ]
        .concat(),
    );
    reference::same(&[b"{\"src\":\"", line, b"\",\"dest\":\"b\",\"body\":{}}"].concat());
});
