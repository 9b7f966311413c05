//! A TCP echo server on mio alone, similar to mio's example `tcp_server`. It prints its
//! port.
//!
//! mio is edge-triggered: an event comes only when readiness changes. So the server must
//! accept and read until `WouldBlock`, or it would wait for an edge that never comes. It
//! keeps unwritten bytes until the next writable event. There is no backpressure, no
//! deadline and no limit, and one busy connection can delay all others. Read `tcp_edge.rs`
//! next, which bounds the work for each connection.

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};

const LISTENER: Token = Token(usize::MAX);

struct Connection {
    stream: TcpStream,
    /// Bytes that were read and not written yet.
    unwritten: Vec<u8>,
}

/// Whether a connection is still open after an event.
enum Outcome {
    Open,
    Ended,
}

impl Connection {
    /// Serves an event.
    fn ready(&mut self, event: &Event, buffer: &mut [u8]) -> io::Result<Outcome> {
        if event.is_writable() {
            self.flush()?;
        }
        if event.is_readable() {
            return self.echo(buffer);
        }
        Ok(Outcome::Open)
    }

    /// Reads until the kernel has no more, and sends everything back.
    fn echo(&mut self, buffer: &mut [u8]) -> io::Result<Outcome> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(Outcome::Ended),
                Ok(count) => self.send(&buffer[..count])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Outcome::Open),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes bytes, after those that wait already. Keeps the rest.
    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.unwritten.is_empty() && !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unwritten.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.unwritten);
        self.send(&waiting)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    println!("{}", listener.local_addr()?.port());
    let registry = poll.registry().try_clone()?;
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections = Slab::new();
    let mut events = Events::with_capacity(256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                loop {
                    let mut stream = match listener.accept() {
                        Ok((stream, _)) => stream,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error.into()),
                    };
                    let entry = connections.vacant_entry();
                    let both = Interest::READABLE | Interest::WRITABLE;
                    registry.register(&mut stream, Token(entry.key()), both)?;
                    entry.insert(Connection {
                        stream,
                        unwritten: Vec::new(),
                    });
                }
                continue;
            }
            let Some(connection) = connections.get_mut(event.token().0) else {
                continue;
            };
            let outcome = connection.ready(event, &mut buffer);
            if !matches!(outcome, Ok(Outcome::Open)) {
                connections.remove(event.token().0);
            }
        }
    }
}
