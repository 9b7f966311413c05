//! A line buffer: bytes in as they come, whole lines out.

#![forbid(unsafe_code)]

/// A line, without its newline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// It is longer than the limit, and is not kept.
    TooLong,
}

/// Cuts a stream of bytes into lines.
///
/// ```text
///   0            start           scanned        len
///   |  consumed    |  part of a line |  unsearched |
/// ```
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// No newline lies between `start` and this place.
    scanned: usize,
    /// The present line is over the limit and was reported. Its rest is thrown away.
    is_skipping: bool,
    line_bytes_max: usize,
    /// How many bytes were compared with a newline. For tests and figures.
    pub searched_bytes: usize,
}

impl LineBuffer {
    /// Lines of up to `line_bytes_max` bytes are kept.
    pub fn new(line_bytes_max: usize) -> LineBuffer {
        LineBuffer {
            bytes: Vec::new(),
            start: 0,
            scanned: 0,
            is_skipping: false,
            line_bytes_max,
            searched_bytes: 0,
        }
    }

    /// Adds bytes of the stream. What was handed out as lines before is forgotten.
    pub fn push(&mut self, bytes: &[u8]) {
        todo!("forget what was handed out, then add the bytes")
    }

    /// The next line, if its newline has come.
    pub fn next_line(&mut self) -> Option<Line<'_>> {
        todo!("search what was not searched yet")
    }

    /// All bytes were searched, and the present line goes on. Returns whether it passes
    /// the limit for the first time.
    fn is_newly_too_long(&mut self) -> bool {
        todo!("report a line over the limit once, and keep nothing of it")
    }

    /// The stream has ended. Its last line need not have a newline.
    pub fn finish(&mut self) -> Option<Line<'_>> {
        todo!("hand out the rest, once")
    }

    /// How many bytes wait for the end of their line.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len() - self.start
    }
}
