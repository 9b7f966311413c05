//! stdin: a source whose lines go to the session.
//!
//! A turn reads at most 64 KiB and hands every whole line on. While the reader of stdout
//! is behind, no line is handed on and nothing is read: this is the node's backpressure.
//!
//! Invariants: a line is received once, in the order of arrival. While stdin is held,
//! whole lines may wait in the buffer, and no edge tells of them; `resume` does.
//!
//! Read next: `wire/line_buffer.rs`, how lines are found; `sys/access.rs`, why reading
//! from stdin needs care.

use super::source::Source;
use crate::reactor::{Interest, Reactor, Token};
use crate::session::Session;
use crate::source::{Next, Progress, Readiness, Reason};
use crate::sys::Input;
use crate::wire::{Line, LineBuffer};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;

/// How many reads of up to 64 KiB one turn makes: one. Its replies are then written
/// before the next read, while they are in the cache. A second read would only save
/// an `epoll_wait` that returns at once.
const READS_PER_TURN: usize = 1;

/// The process's standard input.
pub(super) struct Stdin {
    input: Input,
    token: Token,
    lines: LineBuffer,
    line_bytes_max: usize,
    state: State,
    /// The error that ended it, if it was no end of file.
    failure: Option<io::Error>,
}

/// ```text
///                 stdout congested
///   reading <───────────────────────> held      any ──end of file──> ended
///                 congestion over
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// The reader of stdout is behind: lines and readiness wait.
    Held,
    /// Taken out of the reactor.
    Ended,
}

impl Stdin {
    pub(super) fn new(
        reactor: &mut Reactor<Source>,
        input: Input,
        line_bytes_max: usize,
    ) -> io::Result<Stdin> {
        let source = Source::Stdin(input.as_raw_fd());
        let token = reactor.insert(source, Interest::READABLE)?;
        // In the queue one pipe would wait for thousands of connections.
        reactor.serve_first(token);
        Ok(Stdin {
            input,
            token,
            lines: LineBuffer::with_limit(line_bytes_max),
            line_bytes_max,
            state: State::Reading,
            failure: None,
        })
    }

    /// Takes stdin out of the reactor before its first turn: the lines come from elsewhere.
    pub(super) fn leave(&self, reactor: &mut Reactor<Source>) {
        reactor.finish(self.token);
        let _left = reactor.take_finished();
    }

