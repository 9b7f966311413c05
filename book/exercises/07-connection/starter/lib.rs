//! One connection of the echo server: a state machine that loses nothing at its end.

#![forbid(unsafe_code)]

pub mod lines;
pub mod output;
pub mod reactor;
pub mod server;

use lines::{Line, LineBuffer};
use output::{Flush, OutputBuffer};
use reactor::{Next, Progress, Readiness};
use rustix::io::{Errno, read, write};
use rustix::net::{Shutdown, shutdown};
use std::io;
use std::os::fd::AsFd;

/// How many bytes one read takes at most.
pub const CHUNK_BYTES: usize = 4096;

/// How many reads a connection gets in a turn.
pub const READS_PER_TURN: usize = 4;

/// The longest line.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Above this many unsent bytes, a connection is not read.
pub const HIGH_BYTES: usize = 32 << 10;

/// At this many unsent bytes or fewer, it is read again.
pub const LOW_BYTES: usize = 8 << 10;

/// The state of a connection.
///
/// ```text
///           read 0                             all sent
///   Open ──────────> PeerEnded ─────────────────────────────> Closed
///    │                                                           ^
///    │ the line        all sent:                    read 0       │
///    │ "bye"           end our direction                         │
///    └───────> Leaving ────────────────> Lingering ──────────────┘
///
///   any of them ── the connection is broken ──> Closed
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Both directions are open.
    Open,
    /// The peer has ended its direction. It still gets its answers.
    PeerEnded,
    /// The peer gets its answers, and then the end. It is not read any more.
    Leaving,
    /// We have ended our direction. What still comes is thrown away.
    Lingering,
    Closed(Ending),
}

/// How a connection has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// All answers were sent.
    Complete,
    /// The peer or the network has gone.
    Broken,
}

pub struct Connection<S> {
    pub(crate) stream: S,
    lines: LineBuffer,
    output: OutputBuffer,
    state: State,
}

impl<S: AsFd> Connection<S> {
    /// Takes a stream that is non-blocking.
    pub fn new(stream: S) -> Connection<S> {
        Connection {
            stream,
            lines: LineBuffer::new(LINE_BYTES_MAX),
            output: OutputBuffer::new(LOW_BYTES, HIGH_BYTES),
            state: State::Open,
        }
    }

    /// Reads a bounded number of times, and writes all answers at the end.
    pub fn serve(&mut self, readiness: Readiness) -> Progress {
        let mut left = readiness;
        if self.go_on(&mut left).is_err() {
            self.state = State::Closed(Ending::Broken);
        }
        // The state may be another one now: it decides what is worth doing next.
        let can_read = left.readable && self.wants_input();
        let can_write = left.writable && !self.output.is_empty();
        let next = match self.state {
            State::Closed(_) => Next::Finish,
            _ if can_read || can_write => Next::CarryOver,
            _ => Next::Wait,
        };
        let used_up = Readiness {
            readable: readiness.readable && !left.readable,
            writable: readiness.writable && !left.writable,
        };
        Progress { used_up, next }
    }

    /// Clears the flags of `left` that `EAGAIN` proves wrong. An error is the end.
    fn go_on(&mut self, left: &mut Readiness) -> io::Result<()> {
        todo!("read, then flush, then look whether all is sent")
    }

    /// Whether a read makes sense in this state.
    fn wants_input(&self) -> bool {
        todo!("a line for each state")
    }

    fn received(&mut self, bytes: &[u8]) {
        todo!("answer each line, up to \"bye\"")
    }

    /// Open -> PeerEnded, or Lingering -> Closed.
    fn input_has_ended(&mut self) {
        todo!("the last line, and the next state")
    }

    /// PeerEnded -> Closed, or Leaving -> Lingering.
    fn all_is_sent(&mut self) -> io::Result<()> {
        todo!("the next state, and the end of our direction")
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// How many bytes of answers wait for the peer.
    pub fn unsent_bytes(&self) -> usize {
        self.output.len()
    }
}

/// Each line is sent back.
fn answer(line: Line<'_>, output: &mut OutputBuffer) {
    output.append(match line {
        Line::Whole(line) => line,
        Line::TooLong => b"(too long)",
    });
    output.append(b"\n");
}
