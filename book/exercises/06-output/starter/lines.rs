//! A line buffer: bytes in as they come, whole lines out.

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
        self.bytes.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next line, if its newline has come.
    pub fn next_line(&mut self) -> Option<Line<'_>> {
        loop {
            let unsearched = &self.bytes[self.scanned..];
            let Some(at) = unsearched.iter().position(|&byte| byte == b'\n') else {
                self.searched_bytes += unsearched.len();
                return self.is_newly_too_long().then_some(Line::TooLong);
            };
            self.searched_bytes += at + 1;
            let (from, to) = (self.start, self.scanned + at);
            self.start = to + 1;
            self.scanned = self.start;
            if std::mem::take(&mut self.is_skipping) {
                continue; // this was the rest of a line that was reported
            }
            return Some(match to - from > self.line_bytes_max {
                true => Line::TooLong,
                false => Line::Whole(&self.bytes[from..to]),
            });
        }
    }

    /// All bytes were searched, and the present line goes on. Returns whether it passes
    /// the limit for the first time.
    fn is_newly_too_long(&mut self) -> bool {
        let end = self.bytes.len();
        let is_over = end - self.start > self.line_bytes_max;
        let is_news = is_over && !self.is_skipping;
        self.is_skipping |= is_over;
        if self.is_skipping {
            self.start = end; // nothing of it is kept
        }
        self.scanned = end;
        is_news
    }

    /// The stream has ended. Its last line need not have a newline.
    pub fn finish(&mut self) -> Option<Line<'_>> {
        let from = std::mem::replace(&mut self.start, self.bytes.len());
        self.scanned = self.start;
        (from < self.start).then(|| Line::Whole(&self.bytes[from..]))
    }

    /// How many bytes wait for the end of their line.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len() - self.start
    }
}
