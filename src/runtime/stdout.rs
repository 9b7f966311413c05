//! stdout: the session's messages, written once a turn.
//!
//! Read next: `wire/output_buffer.rs`, where the messages wait.

use super::source::Source;
use crate::reactor::{Interest, Reactor, Token};
use crate::session::Session;
use crate::source::{Next, Progress, Readiness, Reason};
use crate::sys::Output;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;

/// How much one write offers: 256 KiB. A pipe takes as much as fits. A file takes it
/// all and blocks meanwhile, so this bounds for how long a disk can stop the loop.
const WRITE_BYTES_MAX: usize = 256 << 10;

/// How many writes one turn makes: 4. That is enough for a pipe that is emptied while
/// it is being filled, and few enough for the other sources.
const WRITES_PER_TURN: usize = 4;

/// The process's standard output.
pub(super) struct Stdout {
    output: Output,
    token: Token,
    /// The last byte that was written is not the end of a message.
    is_inside_line: bool,
}

impl Stdout {
    pub(super) fn new(reactor: &mut Reactor<Source>, output: Output) -> io::Result<Stdout> {
        let source = Source::Stdout(output.as_raw_fd());
        let token = reactor.insert(source, Interest::WRITABLE)?;
        Ok(Stdout {
            output,
            token,
            is_inside_line: false,
        })
    }

    /// Whether the reader has the beginning of a message, and waits for its rest.
    pub(super) fn is_inside_line(&self) -> bool {
        self.is_inside_line
    }

    /// Its token in the reactor.
    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// Writes messages, as much as the reader takes within the turn's bound. stdout has
    /// finished when its reader has gone.
    ///
    /// # Errors
    /// When stdout fails in another way than by losing its reader.
    pub(super) fn ready(
        &mut self,
        readiness: Readiness,
        session: &mut Session,
    ) -> io::Result<Progress> {
        if readiness.is_read_closed() {
            // For a source that is only written to, this flag means an error or a
            // hang-up.
            return Ok(Progress::idle(Next::Finished(())));
        }
        if !readiness.is_writable() {
            return Ok(Progress::idle(Next::Wait));
        }
        let mut output = session.output();
        for _ in 0..WRITES_PER_TURN {
            let pending = output.pending();
            let offered = &pending[..pending.len().min(WRITE_BYTES_MAX)];
            match self.output.write(offered) {
                Ok(count) => {
                    if let Some(last) = offered[..count].last() {
                        self.is_inside_line = *last != b'\n';
                    }
                    output.consume(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Progress {
                        used_up: Readiness::WRITABLE,
                        ..Progress::idle(Next::Wait)
                    });
                }
                Err(error) if self.output.has_lost_reader(&error) => {
                    return Ok(Progress::idle(Next::Finished(())));
                }
                Err(error) => {
                    let text = format!("stdout cannot be written: {error}");
                    return Err(io::Error::new(error.kind(), text));
                }
            }
            if output.is_empty() {
                return Ok(Progress::idle(Next::Wait));
            }
        }
        Ok(Progress::idle(Next::CarryOver(Reason::BoundReached)))
    }
}
