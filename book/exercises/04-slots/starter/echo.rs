//! The echo server: two kinds of sources, and the turn that serves them.

use crate::{Next, Progress, Reactor, Readiness};
use rustix::io::{Errno, read, write};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// How many bytes one read takes at most.
pub const CHUNK_BYTES: usize = 4096;

/// How many reads, and how many writes, a client gets in a turn.
pub const CALLS_PER_TURN: usize = 4;

/// How many clients the listener accepts in a turn.
const ACCEPTS_PER_TURN: usize = 16;

pub struct Server {
    reactor: Reactor<Source>,
}

enum Source {
    Listener(TcpListener),
    Client(Client),
}

struct Client {
    stream: TcpStream,
    /// Bytes that were read and that the kernel has not taken back yet.
    unsent: Vec<u8>,
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
                let unsent = Vec::new();
                let client = Client { stream, unsent };
                self.reactor.insert(Source::Client(client))?;
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
    /// Makes a bounded number of calls. Only `EAGAIN` uses a flag up.
    fn serve(&mut self, mut left: Readiness) -> Progress {
        let mut used_up = Readiness::default();
        let finished = |used_up| Progress {
            used_up,
            next: Next::Finish,
        };
        for _ in 0..CALLS_PER_TURN {
            if self.unsent.is_empty() && left.readable {
                let mut chunk = [0; CHUNK_BYTES];
                match read(&self.stream, &mut chunk) {
                    Ok(0) => return finished(used_up),
                    Ok(count) => self.unsent.extend_from_slice(&chunk[..count]),
                    Err(Errno::AGAIN) => (left.readable, used_up.readable) = (false, true),
                    Err(_) => return finished(used_up),
                }
            }
            if !self.unsent.is_empty() && left.writable {
                match write(&self.stream, &self.unsent) {
                    Ok(count) => _ = self.unsent.drain(..count),
                    Err(Errno::AGAIN) => (left.writable, used_up.writable) = (false, true),
                    Err(_) => return finished(used_up),
                }
            }
        }
        // The flag for the call that comes next.
        let has_work = match self.unsent.is_empty() {
            true => left.readable,
            false => left.writable,
        };
        let next = match has_work {
            true => Next::CarryOver,
            false => Next::Wait,
        };
        Progress { used_up, next }
    }
}
