//! The output buffer: messages wait here for the turn's one write.
//!
//! Redis and libuv keep a list of blocks and write them with `writev`. One flat
//! block lets a message be serialised in place. It costs a copy only when a slow
//! reader leaves a rest.

use crate::memory::Retention;

/// Above this many bytes the node stops reading its input: 256 KiB, four full
/// pipes. Enough to keep a reader busy, little enough to stay in the cache.
///
/// ```
/// use eddyline::wire::{HIGH_WATERMARK_BYTES, OutputBuffer};
///
/// let mut output = OutputBuffer::default();
/// output.commit(&mut vec![b'x'; HIGH_WATERMARK_BYTES + 1]);
/// assert!(output.is_congested());
/// ```
pub const HIGH_WATERMARK_BYTES: usize = 256 << 10;

/// At this many bytes or fewer the node reads again: 64 KiB, the size of a pipe, so that
/// the reader always has something to read while input waits.
///
/// ```
/// use eddyline::wire::{HIGH_WATERMARK_BYTES, LOW_WATERMARK_BYTES, OutputBuffer};
///
/// let mut output = OutputBuffer::default();
/// output.commit(&mut vec![b'x'; HIGH_WATERMARK_BYTES + 1]);
/// output.consume(output.len() - LOW_WATERMARK_BYTES);
/// assert!(!output.is_congested());
/// ```
pub const LOW_WATERMARK_BYTES: usize = 64 << 10;

/// The block may be this large at any time: twice the high watermark, so that the
/// replies to the input of one turn fit as well.
const SMALL_BYTES_MAX: usize = 2 * HIGH_WATERMARK_BYTES;

/// A larger block is kept from the second burst in a row on. A single burst is usual
/// when a reader was slow.
const LARGE_USES_MIN: u32 = 2;

/// Bytes on their way out.
///
/// ```
/// use eddyline::wire::OutputBuffer;
///
/// let mut output = OutputBuffer::default();
/// let mut draft = output.begin();
/// draft.extend_from_slice(b"a message\n");
/// output.commit(&mut draft);
/// assert_eq!(output.pending(), b"a message\n");
/// output.consume(2);
/// assert_eq!(output.pending(), b"message\n");
/// ```
#[derive(Debug)]
pub struct OutputBuffer {
    bytes: Vec<u8>,
    /// How many bytes at the front were written already.
    written: usize,
    /// The high watermark was passed, and the low one not yet reached again.
    congested: bool,
    /// The most bytes that the block has had since it was empty.
    used_bytes: usize,
    retention: Retention,
}

impl Default for OutputBuffer {
    fn default() -> OutputBuffer {
        OutputBuffer {
            bytes: Vec::new(),
            written: 0,
            congested: false,
            used_bytes: 0,
            retention: Retention::new(SMALL_BYTES_MAX, LARGE_USES_MIN),
        }
    }
}

