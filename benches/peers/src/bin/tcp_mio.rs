//! mio alone, in the shape of its own `tcp_server` example: accept and read
//! until the kernel would block, write when it can take more. A slab of
//! connections, no backpressure, no deadlines, no limits. Prints its port.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};

const LISTENER: Token = Token(usize::MAX);

struct Connection {
    stream: TcpStream,
    /// What was read and could not be written yet.
    unwritten: Vec<u8>,
}

impl Connection {
    /// Echoes all there is. False when the connection has ended.
    fn echo(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => self.send(&buffer[..count])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes behind what waits already.
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
            let mut open = Ok(true);
            if event.is_writable() {
                open = connection.flush().map(|()| true);
            }
            if event.is_readable() && matches!(open, Ok(true)) {
                open = connection.echo(&mut buffer);
            }
            if !matches!(open, Ok(true)) {
                connections.remove(event.token().0);
            }
        }
    }
}
