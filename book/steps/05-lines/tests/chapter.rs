//! The rules of the line buffer. No test has a socket: bytes go in, lines come out.

use lines::{Line, LineBuffer};

/// Lines of up to this many bytes are kept, in these tests.
const MAX: usize = 16;

/// Adds bytes, and takes all lines that are whole by then.
fn push(buffer: &mut LineBuffer, bytes: &[u8], lines: &mut Vec<String>) {
    buffer.push(bytes);
    // A buffer that hands out lines without end would never stop.
    for _ in 0..=bytes.len() {
        match buffer.next_line() {
            None => return,
            Some(line) => lines.push(text(line)),
        }
    }
    panic!("{} bytes have given more lines than bytes", bytes.len());
}

fn text(line: Line<'_>) -> String {
    match line {
        Line::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Line::TooLong => "(too long)".to_owned(),
    }
}

/// The lines of some chunks.
fn lines(chunks: &[&[u8]]) -> Vec<String> {
    let mut buffer = LineBuffer::new(MAX);
    let mut lines = Vec::new();
    for chunk in chunks {
        push(&mut buffer, chunk, &mut lines);
    }
    lines
}

#[test]
fn one_chunk_can_have_several_lines() {
    assert_eq!(lines(&[b"one\ntwo\nthree\n"]), ["one", "two", "three"]);
}

#[test]
fn a_line_waits_for_its_newline() {
    assert_eq!(lines(&[b"one\ntw"]), ["one"]);
    assert_eq!(lines(&[b"one\ntw", b"o\n"]), ["one", "two"]);
}

#[test]
fn input_that_is_cut_anywhere_gives_the_same_lines() {
    let input = b"one\nsecond\n\n3\n";
    for first in 0..=input.len() {
        for second in first..=input.len() {
            let chunks = [&input[..first], &input[first..second], &input[second..]];
            assert_eq!(
                lines(&chunks).concat(),
                "onesecond3",
                "cut after {first} and after {second} bytes"
            );
        }
    }
}

#[test]
fn an_empty_line_is_a_line() {
    assert_eq!(lines(&[b"\n\na\n"]), ["", "", "a"]);
}

#[test]
fn a_line_that_comes_byte_by_byte_is_searched_once() {
    let mut buffer = LineBuffer::new(1000);
    let mut lines = Vec::new();
    for _ in 0..1000 {
        push(&mut buffer, b"x", &mut lines);
    }
    assert_eq!(buffer.searched_bytes, 1000, "compared with a newline");
}

#[test]
fn a_line_at_the_limit_is_whole() {
    assert_eq!(lines(&[b"0123456789abcdef\n"]), ["0123456789abcdef"]);
    let chunks: [&[u8]; 2] = [b"0123456789abcdef", b"\n"];
    assert_eq!(lines(&chunks), ["0123456789abcdef"]);
}

#[test]
fn a_line_over_the_limit_is_too_long_however_it_comes() {
    assert_eq!(lines(&[b"0123456789abcdefg\n"]), ["(too long)"]);
    let chunks: [&[u8]; 2] = [b"0123456789abcdefg", b"\n"];
    assert_eq!(lines(&chunks)[0], "(too long)");
}

#[test]
fn a_line_without_end_is_reported_once() {
    let chunks: [&[u8]; 10] = [b"0123456789abcdefghij"; 10];
    assert_eq!(lines(&chunks), ["(too long)"]);
}

#[test]
fn a_line_without_end_holds_no_memory() {
    let mut buffer = LineBuffer::new(MAX);
    let mut lines = Vec::new();
    for _ in 0..1000 {
        push(&mut buffer, b"0123456789", &mut lines);
        let held = buffer.held_bytes();
        assert!(held <= MAX, "{held} bytes wait; the limit is {MAX}");
    }
}

#[test]
fn the_rest_of_a_long_line_is_not_a_line() {
    let chunks: [&[u8]; 3] = [b"0123456789abcdefg", b"hij\n", b"next\n"];
    assert_eq!(lines(&chunks), ["(too long)", "next"]);
}

#[test]
fn the_last_line_needs_no_newline() {
    let mut buffer = LineBuffer::new(MAX);
    let mut lines = Vec::new();
    push(&mut buffer, b"one\ntwo", &mut lines);
    assert_eq!(buffer.finish().map(text).as_deref(), Some("two"));
    assert_eq!(buffer.finish(), None, "the rest was handed out already");
}