    /// Whether every line that will come has been received.
    pub(super) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Why stdin ended, if that was an error.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        let error = self.failure.take()?;
        let text = format!("stdin cannot be read: {error}");
        Some(io::Error::new(error.kind(), text))
    }

    /// Whether more has arrived than the turn has read.
    pub(super) fn has_more(&self, reactor: &Reactor<Source>) -> bool {
        self.state == State::Reading && reactor.readiness(self.token).is_readable()
    }

    /// Receives the lines that are there, within the turn's bound.
    pub(super) fn ready(&mut self, readiness: Readiness, session: &mut Session) -> Progress {
        let mut left = readiness;
        let mut received_bytes = 0;
        self.state = State::Reading;
        self.receive_lines(session);
        session.rest();
        for _ in 0..READS_PER_TURN {
            if self.state == State::Reading && left.is_readable() {
                received_bytes += self.read(&mut left);
                self.receive_lines(session);
                session.rest();
            }
        }
        let next = match self.state {
            State::Reading if left.is_readable() => Next::CarryOver(Reason::BoundReached),
            State::Reading | State::Held => Next::Wait,
            State::Ended => {
                self.end(session);
                Next::Finished(())
            }
        };
        Progress {
            received_bytes,
            used_up: readiness.without(left),
            next,
        }
    }

    /// Serves stdin again in the next turn, if it was held and the reader of stdout has
    /// caught up.
    pub(super) fn resume(&mut self, reactor: &mut Reactor<Source>, session: &Session) {
        if self.state == State::Held && !session.is_congested() {
            reactor.carry_over(self.token, Reason::BackpressureOver);
        }
    }

    /// The line buffer, and the longest line that it accepts.
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn lines(&self) -> (&LineBuffer, usize) {
        (&self.lines, self.line_bytes_max)
    }

    /// Hands whole lines to the session, until the reader of stdout is too far behind.
    fn receive_lines(&mut self, session: &mut Session) {
        if self.state != State::Reading {
            return;
        }
        loop {
            if session.is_congested() {
                self.state = State::Held;
                return;
            }
            match self.lines.next_line() {
                Some(line) => receive(session, &line, self.line_bytes_max),
                None => return,
            }
        }
    }

    /// Reads once. Returns how many bytes came.
    fn read(&mut self, left: &mut Readiness) -> usize {
        let space = self.lines.space();
        let room = space.len();
        match self.input.read(space) {
            Ok(0) => self.state = State::Ended,
            Ok(count) => {
                self.lines.filled(count);
                let is_drained = count < room && self.input.short_read_is_drained();
                if is_drained && !left.is_read_closed() {
                    left.remove(Readiness::READABLE);
                }
                return count;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                left.remove(Readiness::READABLE);
            }
            Err(error) => {
                if error.kind() != ErrorKind::ConnectionReset {
                    self.failure = Some(error);
                }
                self.state = State::Ended;
            }
        }
        0
    }

    /// Receives a last line without a newline, and says that no more will come.
    fn end(&mut self, session: &mut Session) {
        if let Some(line) = self.lines.finish() {
            receive(session, &line, self.line_bytes_max);
        }
        session.end_input();
    }
}

fn receive(session: &mut Session, line: &Line<'_>, line_bytes_max: usize) {
    match line {
        Line::Whole(line) => session.receive(line),
        Line::TooLong { excerpt } => session.receive_too_long(excerpt, line_bytes_max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing;
    use crate::node::{Context, Node};
    use crate::protocol::Result;
    use crate::session::Settings;
    use crate::time::VirtualClock;
    use crate::{node::Request, wire::LINE_BYTES_MAX, wire::READ_BYTES};
    use std::rc::Rc;
    use std::time::Duration;

    /// Never built: there is no `init`.
    struct Unbuilt;

    impl Node for Unbuilt {
        fn new(_: &Context) -> Unbuilt {
            Unbuilt
        }

        async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
            cx.not_supported(&request)
        }
    }

    #[test]
    fn gotcha_12_a_turn_reads_a_flooded_stdin_once_and_comes_again() {
        const READS: usize = 3;
        let (read_end, write_end) = testing::pipe();
        rustix::pipe::fcntl_setpipe_size(&write_end, 4 * READ_BYTES).unwrap();
        // No messages, so nothing is said to them: stdout never holds stdin back.
        let flood = [&[b'x'; 1023][..], b"\n"].concat();
        let flood = flood.repeat(READS * READ_BYTES / flood.len());
        assert_eq!(rustix::io::write(&write_end, &flood), Ok(flood.len()));
        let clock = Rc::new(VirtualClock::default());
        let mut session = Session::new(Unbuilt::new, Settings::default(), clock, |_| {});
        let mut reactor = Reactor::new().unwrap();
        let mut stdin = Stdin::new(
            &mut reactor,
            Input::from_fd(read_end).unwrap(),
            LINE_BYTES_MAX,
        )
        .unwrap();
        for read in 1..=READS {
            reactor.wait(Some(Duration::ZERO)).unwrap();
            let (token, _, readiness) = reactor.next_ready().unwrap();
            assert_eq!(token, stdin.token);
            let progress = stdin.ready(readiness, &mut session);
            reactor.apply(token, &progress);
            let left = rustix::io::ioctl_fionread(&write_end).unwrap();
            assert_eq!(left, (flood.len() - read * READ_BYTES) as u64);
            assert!(reactor.next_ready().is_none(), "the others have their turn");
        }
    }
}
