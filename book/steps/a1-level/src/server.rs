//! The echo server: two kinds of sources, and the turn that serves them.

use crate::Connection;
use crate::reactor::{Interest, Next, Reactor};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// How many clients the listener accepts in a turn.
const ACCEPTS_PER_TURN: usize = 16;

pub struct Server {
    reactor: Reactor<Source>,
}

enum Source {
    Listener(TcpListener),
    Client(Connection<TcpStream>),
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Source::Listener(listener) => listener.as_fd(),
            Source::Client(client) => client.stream.as_fd(),
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
            let next = match source {
                Source::Listener(listener) => accept(listener, &mut accepted)?,
                Source::Client(client) => client.serve(readiness),
            };
            self.reactor.apply(token, next)?;
            for stream in accepted {
                stream.set_nonblocking(true)?;
                self.reactor
                    .insert(Source::Client(Connection::new(stream)))?;
            }
        }
        self.reactor.close_finished()?;
        Ok(served)
    }

    pub fn clients(&self) -> usize {
        self.reactor.sources() - 1
    }

    /// How many calls have told the kernel of a changed interest.
    pub fn changed_interests(&self) -> usize {
        self.reactor.changed_interests
    }
}

/// Accepts a bounded number of clients. The kernel tells again of those that are left.
fn accept(listener: &TcpListener, accepted: &mut Vec<TcpStream>) -> io::Result<Next> {
    for _ in 0..ACCEPTS_PER_TURN {
        match listener.accept() {
            Ok((stream, _address)) => accepted.push(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Next::Wait(Interest::READ))
}
