//! An echo server that does a bounded amount of work for each client in a turn.

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

/// How many reads, and how many writes, a client gets in a turn.
pub const CALLS_PER_TURN: usize = 4;

/// How many events one call of `epoll_wait` brings at most.
const EVENTS_PER_CALL: usize = 64;

pub struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    /// By the number of their descriptor, which the kernel hands back with each event.
    clients: HashMap<u64, Client>,
    /// Clients that have work left although no edge will tell of it.
    carried: Vec<u64>,
}

struct Client {
    stream: TcpStream,
    /// Bytes that were read and that the kernel has not taken back yet.
    unsent: Vec<u8>,
    /// An edge said so, and no call has said `EAGAIN` since.
    readable: bool,
    writable: bool,
    /// It stands in the queue or in the carry-over list.
    is_queued: bool,
}

/// The next thing that happens to a client.
enum Next {
    /// It is served after its next edge.
    Wait,
    /// It is served in the next turn, without an edge.
    CarryOver,
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
        // Level-triggered: each event is answered with one `accept`.
        let flags = EventFlags::IN;
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
            carried: Vec::new(),
        })
    }

    /// Waits for edges, or for the timeout (`None`: for ever). Then it serves each
    /// client that had one or was carried over, once. Returns how many edges and carried
    /// clients there were.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let events = self.wait(self.timeout(timeout))?;
        let mut queue = std::mem::take(&mut self.carried);
        let count = events.len() + queue.len();
        for event in &events {
            let name = event.data.u64();
            match self.clients.get_mut(&name) {
                Some(client) => {
                    client.note(event.flags);
                    if !std::mem::replace(&mut client.is_queued, true) {
                        queue.push(name);
                    }
                }
                None => self.accept()?,
            }
        }
        for &name in &queue {
            self.serve(name);
        }
        Ok(count)
    }

    /// Serves a client, and does what it answers.
    fn serve(&mut self, name: u64) {
        let client = self.clients.get_mut(&name).expect("it is in the queue");
        client.is_queued = false;
        match client.serve() {
            Next::Wait => {}
            Next::CarryOver => {
                client.is_queued = true;
                self.carried.push(name);
            }
            Next::Close => _ = self.clients.remove(&name),
        }
    }

    /// How long the next wait may take, if `timeout` is wished.
    pub fn timeout(&self, timeout: Option<Duration>) -> Option<Duration> {
        match self.carried.is_empty() {
            true => timeout,
            false => Some(Duration::ZERO),
        }
    }

    /// Asks the kernel which sources have changed.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<Event>> {
        let mut events = Vec::with_capacity(EVENTS_PER_CALL);
        let timeout = timeout.map(|time| Timespec::try_from(time).expect("a short time"));
        epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref())?;
        Ok(events)
    }

    /// Accepts one client.
    fn accept(&mut self) -> io::Result<()> {
        let (stream, _address) = match self.listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            accepted => accepted?,
        };
        stream.set_nonblocking(true)?;
        let name = name(&stream);
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        epoll::add(&self.epoll, &stream, EventData::new_u64(name), flags)?;
        self.clients.insert(name, Client::new(stream));
        Ok(())
    }

    /// How many clients are carried over to the next turn.
    pub fn carried(&self) -> usize {
        self.carried.len()
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
    fn new(stream: TcpStream) -> Client {
        Client {
            stream,
            unsent: Vec::new(),
            readable: false,
            writable: false,
            is_queued: false,
        }
    }

    /// Remembers an edge. After an error or a hang-up, the next call tells more.
    fn note(&mut self, flags: EventFlags) {
        let broken = EventFlags::ERR | EventFlags::HUP;
        self.readable |= flags.intersects(EventFlags::IN | broken);
        self.writable |= flags.intersects(EventFlags::OUT | broken);
    }

    /// Makes a bounded number of calls. Only `EAGAIN` clears a flag.
    fn serve(&mut self) -> Next {
        for _ in 0..CALLS_PER_TURN {
            if self.unsent.is_empty() && self.readable {
                let mut chunk = [0; CHUNK_BYTES];
                match read(&self.stream, &mut chunk) {
                    Ok(0) => return Next::Close,
                    Ok(count) => self.unsent.extend_from_slice(&chunk[..count]),
                    Err(Errno::AGAIN) => self.readable = false,
                    Err(_) => return Next::Close,
                }
            }
            if !self.unsent.is_empty() && self.writable {
                match write(&self.stream, &self.unsent) {
                    Ok(count) => _ = self.unsent.drain(..count),
                    Err(Errno::AGAIN) => self.writable = false,
                    Err(_) => return Next::Close,
                }
            }
        }
        // The flag for the call that comes next.
        let has_work = match self.unsent.is_empty() {
            true => self.readable,
            false => self.writable,
        };
        match has_work {
            true => Next::CarryOver,
            false => Next::Wait,
        }
    }
}