impl OutputBuffer {
    /// Lends the block out, so that a message can be appended to it while the buffer
    /// is not borrowed. Serialising runs the author's code, which may send a message
    /// of its own.
    ///
    /// ```
    /// # let mut output = eddyline::wire::OutputBuffer::default();
    /// let mut draft = output.begin();
    /// draft.extend_from_slice(b"a message\n");
    /// assert!(output.is_empty()); // until the draft is back
    /// output.commit(&mut draft);
    /// ```
    #[inline(always)] // one call for each message
    pub fn begin(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Takes the block back, and leaves an empty one. Messages that were committed
    /// meanwhile follow it.
    #[inline(always)] // one call for each message
    pub fn commit(&mut self, draft: &mut Vec<u8>) {
        if !self.bytes.is_empty() {
            draft.append(&mut self.bytes);
        }
        std::mem::swap(&mut self.bytes, draft);
        if self.len() > HIGH_WATERMARK_BYTES {
            self.congested = true;
        }
    }

    /// The bytes that wait to be written.
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// How many bytes wait. Those in a block that is lent out do not count.
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.written)
    }

    /// Whether no bytes wait.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells the buffer that the first `count` pending bytes were written.
    ///
    /// ```
    /// # use {eddyline::wire::OutputBuffer, std::io::Write};
    /// fn flush(output: &mut OutputBuffer, out: &mut impl Write) -> std::io::Result<()> {
    ///     let count = out.write(output.pending())?;
    ///     output.consume(count);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Panics
    /// When `count` is more than what was pending.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "more than was pending");
        self.used_bytes = self.used_bytes.max(self.bytes.len());
        self.written += count;
        if self.is_empty() {
            self.rewind();
        } else if self.written > self.bytes.len() / 4 * 3 {
            // At most a third as many bytes move as were written since the last move,
            // and the block is at most four times as large as its pending bytes.
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        if self.len() <= LOW_WATERMARK_BYTES {
            self.congested = false;
        }
    }

    /// Begins at the front, since all bytes were written.
    fn rewind(&mut self) {
        let used_bytes = std::mem::take(&mut self.used_bytes);
        self.bytes.clear();
        self.written = 0;
        self.bytes.shrink_to(self.retention.end_use(used_bytes));
    }

    /// Whether the reader is behind: true from the high watermark until the low one.
    /// With one watermark, input would start and stop with each byte.
    ///
    /// ```
    /// # let mut output = eddyline::wire::OutputBuffer::default();
    /// output.commit(&mut vec![b'x'; eddyline::wire::HIGH_WATERMARK_BYTES]);
    /// assert!(!output.is_congested());
    /// output.commit(&mut vec![b'x']);
    /// assert!(output.is_congested());
    /// ```
    pub fn is_congested(&self) -> bool {
        self.congested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(output: &mut OutputBuffer, bytes: &[u8]) {
        let mut draft = output.begin();
        draft.extend_from_slice(bytes);
        output.commit(&mut draft);
    }

    #[test]
    fn a_message_that_is_committed_while_another_is_written_follows_it() {
        let mut output = OutputBuffer::default();
        append(&mut output, b"01");
        output.consume(1);
        let mut outer = output.begin();
        append(&mut output, b"3");
        outer.push(b'2');
        output.commit(&mut outer);
        assert_eq!(output.pending(), b"123");
    }

    #[test]
    fn partial_writes_lose_nothing_and_keep_the_order() {
        let mut output = OutputBuffer::default();
        let text: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let mut read = Vec::new();
        for (turn, piece) in text.chunks(97).enumerate() {
            append(&mut output, piece);
            let count = output.len().min(turn * 7 % 150);
            read.extend_from_slice(&output.pending()[..count]);
            output.consume(count);
        }
        read.extend_from_slice(output.pending());
        assert_eq!(read, text);
    }

    #[test]
    fn congestion_begins_above_the_high_watermark_and_ends_at_the_low_one() {
        let mut output = OutputBuffer::default();
        append(&mut output, &vec![b'x'; HIGH_WATERMARK_BYTES]);
        assert!(!output.is_congested());
        append(&mut output, b"x");
        assert!(output.is_congested());
        output.consume(HIGH_WATERMARK_BYTES - LOW_WATERMARK_BYTES);
        assert!(output.is_congested());
        output.consume(1);
        assert!(!output.is_congested());
    }

    #[test]
    fn a_burst_gives_its_memory_back() {
        let mut output = OutputBuffer::default();
        append(&mut output, &vec![b'x'; 4 * SMALL_BYTES_MAX]);
        output.consume(output.len());
        assert!(output.bytes.capacity() <= SMALL_BYTES_MAX);
    }

    #[test]
    fn bursts_in_a_row_share_their_memory_until_the_first_that_is_none() {
        let mut output = OutputBuffer::default();
        for _ in 0..2 {
            append(&mut output, &vec![b'x'; 4 * SMALL_BYTES_MAX]);
            while !output.is_empty() {
                output.consume(output.len().min(LOW_WATERMARK_BYTES));
            }
        }
        assert!(output.bytes.capacity() >= 4 * SMALL_BYTES_MAX);
        append(&mut output, b"x");
        output.consume(1);
        assert!(output.bytes.capacity() <= SMALL_BYTES_MAX);
    }
}
