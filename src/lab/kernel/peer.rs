//! The other side: what actors do with their ends of the pipes and connections.

use super::channel::Pace;
use super::sockets::Standing;
use super::state::{ActorId, FileId, Kernel, Kind};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::RawFd;

/// As much as a pipe holds on Linux.
const PIPE_BYTES: usize = 64 << 10;

/// What a standard stream can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Pipe,
    /// A pipe whose description blocks, since it could not be reopened.
    GatedPipe,
    Socket,
    /// A regular file: epoll refuses it.
    File,
}

/// What an actor's read brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    Bytes(Vec<u8>),
    Nothing,
    End,
    Reset,
}

impl Kernel {
    /// A stream into the process: its descriptor, and the actor's end.
    pub(crate) fn stream_in(&mut self, shape: Shape, owner: ActorId) -> (RawFd, FileId) {
        let [theirs, ours] = self.stream(shape, owner, true);
        (self.open_standard(ours), theirs)
    }

    /// A stream out of the process: its descriptor, and the actor's end.
    pub(crate) fn stream_out(&mut self, shape: Shape, owner: ActorId) -> (RawFd, FileId) {
        let [ours, theirs] = self.stream(shape, owner, false);
        (self.open_standard(ours), theirs)
    }

    /// pipe(2), with both ends in the process: (read end, write end).
    #[cfg(test)]
    pub(crate) fn pipe(&mut self) -> (RawFd, RawFd) {
        let from = self.add_file(Kind::Pipe, None);
        let to = self.add_file(Kind::Pipe, None);
        self.add_channel(Pace::Pipe, PIPE_BYTES, from, to);
        (self.open_standard(to), self.open_standard(from))
    }

    /// A second descriptor for what another leads to.
    pub(crate) fn duplicate(&mut self, fd: RawFd) -> RawFd {
        let file = self.table[&fd];
        self.open_standard(file)
    }

    fn open_standard(&mut self, file: FileId) -> RawFd {
        self.open(file).unwrap_or(-1)
    }

    fn stream(&mut self, shape: Shape, owner: ActorId, inwards: bool) -> [FileId; 2] {
        let (from, to) = match inwards {
            true => (Some(owner), None),
            false => (None, Some(owner)),
        };
        match shape {
            Shape::Socket => self.socket_pair(from, to),
            Shape::Pipe | Shape::GatedPipe => {
                let from = self.add_file(Kind::Pipe, from);
                let to = self.add_file(Kind::Pipe, to);
                self.add_channel(Pace::Pipe, PIPE_BYTES, from, to);
                let ours = if inwards { to } else { from };
                self.files[ours.0].blocks = shape == Shape::GatedPipe;
                [from, to]
            }
            Shape::File => {
                let file = Kind::Regular(VecDeque::new(), Vec::new());
                let file = self.add_file(file, None);
                [file, file]
            }
        }
    }

    /// Writes as much as there is room for.
    pub(crate) fn peer_write(&mut self, file: FileId, bytes: &[u8]) -> Result<usize, Errno> {
        if let Kind::Regular(content, _) = &mut self.files[file.0].kind {
            content.extend(bytes);
            return Ok(bytes.len());
        }
        self.put(file, bytes)
    }

    /// Reads what has arrived.
    pub(crate) fn peer_read(&mut self, file: FileId, most: usize) -> Received {
        if let Kind::Regular(_, written) = &mut self.files[file.0].kind {
            let taken: Vec<u8> = written.drain(..written.len().min(most)).collect();
            return match taken.is_empty() {
                true => Received::Nothing,
                false => Received::Bytes(taken),
            };
        }
        let incoming = self.files[file.0].incoming;
        let visible = incoming.map_or(0, |channel| self.channels[channel].visible());
        let mut buffer = vec![0; most.min(visible)];
        match self.take(file, &mut buffer) {
            Ok(0) => Received::End,
            Ok(count) => {
                buffer.truncate(count);
                Received::Bytes(buffer)
            }
            Err(Errno::AGAIN) => Received::Nothing,
            Err(_) => Received::Reset,
        }
    }

    /// Starts a connection to the process.
    pub(crate) fn peer_connect(&mut self, port: u16, owner: ActorId) -> FileId {
        let file = self.add_file(Kind::Socket(Standing::Fresh(0)), Some(owner));
        self.start_to_connect(file, port);
        file
    }

    /// `None` while a connection is under way; then whether it stands.
    pub(crate) fn peer_is_connected(&self, file: FileId) -> Option<bool> {
        match self.standing(file) {
            Some(Standing::Connecting) => None,
            standing => Some(standing == Some(Standing::Connected)),
        }
    }

    /// Half-closes.
    pub(crate) fn peer_end(&mut self, file: FileId) {
        self.end(file);
    }

    pub(crate) fn peer_close(&mut self, file: FileId) {
        self.release(file);
    }

    /// Goes with a reset.
    pub(crate) fn peer_reset(&mut self, file: FileId) {
        self.reset_peer(file);
        self.release(file);
    }
}
