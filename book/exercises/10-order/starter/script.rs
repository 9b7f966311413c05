//! A kernel that follows a script. Its time passes only in waits, reads and pauses.

use crate::{Edges, Kernel};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// How long a read takes.
pub const READ_TIME: Duration = Duration::from_micros(10);

#[derive(Default)]
pub struct Script {
    now: Duration,
    /// Input that has still to arrive, with its time.
    coming: VecDeque<(Duration, Vec<u8>)>,
    pipe: VecDeque<u8>,
    /// Input has arrived, and no wait has told.
    has_edge: bool,
    /// The process is stopped for this long at the end of its first wait that brings
    /// nothing.
    pub pause: Option<Duration>,
    /// Each wait takes this much longer than it was asked to.
    pub delay: Duration,
    /// The times at which something was written, and the bytes.
    pub written: Vec<(Duration, String)>,
    pub waits: usize,
    /// A wait had nothing to wait for.
    pub is_over: bool,
}

impl Script {
    /// Lines that arrive at the given milliseconds, in this order.
    pub fn new(lines: &[(u64, &str)]) -> Script {
        let coming = lines
            .iter()
            .map(|(at, line)| (Duration::from_millis(*at), format!("{line}\n").into_bytes()));
        Script {
            coming: coming.collect(),
            ..Script::default()
        }
    }

    /// All that was written.
    pub fn said(&self) -> String {
        self.written.iter().map(|(_, text)| text.as_str()).collect()
    }

    fn arrive(&mut self) {
        while self.coming.front().is_some_and(|(at, _)| *at <= self.now) {
            self.pipe.extend(self.coming.pop_front().into_iter().flat_map(|(_, bytes)| bytes));
            self.has_edge = true;
        }
    }
}

impl Kernel for Script {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Edges> {
        self.waits += 1;
        self.arrive();
        if !self.has_edge {
            let end = timeout.map(|timeout| self.now + timeout);
            let next = self.coming.front().map(|(at, _)| *at);
            match (next, end) {
                (Some(next), Some(end)) => self.now = next.min(end),
                (Some(at), None) | (None, Some(at)) => self.now = at,
                (None, None) => self.is_over = true,
            }
            self.now += self.delay;
            self.arrive();
        }
        let readable = std::mem::take(&mut self.has_edge);
        if !readable && let Some(pause) = self.pause.take() {
            self.now += pause;
            self.arrive();
        }
        Ok(Edges {
            readable,
            writable: false,
        })
    }

    fn now(&mut self) -> Duration {
        self.now
    }

    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        self.now += READ_TIME;
        let count = chunk.len().min(self.pipe.len());
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (place, byte) in chunk.iter_mut().zip(self.pipe.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.written.push((self.now, text));
        Ok(bytes.len())
    }
}
