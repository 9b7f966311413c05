//! The echo server, by lines: each line that comes is sent back.

use crate::lines::{Line, LineBuffer};
use crate::reactor::{Next, Progress, Reactor, Readiness};
use crate::{Flush, OutputBuffer};
use rustix::io::{Errno, read, write};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// How many bytes one read takes at most.
pub const CHUNK_BYTES: usize = 4096;

/// How many reads a client gets in a turn.
pub const READS_PER_TURN: usize = 4;

/// How many clients the listener accepts in a turn.
const ACCEPTS_PER_TURN: usize = 16;

/// The longest line.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Above this many unsent bytes, a client is not read.
pub const HIGH_BYTES: usize = 32 << 10;

/// At this many unsent bytes or fewer, it is read again.
pub const LOW_BYTES: usize = 8 << 10;

pub struct Server {
    reactor: Reactor<Source>,
}

enum Source {
    Listener(TcpListener),
    Client(Client),
}

struct Client {
    stream: TcpStream,
    lines: LineBuffer,
    output: OutputBuffer,
}

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Source::Listener(listener) => listener.as_raw_fd(),
            Source::Client(client) => client.stream.as_raw_fd(),
        }
    }
}

impl Server {
    pub fn new(listener: TcpListener) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        let mut reactor = Reactor::new()?;
        reactor.insert(Source::Listener(listener))?;
        Ok(Server { reactor })
    }

    /// One turn: wait, serve, close. Returns how many sources were served.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        self.reactor.wait(timeout)?;
        let mut served = 0;
        while let Some((token, source, readiness)) = self.reactor.next_ready() {
            served += 1;
            let mut accepted = Vec::new();
            let progress = match source {
                Source::Listener(listener) => accept(listener, &mut accepted)?,
                Source::Client(client) => client.serve(readiness),
            };
            self.reactor.apply(token, progress);
            for stream in accepted {
                stream.set_nonblocking(true)?;
                self.reactor.insert(Source::Client(Client::new(stream)))?;
            }
        }
        self.reactor.close_finished()?;
        Ok(served)
    }

    pub fn clients(&self) -> usize {
        self.reactor.sources() - 1
    }
}

/// Accepts a bounded number of clients.
fn accept(listener: &TcpListener, accepted: &mut Vec<TcpStream>) -> io::Result<Progress> {
    let mut used_up = Readiness::default();
    for _ in 0..ACCEPTS_PER_TURN {
        match listener.accept() {
            Ok((stream, _address)) => accepted.push(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                used_up.readable = true;
                let next = Next::Wait;
                return Ok(Progress { used_up, next });
            }
            Err(error) => return Err(error),
        }
    }
    let next = Next::CarryOver;
    Ok(Progress { used_up, next })
}

impl Client {
    fn new(stream: TcpStream) -> Client {
        Client {
            stream,
            lines: LineBuffer::new(LINE_BYTES_MAX),
            output: OutputBuffer::new(LOW_BYTES, HIGH_BYTES),
        }
    }

    /// Reads a bounded number of times, and writes all answers at the end.
    fn serve(&mut self, mut left: Readiness) -> Progress {
        let mut used_up = Readiness::default();
        let finished = |used_up| Progress {
            used_up,
            next: Next::Finish,
        };
        for _ in 0..READS_PER_TURN {
            if !left.readable || self.output.is_congested() {
                break;
            }
            let mut chunk = [0; CHUNK_BYTES];
            match read(&self.stream, &mut chunk) {
                Ok(0) => return finished(used_up),
                Ok(count) => self.answer(&chunk[..count]),
                Err(Errno::AGAIN) => (left.readable, used_up.readable) = (false, true),
                Err(_) => return finished(used_up),
            }
        }
        if left.writable {
            let stream = &self.stream;
            match self.output.flush(|bytes| Ok(write(stream, bytes)?)) {
                Ok(Flush::Done | Flush::AtBound) => {}
                Ok(Flush::NoRoom) => (left.writable, used_up.writable) = (false, true),
                Err(_) => return finished(used_up),
            }
        }
        // The flush may have ended the congestion: no edge tells of that.
        let can_read = left.readable && !self.output.is_congested();
        let can_write = left.writable && !self.output.is_empty();
        let next = match can_read || can_write {
            true => Next::CarryOver,
            false => Next::Wait,
        };
        Progress { used_up, next }
    }

    /// Adds the answers to the lines that are whole now.
    fn answer(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
        while let Some(line) = self.lines.next_line() {
            let line = match line {
                Line::Whole(line) => line,
                Line::TooLong => b"(too long)",
            };
            self.output.append(line);
            self.output.append(b"\n");
        }
    }
}
