//! Measures how long one request waits while other clients send as fast as possible.
//!
//! One thread makes the load and sends the measured requests in between. The node has a
//! processor of its own, because two threads on one processor would delay each other. The
//! work of the load between two checks for the reply (at most [`EVENTS`] round trips, or a
//! pipe full of lines) is part of the measured time.

use crate::message::{self, SHORT};
use crate::node::{Node, pin};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::{Errno, ioctl_fionbio, read, write};
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// The node's processor.
const NODE_CPU: usize = 0;

/// The load's processor.
const LOAD_CPU: usize = 1;

/// The most connections that the load serves between two checks for the reply.
const EVENTS: usize = 32;

/// The time between a reply and the next measured request.
const PAUSE: Duration = Duration::from_micros(500);

const START: &[u8] = b"{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"tcp_echo_start\",\"msg_id\":2,\"port\":0}}\n";

/// The result of a run.
pub struct Waits {
    /// The times from request to reply, sorted.
    pub waits: Vec<Duration>,
    /// The load's own round trips, or lines, in a second.
    pub per_second: f64,
}

impl Waits {
    /// The wait that this share of all waits does not exceed, in milliseconds.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let index = (self.waits.len() as f64 * share) as usize;
        let wait = self.waits[index.min(self.waits.len() - 1)];
        wait.as_secs_f64() * 1e3
    }
}

/// The client whose requests are measured.
struct Asker {
    line: Vec<u8>,
    is_waiting: bool,
    /// The time of the last request, or of its reply.
    asked: Instant,
    waits: Vec<Duration>,
}

impl Asker {
    fn new(line: Vec<u8>) -> Asker {
        Asker {
            line,
            is_waiting: false,
            asked: Instant::now(),
            waits: Vec::new(),
        }
    }

    /// Sends the next request, if it is due.
    fn ask(&mut self, fd: impl AsFd) -> Result<(), Box<dyn Error>> {
        if self.is_waiting || self.asked.elapsed() < PAUSE {
            return Ok(());
        }
        self.asked = Instant::now();
        self.is_waiting = true;
        if write(fd, &self.line)? < self.line.len() {
            return Err("the pipe or socket has no room for a request".into());
        }
        Ok(())
    }

    /// Records the reply.
    fn answered(&mut self) {
        self.waits.push(self.asked.elapsed());
        self.asked = Instant::now();
        self.is_waiting = false;
    }

    fn end(mut self, load: u64, elapsed: Duration) -> Result<Waits, Box<dyn Error>> {
        if self.waits.is_empty() {
            return Err("there was no reply".into());
        }
        self.waits.sort();
        Ok(Waits {
            waits: self.waits,
            per_second: load as f64 / elapsed.as_secs_f64(),
        })
    }
}

/// Starts a node with TCP echo on its processor, and moves this thread to the other one.
/// Returns the node and its port.
fn start(program: &str) -> Result<(Node, u16), Box<dyn Error>> {
    pin(0, LOAD_CPU)?;
    let mut node = Node::start(program, Some(NODE_CPU))?;
    node.write(START)?;
    let mut reply = Vec::new();
    while !reply.ends_with(b"\n") {
        let mut byte = [0];
        node.stdout.read_exact(&mut byte)?;
        reply.extend(byte);
    }
    let reply = String::from_utf8(reply)?;
    let (_, port) = reply.rsplit_once("\"port\":").ok_or("no port")?;
    let port = port.trim_end().trim_end_matches('}').parse()?;
    Ok((node, port))
}

/// Reads once. Returns 0 if there is no data.
fn read_some(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize, Box<dyn Error>> {
    match read(fd, buffer) {
        Ok(0) => Err("the node ended".into()),
        Ok(count) => Ok(count),
        Err(Errno::AGAIN) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

/// Measures an echo on stdin while all connections send `payload` bytes and send every
/// echo again.
pub fn stdin_in_a_crowd(
    program: &str,
    connections: usize,
    payload: usize,
    length: Duration,
) -> Result<Waits, Box<dyn Error>> {
    let (mut node, port) = start(program)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut streams = Vec::new();
    for index in 0..connections {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        // Wait for an echo before the next connection, so that none waits in the queue.
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        stream.set_nonblocking(true)?;
        let data = EventData::new_u64(index as u64);
        epoll::add(&poll, &stream, data, EventFlags::IN)?;
        streams.push(stream);
    }
    let mut asker = Asker::new(message::line(SHORT));
    let stdin: OwnedFd = node.stdin.take().ok_or("no pipe")?.into();
    ioctl_fionbio(&node.stdout, true)?;
    let block = vec![b'x'; payload];
    for stream in &streams {
        if write(stream, &block)? < payload {
            return Err("a connection has no room for the payload".into());
        }
    }
    let mut buffer = vec![0; payload.max(64 << 10)];
    let mut events = Vec::with_capacity(EVENTS);
    let mut round_trips = 0;
    let begun = Instant::now();
    while begun.elapsed() < length {
        asker.ask(&stdin)?;
        events.clear();
        let at_once = rustix::event::Timespec::default();
        epoll::wait(
            &poll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&at_once),
        )?;
        for event in &events {
            let stream = &streams[usize::try_from(event.data.u64())?];
            let count = read_some(stream, &mut buffer)?;
            let written = write(stream, &buffer[..count])?;
            if written < count {
                return Err("a connection has no room for its echo".into());
            }
            round_trips += 1;
        }
        let count = read_some(&node.stdout, &mut buffer)?;
        if buffer[..count].ends_with(b"\n") {
            asker.answered();
        }
    }
    let waits = asker.end(round_trips, begun.elapsed());
    node.end()?;
    waits
}

/// Measures an echo over TCP while stdin gets lines as fast as the node reads them.
pub fn tcp_in_a_flood(program: &str, length: Duration) -> Result<Waits, Box<dyn Error>> {
    let (mut node, port) = start(program)?;
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let stdin: OwnedFd = node.stdin.take().ok_or("no pipe")?.into();
    ioctl_fionbio(&stdin, true)?;
    ioctl_fionbio(&node.stdout, true)?;
    let line = message::line(SHORT);
    let block = line.repeat((64 << 10) / line.len());
    let mut sent = 0;
    let mut asker = Asker::new(vec![b'x'; 64]);
    let mut buffer = vec![0; 64 << 10];
    let mut lines = 0;
    let begun = Instant::now();
    while begun.elapsed() < length {
        asker.ask(&stream)?;
        match write(&stdin, &block[sent..]) {
            Ok(count) => sent = (sent + count) % block.len(),
            Err(Errno::AGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        let count = read_some(&node.stdout, &mut buffer)?;
        lines += memchr::memchr_iter(b'\n', &buffer[..count]).count() as u64;
        let count = read_some(&stream, &mut buffer)?;
        if count > 0 {
            asker.answered();
        }
    }
    let waits = asker.end(lines, begun.elapsed());
    node.end()?;
    waits
}
