//! The real kernel: epoll by way of mio, a clock, and two inherited streams (chapter 14).

use crate::stream::{Direction, Stream};
use crate::{Edges, Kernel};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

const INPUT: Token = Token(0);
const OUTPUT: Token = Token(1);

pub struct Real {
    poll: Poll,
    events: Events,
    input: Stream,
    output: Stream,
    start: Instant,
    /// The input is always ready, so no edge tells of it. The first wait does.
    has_silent_input: bool,
}

impl Real {
    pub fn new(input: BorrowedFd<'_>, output: BorrowedFd<'_>) -> io::Result<Real> {
        let poll = Poll::new()?;
        let input = Stream::open(input, Direction::Read)?;
        let output = Stream::open(output, Direction::Write)?;
        let ends = [
            (INPUT, &input, Interest::READABLE),
            (OUTPUT, &output, Interest::WRITABLE),
        ];
        for (token, stream, interest) in ends {
            if !stream.is_always_ready() {
                let fd = stream.as_fd().as_raw_fd();
                poll.registry()
                    .register(&mut SourceFd(&fd), token, interest)?;
            }
        }
        Ok(Real {
            has_silent_input: input.is_always_ready(),
            poll,
            events: Events::with_capacity(8),
            input,
            output,
            start: Instant::now(),
        })
    }
}

impl Kernel for Real {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Edges> {
        let mut edges = Edges::default();
        if std::mem::take(&mut self.has_silent_input) {
            edges.readable = true;
            return Ok(edges);
        }
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(edges), // a signal
            polled => polled?,
        }
        for event in &self.events {
            edges.readable |= event.token() == INPUT;
            edges.writable |= event.token() == OUTPUT;
        }
        Ok(edges)
    }

    fn now(&mut self) -> Duration {
        self.start.elapsed()
    }

    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        self.input.read(chunk)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }
}
