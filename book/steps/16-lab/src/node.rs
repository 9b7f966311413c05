//! The loop (chapter 10) around a session (chapter 15).

use crate::lines::{Line, LineBuffer};
use crate::output::OutputBuffer;
use crate::session::Session;
use std::io;
use std::time::Duration;

const CHUNK_BYTES: usize = 4096;
const READS_PER_TURN: usize = 4;
const LINE_BYTES_MAX: usize = 1 << 20;

/// A timer that is late by more than this shows that the process stood still.
const LATE_TICKS: u64 = 5;

/// The edges that a wait tells.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Edges {
    pub readable: bool,
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
    session: Session,
    lines: LineBuffer,
    output: OutputBuffer,
    /// Sticky: an edge sets a flag, `WouldBlock` clears it.
    readable: bool,
    writable: bool,
    /// Due timers were held back in the last turn.
    has_held_back: bool,
    has_ended: bool,
}

impl<K: Kernel> Loop<K> {
    pub fn new(kernel: K) -> Loop<K> {
        Loop {
            kernel,
            session: Session::default(),
            lines: LineBuffer::new(LINE_BYTES_MAX),
            output: OutputBuffer::default(),
            readable: false,
            writable: true,
            has_held_back: false,
            has_ended: false,
        }
    }

    /// One turn. Returns whether there will be another.
    pub fn turn(&mut self) -> io::Result<bool> {
        self.wait()?; // 1. wait
        let now = self.kernel.now(); // 2. read the clock
        self.session.set_now(now);
        self.deliver()?; // 3. deliver what has come, bounded
        self.expire(now.as_millis() as u64); // 4. fire the timers that are due
        self.session.run_tasks(); // 5. run the tasks that are ready, each once
        self.flush()?; // 6. write what was said, in one go
        Ok(!self.has_ended)
    }

    fn wait(&mut self) -> io::Result<()> {
        let has_work = self.can_read() || self.can_write() || self.session.has_work();
        let timeout = match (has_work, self.session.next_deadline()) {
            (true, _) => Some(Duration::ZERO),
            (false, None) => None,
            (false, Some(tick)) => {
                let left = Duration::from_millis(tick).saturating_sub(self.kernel.now());
                Some(Duration::from_millis(crate::session::tick_at_or_after(
                    left,
                )))
            }
        };
        let edges = self.kernel.wait(timeout)?;
        self.readable |= edges.readable;
        self.writable |= edges.writable;
        Ok(())
    }

    fn can_read(&self) -> bool {
        self.readable && !self.output.is_congested()
    }

    fn can_write(&self) -> bool {
        self.writable && self.output.unsent_bytes() > 0
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
                    self.session.receive(line);
                }
            }
        }
        Ok(())
    }

    fn expire(&mut self, now: u64) {
        let due = self.session.next_deadline().filter(|&tick| tick <= now);
        let is_late = due.is_some_and(|tick| now - tick > LATE_TICKS);
        self.has_held_back = is_late && !self.has_held_back;
        if !self.has_held_back {
            self.session.expire(now);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.append(&self.session.take_output());
        if self.writable {
            let kernel = &mut self.kernel;
            self.writable = self.output.flush(|bytes| kernel.write(bytes))?;
        }
        Ok(())
    }
}
