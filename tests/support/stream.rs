//! The output of a node, split into lines.

use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// One of the node's outputs, read without blocking.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// `None` after the end of file.
    pub(crate) fd: Option<OwnedFd>,
    bytes: Vec<u8>,
    /// The start of the first line that was not taken.
    start: usize,
    /// There is no newline between `start` and this index.
    scanned: usize,
    /// The last lines taken, shortened, for the message of a failed test.
    taken: VecDeque<String>,
}

impl Stream {
    pub(crate) fn new(fd: Option<OwnedFd>) -> Stream {
        if let Some(fd) = &fd {
            // Our end has its own open file description, so the node is not affected.
            rustix::io::ioctl_fionbio(fd, true).expect("our end becomes non-blocking");
        }
        Stream {
            fd,
            ..Stream::default()
        }
    }

    /// Reads once. Returns whether the read returned bytes or the end of file.
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
            // A terminal's read fails with EIO after its other side was closed.
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

    /// All lines that were not taken. Bytes after the last newline are marked, so that
    /// a test fails on them.
    pub(crate) fn take_all(&mut self) -> Vec<String> {
        let mut lines: Vec<String> = std::iter::from_fn(|| self.take_line()).collect();
        if self.start < self.bytes.len() {
            let rest = String::from_utf8_lossy(&self.bytes[self.start..]);
            lines.push(format!("{rest}<no newline>"));
        }
        lines
    }

    /// The last lines taken and the waiting bytes, for the message of a failed test.
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
