//! An echo server that tells the kernel about each client once, with edge-triggered
//! epoll.

#![forbid(unsafe_code)]

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{Errno, read, write};
use std::collections::HashMap;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// How many bytes one read takes at most.
pub const CHUNK_BYTES: usize = 4096;

/// How many events one call of `epoll_wait` brings at most.
const EVENTS_PER_CALL: usize = 64;

pub struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    /// By the number of their descriptor, which the kernel hands back with each event.
    clients: HashMap<u64, Client>,
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

/// The name of a source towards the kernel.
fn name(source: &impl AsRawFd) -> u64 {
    u64::try_from(source.as_raw_fd()).expect("a descriptor is not negative")
}

impl Server {
    pub fn new(listener: TcpListener) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(name(&listener)),
            flags,
        )?;
        let clients = HashMap::new();
        Ok(Server {
            epoll,
            listener,
            clients,
        })
    }

    /// Waits for edges, or for the timeout (`None`: for ever). Then it serves each
    /// source that had one, until it runs dry. Returns how many there were.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let events = self.wait(timeout)?;
        for event in &events {
            let name = event.data.u64();
            match self.clients.get_mut(&name).map(Client::serve) {
                Some(Next::Keep) => {}
                Some(Next::Close) => _ = self.clients.remove(&name),
                None => self.accept()?,
            }
        }
        Ok(events.len())
    }

    /// Asks the kernel which sources have changed.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<Event>> {
        let mut events = Vec::with_capacity(EVENTS_PER_CALL);
        let timeout = timeout.map(|time| Timespec::try_from(time).expect("a short time"));
        epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref())?;
        Ok(events)
    }

    /// Accepts until no client is left in the queue.
    fn accept(&mut self) -> io::Result<()> {
        loop {
            let (stream, _address) = match self.listener.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                accepted => accepted?,
            };
            stream.set_nonblocking(true)?;
            let name = name(&stream);
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&self.epoll, &stream, EventData::new_u64(name), flags)?;
            let unsent = Vec::new();
            self.clients.insert(name, Client { stream, unsent });
        }
    }

    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// How many bytes wait for clients that do not read.
    pub fn held_bytes(&self) -> usize {
        self.clients
            .values()
            .map(|client| client.unsent.len())
            .sum()
    }
}

impl Client {
    /// Reads and writes until the kernel says `EAGAIN` to the call that comes next.
    fn serve(&mut self) -> Next {
        loop {
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
                Err(Errno::AGAIN) => return Next::Keep,
                Err(_) => return Next::Close,
            }
        }
    }
}
