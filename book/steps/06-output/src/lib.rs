//! An output buffer: it keeps what the kernel does not take, and says when there is too
//! much of it.

#![forbid(unsafe_code)]

pub mod lines;
pub mod reactor;
pub mod server;

use std::io;

/// How many writes a flush makes at most.
pub const WRITES_PER_FLUSH: usize = 4;

/// The end of a flush.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flush {
    /// Nothing is left.
    Done,
    /// The kernel has no room for the rest. An edge will tell.
    NoRoom,
    /// The rest has to wait for the next turn, and no edge will tell.
    AtBound,
}

/// Bytes on their way out.
pub struct OutputBuffer {
    bytes: Vec<u8>,
    /// How many bytes at the front were written already.
    written: usize,
    /// The high watermark was passed, and the low one not yet reached again.
    is_congested: bool,
    low_bytes: usize,
    high_bytes: usize,
    /// How many bytes were moved to the front. For tests and figures.
    pub moved_bytes: usize,
}

impl OutputBuffer {
    /// A buffer with its two watermarks.
    pub fn new(low_bytes: usize, high_bytes: usize) -> OutputBuffer {
        OutputBuffer {
            bytes: Vec::new(),
            written: 0,
            is_congested: false,
            low_bytes,
            high_bytes,
            moved_bytes: 0,
        }
    }

    /// Adds bytes. Never refuses: what is said must be kept. The user has to say no more
    /// while the buffer is congested.
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.len() > self.high_bytes {
            self.is_congested = true;
        }
    }

    /// Hands the bytes to `write`, which takes some of them or fails. `WouldBlock` is not
    /// an error here.
    pub fn flush(
        &mut self,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<Flush> {
        for _ in 0..WRITES_PER_FLUSH {
            if self.is_empty() {
                return Ok(Flush::Done);
            }
            match write(&self.bytes[self.written..]) {
                Ok(count) => self.consume(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Flush::NoRoom);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(match self.is_empty() {
            true => Flush::Done,
            false => Flush::AtBound,
        })
    }

    /// The first `count` bytes were written.
    fn consume(&mut self, count: usize) {
        self.written += count;
        let left = self.len();
        // A move costs the bytes that are left. So it waits until as many were written.
        if self.written >= left {
            self.bytes.drain(..self.written);
            self.written = 0;
            self.moved_bytes += left;
        }
        if left <= self.low_bytes {
            self.is_congested = false;
        }
    }

    /// Whether to stop producing: from above the high watermark down to the low one.
    pub fn is_congested(&self) -> bool {
        self.is_congested
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// How many bytes of memory are in use.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
