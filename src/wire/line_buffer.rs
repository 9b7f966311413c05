//! The line buffer: bytes in as they come, whole lines out.
//!
//! Like redis' query buffer it is one flat block that is used again. A newline is
//! searched for only in bytes that were not searched before, so a line that comes a
//! byte at a time costs no more than one that comes whole. A line over the limit is
//! reported once and skipped up to its newline. In redis it ends the connection.
//!
//! ```text
//!   0            start           scanned        end             len
//!   |  consumed    |  part of a line |  unsearched |  free space  |
//! ```

use crate::memory::Retention;

/// The longest line that is accepted, without its newline: 16 MiB.
///
/// A line must be whole before it can be parsed, so this bounds the memory that
/// one sender can make the node hold. Maelstrom's own messages stay far below.
///
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// How much one read asks for: 64 KiB, the default size of a pipe. Larger reads
/// would not fit into the nearer caches, and save no system call.
pub const READ_BYTES: usize = 64 << 10;

/// The size of the block, unless a long line made it larger: room for a whole read
/// after the beginning of a line that waits for its rest.
const SMALL_BYTES_MAX: usize = 2 * READ_BYTES;

/// A block that a long line has made larger serves the next line.
const LARGE_USES_MIN: u32 = 1;

/// How much of a line over the limit is shown to a person.
const EXCERPT_BYTES: usize = 80;

/// A line, without its newline.
///
/// ```
/// use eddyline::wire::{Line, LineBuffer};
///
/// let mut lines = LineBuffer::with_limit(4);
/// lines.space()[..11].copy_from_slice(b"short\nlong\n");
/// lines.filled(11);
/// assert!(matches!(lines.next_line(), Some(Line::TooLong { .. })));
/// assert_eq!(lines.next_line(), Some(Line::Whole(b"long")));
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A whole line within the limit.
    Whole(&'a [u8]),
    /// A line over the limit. Only its beginning is left.
    TooLong {
        /// The first bytes of the line.
        excerpt: &'a [u8],
    },
}

/// Cuts a stream of bytes into lines.
///
/// ```
/// use eddyline::wire::{Line, LineBuffer};
///
/// let mut lines = LineBuffer::default();
/// lines.space()[..7].copy_from_slice(b"one\ntwo");
/// lines.filled(7);
/// assert_eq!(lines.next_line(), Some(Line::Whole(b"one")));
/// assert_eq!(lines.next_line(), None);
/// assert_eq!(lines.finish(), Some(Line::Whole(b"two")));
/// ```
#[derive(Debug)]
pub struct LineBuffer {
    /// All of it is initialised; only `start..end` holds bytes of the stream.
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Everything before this was searched for a newline.
    scanned: usize,
    /// Where the next read goes.
    end: usize,
    /// The longest line that is accepted.
    line_bytes_max: usize,
    /// The line at `start` has passed the limit and was reported.
    discarding: bool,
    retention: Retention,
}

impl Default for LineBuffer {
    fn default() -> LineBuffer {
        LineBuffer::with_limit(LINE_BYTES_MAX)
    }
}

impl LineBuffer {
    /// A buffer that accepts lines of up to `line_bytes_max` bytes.
    pub fn with_limit(line_bytes_max: usize) -> LineBuffer {
        LineBuffer {
            bytes: vec![0; SMALL_BYTES_MAX],
            start: 0,
            scanned: 0,
            end: 0,
            line_bytes_max,
            discarding: false,
            retention: Retention::new(SMALL_BYTES_MAX, LARGE_USES_MIN),
        }
    }

