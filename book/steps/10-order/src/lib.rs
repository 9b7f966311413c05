//! The turn: the steps of the loop, in their order. The kernel is a trait, so that a test
//! can play it.

#![forbid(unsafe_code)]

pub mod asks;
pub mod deadlines;
pub mod lines;
pub mod output;
pub mod script;

use asks::Asks;
use deadlines::{tick_reached, timeout};
use lines::{Line, LineBuffer};
use output::{Flush, OutputBuffer};
use std::io;
use std::time::Duration;

/// How many bytes one read takes at most.
pub const CHUNK_BYTES: usize = 4096;

/// How many reads a turn makes.
pub const READS_PER_TURN: usize = 4;

/// A timer that is found due later than this many ticks shows that the process stood
/// still.
pub const LATE_TICKS: u64 = 5;

const LINE_BYTES_MAX: usize = 1 << 20;
const HIGH_BYTES: usize = 256 << 10;
const LOW_BYTES: usize = 64 << 10;

/// The edges that a wait tells.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Edges {
    /// Input has come.
    pub readable: bool,
    /// Output has room again.
    pub writable: bool,
}

/// All that the loop asks of a kernel: one input, one output, and a clock.
pub trait Kernel {
    /// Waits for edges, or for the timeout (`None`: for ever).
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Edges>;
    /// The time since a start that does not matter.
    fn now(&mut self) -> Duration;
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize>;
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

pub struct Loop<K> {
    pub kernel: K,
    lines: LineBuffer,
    output: OutputBuffer,
    pub asks: Asks,
    /// Sticky, as in chapter 3: an edge sets a flag, `WouldBlock` clears it.
    readable: bool,
    writable: bool,
    /// The clock's reading of this turn.
    now: Duration,
    /// Due timers were held back in the last turn.
    has_held_back: bool,
    has_ended: bool,
}

impl<K: Kernel> Loop<K> {
    pub fn new(kernel: K) -> Loop<K> {
        Loop {
            kernel,
            lines: LineBuffer::new(LINE_BYTES_MAX),
            output: OutputBuffer::new(LOW_BYTES, HIGH_BYTES),
            asks: Asks::default(),
            readable: false,
            writable: true,
            now: Duration::ZERO,
            has_held_back: false,
            has_ended: false,
        }
    }

    /// One turn. Returns whether there will be another.
    pub fn turn(&mut self) -> io::Result<bool> {
        self.wait()?; // 1. wait
        self.now = self.kernel.now(); // 2. read the clock
        self.deliver()?; // 3. deliver what has come, bounded
        self.expire(); // 4. fire the timers that are due
        self.flush()?; // 5. write what was said, in one go
        Ok(!self.has_ended)
    }

    fn wait(&mut self) -> io::Result<()> {
        let timeout = match self.can_read() {
            true => Some(Duration::ZERO), // the last turn has left input
            false => timeout(self.asks.next_deadline(), self.kernel.now()),
        };
        let edges = self.kernel.wait(timeout)?;
        self.readable |= edges.readable;
        self.writable |= edges.writable;
        Ok(())
    }

    fn can_read(&self) -> bool {
        self.readable && !self.output.is_congested()
    }

    fn deliver(&mut self) -> io::Result<()> {
        for _ in 0..READS_PER_TURN {
            if !self.can_read() {
                break;
            }
            let mut chunk = [0; CHUNK_BYTES];
            match self.kernel.read(&mut chunk) {
                Ok(0) => (self.readable, self.has_ended) = (false, true),
                Ok(count) => self.lines.push(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) => return Err(error),
            }
            while let Some(line) = self.lines.next_line() {
                if let Line::Whole(line) = line {
                    self.asks.receive(line, self.now, &mut self.output);
                }
            }
        }
        Ok(())
    }

    /// Fires what is due. If the process stood still, input may wait in the kernel that
    /// came before the deadlines: then one more wait comes first.
    fn expire(&mut self) {
        let now = tick_reached(self.now);
        let due = self.asks.next_deadline().filter(|&tick| tick <= now);
        let is_late = due.is_some_and(|tick| now - tick > LATE_TICKS);
        self.has_held_back = is_late && !self.has_held_back;
        if !self.has_held_back {
            self.asks.expire(now, &mut self.output);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.writable {
            let kernel = &mut self.kernel;
            let flushed = self.output.flush(|bytes| kernel.write(bytes))?;
            self.writable = flushed != Flush::NoRoom;
        }
        Ok(())
    }
}
