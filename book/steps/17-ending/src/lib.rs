//! A small node: the loop around a session, from its first line to its end.

#![forbid(unsafe_code)]

pub mod calls;
pub mod executor;
pub mod lines;
pub mod output;
pub mod real;
pub mod session;
pub mod stream;

use lines::{Line, LineBuffer};
use output::OutputBuffer;
use session::{Session, tick_at_or_after};
use std::io;
use std::time::Duration;

const CHUNK_BYTES: usize = 4096;
const READS_PER_TURN: usize = 4;
const LINE_BYTES_MAX: usize = 1 << 20;

/// How many turns handlers get to give their answers after their calls were given up.
pub const LAST_TURNS: u32 = 100;

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

/// How far the node is from its end.
///
/// ```text
///            input has ended            nothing is ready
///   Serving ─────────────────> Draining ─────────────────> GivingUp
///                                                             │ no task is left, or
///                                  all is written             v the last turn is over
///                          Ended <───────────────────────── Flushing
///                            ^
///   any of them ─────────────┘ the reader of the output has gone
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Lines come.
    Serving,
    /// No line will come. Tasks that are ready go on.
    Draining,
    /// Tasks wait for replies that cannot come. Their calls have ended with a timeout.
    GivingUp {
        turns_left: u32,
    },
    /// No task runs any more. What was said is written, however long that takes.
    Flushing,
    Ended,
}

/// All that a phase depends on.
#[derive(Clone, Copy, Default, Debug)]
pub struct Facts {
    pub has_input_ended: bool,
    pub has_ready_tasks: bool,
    pub has_tasks: bool,
    pub has_output: bool,
    pub has_lost_its_reader: bool,
}

impl Phase {
    /// The phase after a turn.
    pub fn next(self, facts: Facts) -> Phase {
        match self {
            _ if facts.has_lost_its_reader => Phase::Ended,
            Phase::Serving if facts.has_input_ended => Phase::Draining,
            Phase::Draining if !facts.has_ready_tasks => Phase::GivingUp {
                turns_left: LAST_TURNS,
            },
            Phase::GivingUp { turns_left } if turns_left == 0 || !facts.has_tasks => {
                Phase::Flushing.next(facts) // at once, since no edge will tell
            }
            Phase::GivingUp { turns_left } => Phase::GivingUp {
                turns_left: turns_left - 1,
            },
            Phase::Flushing if !facts.has_output => Phase::Ended,
            phase => phase,
        }
    }
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
    has_input_ended: bool,
    has_lost_its_reader: bool,
    phase: Phase,
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
            has_input_ended: false,
            has_lost_its_reader: false,
            phase: Phase::Serving,
        }
    }

    /// Makes turns until the node has ended.
    pub fn run(&mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
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
        self.advance(); // 7. is it nearer to its end?
        Ok(self.phase != Phase::Ended)
    }

    fn wait(&mut self) -> io::Result<()> {
        let is_ending = !matches!(self.phase, Phase::Serving | Phase::Flushing);
        let has_work = is_ending || self.can_read() || self.can_write() || self.session.has_work();
        let timeout = match (has_work, self.session.next_deadline()) {
            (true, _) => Some(Duration::ZERO),
            (false, None) => None,
            (false, Some(tick)) => {
                let left = Duration::from_millis(tick).saturating_sub(self.kernel.now());
                Some(Duration::from_millis(tick_at_or_after(left)))
            }
        };
        let edges = self.kernel.wait(timeout)?;
        self.readable |= edges.readable;
        self.writable |= edges.writable;
        Ok(())
    }

    fn can_read(&self) -> bool {
        self.readable && !self.has_input_ended && !self.output.is_congested()
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
                Ok(0) => {
                    self.has_input_ended = true;
                    if let Some(Line::Whole(line)) = self.lines.finish() {
                        self.session.receive(line);
                    }
                }
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
            match self.output.flush(|bytes| kernel.write(bytes)) {
                Ok(has_room) => self.writable = has_room,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.has_lost_its_reader = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn advance(&mut self) {
        self.phase = self.phase.next(Facts {
            has_input_ended: self.has_input_ended,
            has_ready_tasks: self.session.has_work(),
            has_tasks: self.session.tasks() > 0,
            has_output: self.output.unsent_bytes() > 0,
            has_lost_its_reader: self.has_lost_its_reader,
        });
        if matches!(self.phase, Phase::GivingUp { .. }) {
            self.session.expire(u64::MAX); // no reply can come any more
        }
    }
}
