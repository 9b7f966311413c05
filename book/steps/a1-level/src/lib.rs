//! The connection of chapter 7, on a level-triggered reactor.

#![forbid(unsafe_code)]

pub mod lines;
pub mod output;
pub mod reactor;
pub mod server;

use lines::{Line, LineBuffer};
use output::OutputBuffer;
use reactor::{Interest, Next, Readiness};
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

    /// Reads a bounded number of times, and writes all answers at the end. The answer is
    /// the interest that follows from the state.
    pub fn serve(&mut self, readiness: Readiness) -> Next {
        if self.go_on(readiness).is_err() {
            self.state = State::Closed(Ending::Broken);
        }
        match self.state {
            State::Closed(_) => Next::Finish,
            _ => Next::Wait(Interest {
                read: self.wants_input(),
                write: !self.output.is_empty(),
            }),
        }
    }

    /// An error is the end.
    fn go_on(&mut self, readiness: Readiness) -> io::Result<()> {
        // Output waits only if there was no room for it.
        let has_room = readiness.writable || self.output.is_empty();
        for _ in 0..READS_PER_TURN {
            if !readiness.readable || !self.wants_input() {
                break;
            }
            let mut chunk = [0; CHUNK_BYTES];
            match read(&self.stream, &mut chunk) {
                Ok(0) => self.input_has_ended(),
                Ok(count) => {
                    self.received(&chunk[..count]);
                    if count < CHUNK_BYTES {
                        break; // whatever is left is told again
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        if has_room {
            let stream = &self.stream;
            self.output.flush(|bytes| Ok(write(stream, bytes)?))?;
        }
        if self.output.is_empty() {
            self.all_is_sent()?;
        }
        Ok(())
    }

    /// Whether a read makes sense in this state.
    fn wants_input(&self) -> bool {
        match self.state {
            State::Open => !self.output.is_congested(),
            State::Lingering => true,
            State::PeerEnded | State::Leaving | State::Closed(_) => false,
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        if self.state == State::Lingering {
            return; // nothing can be answered any more
        }
        self.lines.push(bytes);
        while let Some(line) = self.lines.next_line() {
            answer(line, &mut self.output);
            if line == Line::Whole(b"bye") {
                self.state = State::Leaving;
                break;
            }
        }
    }

    /// Open -> PeerEnded, or Lingering -> Closed.
    fn input_has_ended(&mut self) {
        self.state = match self.state {
            State::Lingering => State::Closed(Ending::Complete),
            _ => State::PeerEnded,
        };
        if let Some(line) = self.lines.finish() {
            answer(line, &mut self.output);
        }
    }

    /// PeerEnded -> Closed, or Leaving -> Lingering.
    fn all_is_sent(&mut self) -> io::Result<()> {
        match self.state {
            State::PeerEnded => self.state = State::Closed(Ending::Complete),
            State::Leaving => {
                shutdown(&self.stream, Shutdown::Write)?;
                self.state = State::Lingering;
            }
            State::Open | State::Lingering | State::Closed(_) => {}
        }
        Ok(())
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
