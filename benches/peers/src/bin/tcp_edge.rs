//! The smallest edge-triggered loop that is fair: `tcp_epoll` with a bound for
//! each source, sticky flags and a carry-over list. Prints its port.
//!
//! The kernel reports an edge once. A turn reads and writes at most once for
//! each connection, so input often remains, and no second edge announces it.
//! Therefore each connection keeps the flags `readable` and `writable`: an edge
//! sets them, and here only `EAGAIN` clears them. A connection with work left goes into
//! the carry-over list. While that list is not empty, the loop does not wait.
//!
//! Not here: deadlines, limits, and generations. An event for a closed
//! connection can reach the next connection with the same descriptor number.
//! `src/reactor/` begins with that.

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

const LISTENER: u64 = 0;
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

struct Connection {
    stream: TcpStream,
    readable: bool,
    writable: bool,
    /// Bytes that were read and not yet written. While there are some, the
    /// connection does not read: that is backpressure.
    unwritten: Vec<u8>,
    /// The connection stands in this turn's queue already.
    queued: bool,
}

/// The answer of a connection that was served.
enum Next {
    WaitForEdge,
    CarryOver,
    Close,
}

impl Connection {
    /// At most one read and one write, so that no client delays the others.
    fn serve(&mut self, buffer: &mut [u8]) -> Next {
        if self.unwritten.is_empty() && self.readable {
            match rustix::io::read(&self.stream, &mut *buffer) {
                Ok(0) => return Next::Close,
                Ok(count) => self.unwritten.extend_from_slice(&buffer[..count]),
                Err(Errno::AGAIN) => self.readable = false,
                Err(_) => return Next::Close,
            }
        }
        if !self.unwritten.is_empty() && self.writable {
            match rustix::io::write(&self.stream, &self.unwritten) {
                Ok(count) => _ = self.unwritten.drain(..count),
                Err(Errno::AGAIN) => self.writable = false,
                Err(_) => return Next::Close,
            }
        }
        let needed = if self.unwritten.is_empty() {
            self.readable
        } else {
            self.writable
        };
        if needed {
            Next::CarryOver
        } else {
            Next::WaitForEdge
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    // The listener stays level-triggered: one accept for each event.
    epoll::add(
        &poll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    let mut carried: Vec<u64> = Vec::new();
    let mut events = Vec::with_capacity(256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        events.clear();
        let timeout = (!carried.is_empty()).then_some(&AT_ONCE);
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), timeout)?;
        let mut queue = std::mem::take(&mut carried);
        for event in &events {
            let id = event.data.u64();
            if id == LISTENER {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                let id = u64::try_from(stream.as_raw_fd())?;
                let both = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
                epoll::add(&poll, &stream, EventData::new_u64(id), both)?;
                let connection = Connection {
                    stream,
                    readable: false,
                    writable: false,
                    unwritten: Vec::new(),
                    queued: false,
                };
                connections.insert(id, connection);
                continue;
            }
            let Some(connection) = connections.get_mut(&id) else {
                continue;
            };
            // Errors and hang-ups set both flags: the next call reports them.
            let flags = event.flags;
            let failed = EventFlags::ERR | EventFlags::HUP;
            let incoming = EventFlags::IN | EventFlags::RDHUP | failed;
            connection.readable |= flags.intersects(incoming);
            connection.writable |= flags.intersects(EventFlags::OUT | failed);
            if !std::mem::replace(&mut connection.queued, true) {
                queue.push(id);
            }
        }
        for id in queue {
            let Some(connection) = connections.get_mut(&id) else {
                continue;
            };
            connection.queued = false;
            match connection.serve(&mut buffer) {
                Next::WaitForEdge => {}
                Next::CarryOver => {
                    connection.queued = true;
                    carried.push(id);
                }
                Next::Close => _ = connections.remove(&id),
            }
        }
    }
}
