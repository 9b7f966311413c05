//! An output buffer with watermarks (chapter 6).

use std::io;

const WRITES_PER_FLUSH: usize = 4;
const LOW_BYTES: usize = 64 << 10;
const HIGH_BYTES: usize = 256 << 10;

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
        self.is_congested |= self.unsent_bytes() > HIGH_BYTES;
    }

    /// Hands the bytes to `write`, which takes some of them or fails. Returns whether the
    /// kernel may have more room. If not, an edge will tell.
    pub fn flush(&mut self, mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<bool> {
        for _ in 0..WRITES_PER_FLUSH {
            if self.unsent_bytes() == 0 {
                break;
            }
            match write(&self.bytes[self.written..]) {
                Ok(count) => self.consume(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn consume(&mut self, count: usize) {
        self.written += count;
        // A move costs the bytes that are left. So it waits until as many were written.
        if self.written >= self.unsent_bytes() {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        self.is_congested &= self.unsent_bytes() > LOW_BYTES;
    }

    /// From above the high watermark down to the low one.
    pub fn is_congested(&self) -> bool {
        self.is_congested
    }

    pub fn unsent_bytes(&self) -> usize {
        self.bytes.len() - self.written
    }
}
