//! Whatever the line: the scan and serde_json take it for the same, or both
//! refuse it.

use super::reference::same;

pub(crate) fn check(line: &[u8]) {
    same(line);
    // Most random lines are no message; in one, they are its text or a value.
    let around = [
        ("{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"x\":", "}}"),
        ("{\"src\":\"", "\",\"dest\":\"b\",\"body\":{}}"),
    ];
    for (before, after) in around {
        same(&[before.as_bytes(), line, after.as_bytes()].concat());
    }
}
