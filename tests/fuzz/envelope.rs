//! One line, or several: the parsers of `protocol/fast/` find what the plain parser
//! finds, and refuse what it refuses.

use super::reference::{same, same_with_a_memory};

pub(crate) fn check(line: &[u8]) {
    same(line);
    remembers(line);
    // Most random lines are not a message, so they are also tried as a part of one.
    let around = [
        ("{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"x\":", "}}"),
        ("{\"src\":\"", "\",\"dest\":\"b\",\"body\":{}}"),
    ];
    for (before, after) in around {
        same(&[before.as_bytes(), line, after.as_bytes()].concat());
    }
}

/// Takes the input for lines, and puts each of them into a message as well. The parser
/// compares each line with what it has learned from the ones before.
fn remembers(input: &[u8]) {
    let pieces = input.split(|&byte| byte == b'\n');
    let messages: Vec<(&[u8], Vec<u8>)> = pieces
        .map(|piece| {
            let before = &br#"{"src":"a","dest":"b","body":{"type":"c","msg_id":1,"x":"#[..];
            (piece, [before, piece, b"}}"].concat())
        })
        .collect();
    let lines = messages.iter();
    same_with_a_memory(lines.flat_map(|(piece, message)| [*piece, message, *piece]));
}
