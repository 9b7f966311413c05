//! An echo server that asks about all of its clients at once, with `poll`.

#![forbid(unsafe_code)]
// The starter does not use everything yet. Take this line out at the end.
#![allow(unused)]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// How many bytes one read takes at most.
pub const CHUNK_BYTES: usize = 4096;

pub struct Server {
    listener: TcpListener,
    clients: Vec<Client>,
}

struct Client {
    stream: TcpStream,
    /// Bytes that were read and that the kernel has not taken back yet.
    unsent: Vec<u8>,
}

/// Whether a client is kept.
enum Next {
    Keep,
    Close,
}

impl Server {
    pub fn new(listener: TcpListener) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        let clients = Vec::new();
        Ok(Server { listener, clients })
    }

    /// Waits until a client or the listener is ready, or for the timeout (`None`: for
    /// ever). Then it serves each one that is ready, once. Returns how many were ready.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        todo!(
            "serve the clients that are ready, close those that say so, accept if the listener is ready"
        )
    }

    /// Asks the kernel about the listener and all clients. One answer for each.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<PollFlags>> {
        todo!(
            "make one PollFd for the listener and one for each client, call poll, return the revents"
        )
    }

    fn accept(&mut self) -> io::Result<()> {
        let (stream, _address) = match self.listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            accepted => accepted?,
        };
        stream.set_nonblocking(true)?;
        let unsent = Vec::new();
        self.clients.push(Client { stream, unsent });
        Ok(())
    }

    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// How many bytes wait for clients that do not read.
    pub fn held_bytes(&self) -> usize {
        self.clients.iter().map(|client| client.unsent.len()).sum()
    }
}

impl Client {
    /// The one thing that the client waits for.
    fn interest(&self) -> PollFlags {
        todo!("IN to read, or OUT to write?")
    }

    /// One read, if nothing waits to be written. Then one write.
    fn serve(&mut self) -> Next {
        todo!("read and write without blocking; keep what the kernel does not take")
    }
}