    /// Where the next read may write: at least one byte, at most [`READ_BYTES`].
    ///
    /// Call it when [`next_line`](Self::next_line) has returned `None`. When the space
    /// runs short, it moves the beginning of a line that is left to the front. When
    /// one line fills the block, it doubles the block. So each byte moves O(1) times.
    ///
    /// ```
    /// # use {eddyline::wire::LineBuffer, std::io::Read};
    /// fn read(lines: &mut LineBuffer, input: &mut impl Read) -> std::io::Result<()> {
    ///     let count = input.read(lines.space())?;
    ///     lines.filled(count);
    ///     Ok(())
    /// }
    /// ```
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.rewind();
        } else if self.bytes.len() - self.end < READ_BYTES {
            self.make_room();
        }
        let until = self.bytes.len().min(self.end + READ_BYTES);
        &mut self.bytes[self.end..until]
    }

    /// Tells the buffer that the first `count` bytes of [`space`](Self::space) were
    /// written.
    ///
    /// # Panics
    /// When `count` is more than the space that was given.
    pub fn filled(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.end, "more than the space");
        self.end += count;
    }

    /// The next whole line, or `None` until more bytes come.
    ///
    /// ```
    /// # use eddyline::wire::{Line, LineBuffer};
    /// # let mut lines = LineBuffer::default();
    /// lines.space()[..7].copy_from_slice(b"one\ntwo");
    /// lines.filled(7);
    /// assert_eq!(lines.next_line(), Some(Line::Whole(b"one")));
    /// assert_eq!(lines.next_line(), None); // the rest of the second is still to come
    /// ```
    #[inline(always)] // one call for each message
    pub fn next_line(&mut self) -> Option<Line<'_>> {
        loop {
            let unsearched = &self.bytes[self.scanned..self.end];
            let Some(found) = memchr::memchr(b'\n', unsearched) else {
                self.scanned = self.end;
                return self.report_if_too_long();
            };
            let line = self.start..self.scanned + found;
            self.start = line.end + 1;
            self.scanned = self.start;
            if std::mem::take(&mut self.discarding) {
                continue;
            }
            return Some(self.judge(line));
        }
    }

    /// The last line, when the stream ended without a newline after it.
    ///
    /// ```
    /// # use eddyline::wire::{Line, LineBuffer};
    /// # let mut lines = LineBuffer::default();
    /// lines.space()[..3].copy_from_slice(b"one");
    /// lines.filled(3);
    /// assert_eq!(lines.finish(), Some(Line::Whole(b"one")));
    /// assert_eq!(lines.finish(), None);
    /// ```
    pub fn finish(&mut self) -> Option<Line<'_>> {
        let line = self.start..self.end;
        self.start = self.end;
        self.scanned = self.end;
        if std::mem::take(&mut self.discarding) || line.is_empty() {
            return None;
        }
        Some(self.judge(line))
    }

    /// Whether every byte was handed out.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How many bytes were not handed out.
    #[cfg(any(test, feature = "microscope"))]
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Reports a line that has passed the limit before its newline came, once, and
    /// drops the bytes of it that are here.
    fn report_if_too_long(&mut self) -> Option<Line<'_>> {
        let line = self.start..self.end;
        if !self.discarding && line.len() <= self.line_bytes_max {
            return None;
        }
        self.start = self.end;
        if std::mem::replace(&mut self.discarding, true) {
            return None;
        }
        Some(self.judge(line))
    }

    fn judge(&self, line: std::ops::Range<usize>) -> Line<'_> {
        let line = &self.bytes[line];
        if line.len() > self.line_bytes_max {
            return Line::TooLong {
                excerpt: &line[..EXCERPT_BYTES.min(line.len())],
            };
        }
        Line::Whole(line)
    }

    /// Begins at the front, since all bytes were consumed.
    fn rewind(&mut self) {
        let kept_bytes = self.retention.end_use(self.end);
        (self.start, self.scanned, self.end) = (0, 0, 0);
        if self.bytes.len() > kept_bytes {
            self.bytes = vec![0; kept_bytes];
        }
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.scanned -= self.start;
            self.start = 0;
        }
        let room = self.bytes.len() - self.end;
        if room < READ_BYTES {
            // The line alone fills the block. A line over the limit is dropped, so the
            // block never grows past the limit and two reads.
            let most = self.line_bytes_max.saturating_add(2 * READ_BYTES);
            let len = (2 * self.bytes.len()).min(most);
            let len = len.max(self.end + READ_BYTES);
            // A Vec that grows by itself could take twice the bound.
            self.bytes.reserve_exact(len - self.bytes.len());
            self.bytes.resize(len, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(lines: &mut LineBuffer, mut bytes: &[u8], piece: usize) -> Vec<Result<Vec<u8>, ()>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let space = lines.space();
            let count = piece.min(space.len()).min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            lines.filled(count);
            bytes = &bytes[count..];
            while let Some(line) = lines.next_line() {
                found.push(owned(line));
            }
        }
        found
    }

    fn owned(line: Line<'_>) -> Result<Vec<u8>, ()> {
        match line {
            Line::Whole(line) => Ok(line.to_vec()),
            Line::TooLong { .. } => Err(()),
        }
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = b"one\n\nthree is longer\r\n\nlast";
        for piece in 1..=text.len() {
            let mut lines = LineBuffer::default();
            let mut found = feed(&mut lines, text, piece);
            found.extend(lines.finish().map(owned));
            let expected: Vec<_> = text
                .split(|&byte| byte == b'\n')
                .map(|line| Ok(line.to_vec()))
                .collect();
            assert_eq!(found, expected, "in pieces of {piece}");
            assert_eq!(lines.finish(), None);
        }
    }

    #[test]
    fn a_line_over_the_limit_is_reported_once_and_the_next_one_counts() {
        for piece in [1, 7, 1000] {
            let mut lines = LineBuffer::with_limit(10);
            let text = b"0123456789\n0123456789a and much more\nnext\n";
            let found = feed(&mut lines, text, piece);
            let expected = [Ok(b"0123456789".to_vec()), Err(()), Ok(b"next".to_vec())];
            assert_eq!(found, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn the_stream_may_end_inside_a_line_over_the_limit() {
        let mut lines = LineBuffer::with_limit(4);
        assert_eq!(feed(&mut lines, b"012345", 3), [Err(())]);
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn a_long_line_grows_the_block_to_its_limit_and_gives_it_back() {
        let limit = 1 << 20;
        let mut lines = LineBuffer::with_limit(limit);
        let mut text = vec![b'x'; 4 * limit];
        text.extend_from_slice(b"\nshort\n");
        let found = feed(&mut lines, &text, READ_BYTES);
        assert_eq!(found, [Err(()), Ok(b"short".to_vec())]);
        assert!(lines.bytes.capacity() <= limit + 2 * READ_BYTES);
        lines.space();
        assert_eq!(lines.bytes.len(), SMALL_BYTES_MAX);
    }

    #[test]
    fn the_block_of_a_long_line_serves_the_next_one_and_no_short_one() {
        let mut lines = LineBuffer::default();
        let mut long = vec![b'x'; 4 * SMALL_BYTES_MAX];
        long.push(b'\n');
        for _ in 0..2 {
            assert_eq!(feed(&mut lines, &long, READ_BYTES).len(), 1);
            lines.space();
            assert_eq!(lines.bytes.len(), 8 * SMALL_BYTES_MAX);
        }
        assert_eq!(feed(&mut lines, b"short\n", READ_BYTES).len(), 1);
        lines.space();
        assert_eq!(lines.bytes.len(), SMALL_BYTES_MAX);
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_whole() {
        let limit = 300_000;
        let mut lines = LineBuffer::with_limit(limit);
        let mut text = vec![b'x'; limit];
        text.push(b'\n');
        let found = feed(&mut lines, &text, 4096);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].as_ref().map(Vec::len), Ok(limit));
    }
}
