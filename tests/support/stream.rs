//! Bytes that arrive from a node, cut into lines.

use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// One of the node's outputs as we read it, without ever blocking.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Gone once the end was read.
    pub(crate) fd: Option<OwnedFd>,
    bytes: Vec<u8>,
    /// Where the first line that was not taken starts.
    start: usize,
    /// Up to where no newline was found.
    scanned: usize,
    /// The last lines taken, shortened, for the report of a failure.
    taken: VecDeque<String>,
}

impl Stream {
    pub(crate) fn new(fd: Option<OwnedFd>) -> Stream {
        if let Some(fd) = &fd {
            // Our end has a description of its own, so the node never sees this.
            rustix::io::ioctl_fionbio(fd, true).expect("our end becomes non-blocking");
        }
        Stream {
            fd,
            ..Stream::default()
        }
    }

    /// Reads once. Whether there was anything: bytes, or the end.
    pub(crate) fn fill(&mut self) -> bool {
        const CHUNK: usize = 64 * 1024;
        let Some(fd) = &self.fd else {
            return false;
        };
        let length = self.bytes.len();
        self.bytes.resize(length + CHUNK, 0);
        let result = rustix::io::read(fd, &mut self.bytes[length..]);
        self.bytes.truncate(length + result.unwrap_or(0));
        match result {
            Err(Errno::AGAIN | Errno::INTR) => return false,
            // A terminal says EIO once nobody holds its other side.
            Ok(0) | Err(Errno::IO | Errno::CONNRESET) => self.fd = None,
            Ok(_) => {}
            Err(errno) => panic!("reading from the node: {errno}"),
        }
        true
    }

    /// The next whole line that has arrived, without its newline.
    pub(crate) fn take_line(&mut self) -> Option<String> {
        let Some(at) = memchr::memchr(b'\n', &self.bytes[self.scanned..]) else {
            self.scanned = self.bytes.len();
            return None;
        };
        let end = self.scanned + at;
        let line = String::from_utf8_lossy(&self.bytes[self.start..end]).into_owned();
        self.start = end + 1;
        self.scanned = self.start;
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.taken.push_back(shorten(&line));
        if self.taken.len() > 5 {
            self.taken.pop_front();
        }
        Some(line)
    }

    /// Every line that has arrived and was not taken. Bytes after the last
    /// newline are a line too: none may be there, and a test must see it.
    pub(crate) fn take_all(&mut self) -> Vec<String> {
        let mut lines: Vec<String> = std::iter::from_fn(|| self.take_line()).collect();
        if self.start < self.bytes.len() {
            let rest = String::from_utf8_lossy(&self.bytes[self.start..]);
            lines.push(format!("{rest}<no newline>"));
        }
        lines
    }

    /// The last lines taken and what waits, for the report of a failure.
    pub(crate) fn story(&self) -> String {
        let mut story = String::new();
        for line in &self.taken {
            story += &format!("  {line}\n");
        }
        if self.start < self.bytes.len() {
            let waiting = String::from_utf8_lossy(&self.bytes[self.start..]);
            story += &format!("  (not taken) {}\n", shorten(&waiting));
        }
        story
    }
}

fn shorten(text: &str) -> String {
    const ENOUGH: usize = 400;
    match text.char_indices().nth(ENOUGH) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}
