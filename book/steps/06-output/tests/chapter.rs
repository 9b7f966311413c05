//! The rules of the output buffer. A closure plays the kernel.

use outputs::{Flush, OutputBuffer, WRITES_PER_FLUSH};
use std::io::{self, ErrorKind};

/// A kernel that takes at most `per_write` bytes a write, and has room for `room`.
struct Kernel {
    taken: Vec<u8>,
    per_write: usize,
    room: usize,
    writes: usize,
}

impl Kernel {
    fn new(per_write: usize, room: usize) -> Kernel {
        Kernel {
            taken: Vec::new(),
            per_write,
            room,
            writes: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        assert!(self.writes < 100_000, "a flush makes writes without end");
        assert!(!bytes.is_empty(), "a write of nothing");
        let count = bytes.len().min(self.per_write).min(self.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room -= count;
        self.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

fn flush(output: &mut OutputBuffer, kernel: &mut Kernel) -> Flush {
    output.flush(|bytes| kernel.write(bytes)).unwrap()
}

/// Bytes that differ at each place, so that a lost or repeated byte is found.
fn pattern(count: usize) -> Vec<u8> {
    let byte = |place: usize| (place.wrapping_mul(2_654_435_761) >> 13) as u8;
    (0..count).map(byte).collect()
}

#[test]
fn all_that_a_turn_has_said_leaves_in_one_write() {
    let (mut output, mut kernel) = (OutputBuffer::new(10, 20), Kernel::new(100, 100));
    for line in ["one\n", "two\n", "three\n"] {
        output.append(line.as_bytes());
    }
    assert_eq!(flush(&mut output, &mut kernel), Flush::Done);
    assert_eq!(
        (kernel.writes, &kernel.taken[..]),
        (1, &b"one\ntwo\nthree\n"[..])
    );
}

#[test]
fn an_empty_buffer_makes_no_write() {
    let (mut output, mut kernel) = (OutputBuffer::new(10, 20), Kernel::new(100, 100));
    assert_eq!(flush(&mut output, &mut kernel), Flush::Done);
    assert_eq!(kernel.writes, 0);
}

#[test]
fn a_partial_write_loses_and_repeats_nothing() {
    let (mut output, mut kernel) = (OutputBuffer::new(10, 20), Kernel::new(7, 10_000));
    let bytes = pattern(1000);
    for part in bytes.chunks(100) {
        output.append(part);
        flush(&mut output, &mut kernel);
    }
    while flush(&mut output, &mut kernel) != Flush::Done {}
    assert!(
        kernel.taken == bytes,
        "what was taken differs from what was said"
    );
}

#[test]
fn a_full_kernel_ends_the_flush_and_is_no_error() {
    let (mut output, mut kernel) = (OutputBuffer::new(10, 20), Kernel::new(100, 5));
    output.append(b"0123456789");
    assert_eq!(flush(&mut output, &mut kernel), Flush::NoRoom);
    assert_eq!((output.len(), kernel.writes), (5, 2));
    kernel.room = 100;
    assert_eq!(flush(&mut output, &mut kernel), Flush::Done);
    assert_eq!(kernel.taken, b"0123456789");
}

#[test]
fn a_flush_makes_a_bounded_number_of_writes() {
    let (mut output, mut kernel) = (OutputBuffer::new(10, 20), Kernel::new(1, 1000));
    output.append(&[b'x'; 100]);
    assert_eq!(flush(&mut output, &mut kernel), Flush::AtBound);
    assert_eq!(kernel.writes, WRITES_PER_FLUSH);
}

#[test]
fn any_other_failure_is_returned() {
    let mut output = OutputBuffer::new(10, 20);
    output.append(b"hello");
    let failed = output.flush(|_| Err(ErrorKind::BrokenPipe.into()));
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn it_is_congested_above_the_high_watermark() {
    let mut output = OutputBuffer::new(10, 20);
    output.append(&[b'x'; 20]);
    assert!(!output.is_congested(), "20 bytes wait, the mark is 20");
    output.append(b"x");
    assert!(output.is_congested(), "21 bytes wait, the mark is 20");
}

#[test]
fn it_stays_congested_down_to_the_low_watermark() {
    let (mut output, mut kernel) = (OutputBuffer::new(10, 20), Kernel::new(100, 14));
    output.append(&[b'x'; 25]);
    _ = output.flush(|bytes| kernel.write(bytes));
    assert!(output.is_congested(), "11 bytes wait, the low mark is 10");
    kernel.room = 1;
    _ = output.flush(|bytes| kernel.write(bytes));
    assert!(!output.is_congested(), "10 bytes wait, the low mark is 10");
}

#[test]
fn a_slow_reader_costs_few_moves() {
    let bytes = 100_000;
    let mut output = OutputBuffer::new(10, 20);
    output.append(&vec![b'x'; bytes]);
    let mut kernel = Kernel::new(10, bytes);
    while flush(&mut output, &mut kernel) != Flush::Done {}
    let moved = output.moved_bytes;
    assert!(moved <= bytes, "{moved} bytes were moved, to write {bytes}");
}

#[test]
fn what_was_written_is_not_kept() {
    let mut output = OutputBuffer::new(10, 20);
    let mut kernel = Kernel::new(100, 0);
    output.append(&[b'x'; 50]);
    for _ in 0..1000 {
        output.append(&[b'x'; 100]);
        kernel.room = 100;
        _ = output.flush(|bytes| kernel.write(bytes));
        assert_eq!(output.len(), 50, "it is never empty");
        let memory = output.memory_bytes();
        assert!(
            memory <= 200,
            "{memory} bytes of memory for 50 bytes that wait"
        );
    }
}

#[test]
fn what_was_written_does_not_count() {
    let (mut output, mut kernel) = (OutputBuffer::new(10, 20), Kernel::new(100, 5));
    output.append(&[b'x'; 20]);
    _ = output.flush(|bytes| kernel.write(bytes));
    output.append(&[b'x'; 5]);
    assert!(!output.is_congested(), "20 bytes wait, the mark is 20");
}
