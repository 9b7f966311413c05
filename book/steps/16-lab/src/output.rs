//! An output buffer with watermarks (chapter 6).

use std::io;

const WRITES_PER_FLUSH: usize = 4;
const LOW_BYTES: usize = 64 << 10;
const HIGH_BYTES: usize = 256 << 10;

/// The end of a flush.
#[derive(PartialEq, Eq)]
pub enum Flush {
    Done,
    /// The kernel has no room for the rest. An edge will tell.
    NoRoom,
    /// The rest waits for the next turn, and no edge will tell.
    AtBound,
}

#[derive(Default)]
pub struct OutputBuffer {
    bytes: Vec<u8>,
    /// How many bytes at the front were written already.
    written: usize,
    is_congested: bool,
}

impl OutputBuffer {
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.is_congested |= self.len() > HIGH_BYTES;
    }

    /// Hands the bytes to `write`, which takes some of them or fails.
    pub fn flush(
        &mut self,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<Flush> {
        for _ in 0..WRITES_PER_FLUSH {
            if self.len() == 0 {
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
        Ok(match self.len() {
            0 => Flush::Done,
            _ => Flush::AtBound,
        })
    }

    fn consume(&mut self, count: usize) {
        self.written += count;
        // A move costs the bytes that are left. So it waits until as many were written.
        if self.written >= self.len() {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        self.is_congested &= self.len() > LOW_BYTES;
    }

    /// From above the high watermark down to the low one.
    pub fn is_congested(&self) -> bool {
        self.is_congested
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.written
    }
}
