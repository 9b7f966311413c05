//! An echo server that asks about all of its clients at once, with `poll`.

#![forbid(unsafe_code)]

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
        let flags = self.wait(timeout)?;
        let count = flags.iter().filter(|flags| !flags.is_empty()).count();
        let mut ready = flags.into_iter();
        let is_listener_ready = ready.next().is_some_and(|flags| !flags.is_empty());
        // The answers stand in the order of the questions.
        self.clients
            .retain_mut(|client| match ready.next().unwrap_or(PollFlags::empty()) {
                flags if flags.is_empty() => true,
                _ => matches!(client.serve(), Next::Keep),
            });
        if is_listener_ready {
            self.accept()?;
        }
        Ok(count)
    }

    /// Asks the kernel about the listener and all clients. One answer for each.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<PollFlags>> {
        let mut questions = vec![PollFd::new(&self.listener, PollFlags::IN)];
        for client in &self.clients {
            questions.push(PollFd::new(&client.stream, client.interest()));
        }
        let timeout = timeout.map(|time| Timespec::try_from(time).expect("a short time"));
        poll(&mut questions, timeout.as_ref())?;
        Ok(questions.iter().map(PollFd::revents).collect())
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
        match self.unsent.is_empty() {
            true => PollFlags::IN,
            false => PollFlags::OUT,
        }
    }

    /// One read, if nothing waits to be written. Then one write.
    fn serve(&mut self) -> Next {
        if self.unsent.is_empty() {
            let mut chunk = [0; CHUNK_BYTES];
            match read(&self.stream, &mut chunk) {
                Ok(0) => return Next::Close,
                Ok(count) => self.unsent.extend_from_slice(&chunk[..count]),
                Err(Errno::AGAIN) => return Next::Keep,
                Err(_) => return Next::Close,
            }
        }
        match write(&self.stream, &self.unsent) {
            Ok(count) => _ = self.unsent.drain(..count),
            Err(Errno::AGAIN) => {}
            Err(_) => return Next::Close,
        }
        Next::Keep
    }
}
