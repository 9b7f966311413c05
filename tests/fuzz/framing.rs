//! Both buffers of the wire beside simple models: all bytes at once, split at
//! newlines; and a queue of bytes.
//!
//! The line buffer receives its bytes in pieces of every size. The output buffer loses
//! them in writes of every size. Neither may take more memory than its bound.

use super::input::Input;
use super::memory::Meter;
use eddyline::wire::{
    HIGH_WATERMARK_BYTES, LOW_WATERMARK_BYTES, Line, LineBuffer, OutputBuffer, READ_BYTES,
};

/// How many bytes of a line over the limit are shown.
const EXCERPT_BYTES: usize = 80;

/// The most bytes that one input may bring: enough to pass every bound several times.
const TOTAL_BYTES_MAX: usize = 1 << 20;

pub(crate) fn check(input: &[u8]) {
    let mut input = Input::new(input);
    match input.byte() % 2 {
        0 => lines(&mut input),
        _ => output(&mut input),
    }
}

/// A line that the model and the buffer must agree on.
#[derive(Debug, PartialEq)]
enum Found {
    Whole(Vec<u8>),
    TooLong,
}

fn lines(input: &mut Input<'_>) {
    let limit = match input.byte() {
        0 => 200_000,
        short @ 1..128 => usize::from(short),
        long => usize::from(long) << 9,
    };
    let mut meter = Meter::default();
    let mut lines = None;
    meter.run(|| lines = Some(LineBuffer::with_limit(limit)));
    let mut reader = Reader {
        lines: lines.expect("it was made"),
        limit,
        stream: Vec::new(),
        found: Vec::new(),
        meter,
    };
    while let Some(step) = input.step()
        && reader.stream.len() < TOTAL_BYTES_MAX
    {
        match step % 8 {
            0..4 => {
                let bytes = input.take(usize::from(step >> 3));
                reader.read(bytes);
            }
            // A run of one byte: up to 64 KiB, which is over most limits.
            4 | 5 => {
                let bytes = vec![input.byte(); input.word()];
                reader.read(&bytes);
            }
            6 => reader.read(b"\n"),
            // As much as the buffer has room for.
            _ => {
                let mut room = 0;
                reader.meter.run(|| room = reader.lines.space().len());
                reader.read(&vec![b'x'; room]);
            }
        }
        reader.check_memory();
    }
    reader.finish();
}

struct Reader {
    lines: LineBuffer,
    limit: usize,
    /// Everything that was ever read.
    stream: Vec<u8>,
    found: Vec<Found>,
    meter: Meter,
}

impl Reader {
    /// Reads as the node does: as many bytes as there is room for, then every whole line.
    fn read(&mut self, mut bytes: &[u8]) {
        self.stream.extend_from_slice(bytes);
        while !bytes.is_empty() {
            let mut count = 0;
            self.meter.run(|| {
                let space = self.lines.space();
                assert!((1..=READ_BYTES).contains(&space.len()), "no room to read");
                count = space.len().min(bytes.len());
                space[..count].copy_from_slice(&bytes[..count]);
            });
            self.lines.filled(count);
            bytes = &bytes[count..];
            while let Some(line) = self.lines.next_line() {
                self.found.push(judged(line, self.limit));
            }
            assert_eq!(self.lines.next_line(), None, "only bytes bring lines");
        }
    }

    /// A block takes the limit and two reads. While it grows, it exists twice.
    fn check_memory(&self) {
        let block = self.limit + 2 * READ_BYTES;
        self.meter.assert_held_at_most(block);
        self.meter.assert_peak_at_most(2 * block);
    }

    fn finish(mut self) {
        let last = self.lines.finish().map(|line| judged(line, self.limit));
        self.found.extend(last);
        assert_eq!(self.lines.finish(), None);
        assert!(self.lines.is_empty());
        let mut expected: Vec<Found> = self
            .stream
            .split(|&byte| byte == b'\n')
            .map(|line| match line.len() {
                long if long > self.limit => Found::TooLong,
                _ => Found::Whole(line.to_vec()),
            })
            .collect();
        // The bytes after the last newline are a line, unless there are none.
        if expected.last() == Some(&Found::Whole(Vec::new())) {
            expected.pop();
        }
        assert!(self.found == expected, "lines were cut otherwise");
    }
}

fn judged(line: Line<'_>, limit: usize) -> Found {
    match line {
        Line::Whole(line) => Found::Whole(line.to_vec()),
        Line::TooLong { excerpt } => {
            let least = EXCERPT_BYTES.min(limit + 1);
            assert!((least..=EXCERPT_BYTES).contains(&excerpt.len()), "excerpt");
            Found::TooLong
        }
    }
}

fn output(input: &mut Input<'_>) {
    let mut output = OutputBuffer::default();
    // All bytes that were committed, and how many of them were written.
    let mut said: Vec<u8> = Vec::new();
    let mut written = 0;
    let mut is_behind = false;
    let mut messages = 0_u8;
    while let Some(step) = input.step()
        && said.len() < TOTAL_BYTES_MAX
    {
        let mut message = || {
            messages = messages.wrapping_add(1);
            vec![messages; input.word()]
        };
        match step % 4 {
            0 | 1 => {
                let bytes = message();
                let mut draft = output.begin();
                draft.extend_from_slice(&bytes);
                output.commit(&mut draft);
                said.extend(&bytes);
            }
            // A message that is committed inside another one follows it.
            2 => {
                let (outer, inner) = (message(), message());
                let mut draft = output.begin();
                let mut inside = output.begin();
                inside.extend_from_slice(&inner);
                output.commit(&mut inside);
                draft.extend_from_slice(&outer);
                output.commit(&mut draft);
                said.extend(&outer);
                said.extend(&inner);
            }
            _ => {
                let count = (input.word() * usize::from(step)).min(output.len());
                assert!(output.pending() == &said[written..], "other bytes");
                output.consume(count);
                written += count;
                is_behind &= output.len() > LOW_WATERMARK_BYTES;
            }
        }
        is_behind |= output.len() > HIGH_WATERMARK_BYTES;
        assert_eq!(output.len(), said.len() - written);
        assert_eq!(output.is_empty(), output.pending().is_empty());
        assert_eq!(output.is_congested(), is_behind);
    }
    assert!(output.pending() == &said[written..], "other bytes");
}
