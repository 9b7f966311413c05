//! A line buffer (chapter 5): bytes in as they come, whole lines out.

/// A line, without its newline.
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// It is longer than the limit, and is not kept.
    TooLong,
}

pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// No newline lies between `start` and this place.
    scanned: usize,
    /// The present line was reported as too long. Its rest is thrown away.
    is_skipping: bool,
    line_bytes_max: usize,
}

impl LineBuffer {
    pub fn new(line_bytes_max: usize) -> LineBuffer {
        LineBuffer {
            bytes: Vec::new(),
            start: 0,
            scanned: 0,
            is_skipping: false,
            line_bytes_max,
        }
    }

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
                return self.is_newly_too_long().then_some(Line::TooLong);
            };
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
}
