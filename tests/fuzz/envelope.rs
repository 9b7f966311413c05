//! Whatever the line: the scan and serde_json take it for the same, or both
//! refuse it, and a parser that remembers the lines before it finds what the scan
//! does.

use super::reference::same;
use eddyline::protocol::{Envelope, Parser};

pub(crate) fn check(line: &[u8]) {
    same(line);
    remembers(line);
    // Most random lines are no message; in one, they are its text or a value.
    let around = [
        ("{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"x\":", "}}"),
        ("{\"src\":\"", "\",\"dest\":\"b\",\"body\":{}}"),
    ];
    for (before, after) in around {
        same(&[before.as_bytes(), line, after.as_bytes()].concat());
    }
}

/// Takes the input for lines, and puts each of them in a message as well: what has
/// been learned from one is held against the next.
fn remembers(input: &[u8]) {
    let mut parser = Parser::default();
    for piece in input.split(|&byte| byte == b'\n') {
        let message = [
            &br#"{"src":"a","dest":"b","body":{"type":"c","msg_id":1,"x":"#[..],
            piece,
            b"}}",
        ]
        .concat();
        for line in [piece, &message, piece] {
            let (read, scanned) = (parser.parse(line), Envelope::parse(line));
            assert_eq!(format!("{read:?}"), format!("{scanned:?}"));
        }
    }
}
