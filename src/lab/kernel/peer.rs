//! The other side: how actors make, use and close their ends of pipes and
//! connections. None of these calls has faults.

use super::channel::Pace;
use super::file::{ActorId, FileId, Kind, SocketState};
use super::state::Kernel;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::RawFd;

/// The capacity of a pipe on Linux.
const PIPE_BYTES: usize = 64 << 10;

/// The kinds of file that a standard stream of the process can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Pipe,
    /// A pipe in blocking mode, since it could not be reopened.
    GatedPipe,
    Socket,
    /// A regular file: epoll refuses it.
    File,
}

/// The result of an actor's read.
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
        let [writer, reader] = self.stream(shape, Some(owner), None);
        self.files[reader.0].blocks = shape == Shape::GatedPipe;
        (self.open_or_invalid(reader), writer)
    }

    /// A stream out of the process: its descriptor, and the actor's end.
    pub(crate) fn stream_out(&mut self, shape: Shape, owner: ActorId) -> (RawFd, FileId) {
        let [writer, reader] = self.stream(shape, None, Some(owner));
        self.files[writer.0].blocks = shape == Shape::GatedPipe;
        (self.open_or_invalid(writer), reader)
    }

    /// pipe(2), with both ends in the process: read end, write end.
    #[cfg(test)]
    pub(crate) fn pipe(&mut self) -> (RawFd, RawFd) {
        let [writer, reader] = self.stream(Shape::Pipe, None, None);
        (self.open_or_invalid(reader), self.open_or_invalid(writer))
    }

    /// A second descriptor for the file of another.
    pub(crate) fn duplicate(&mut self, fd: RawFd) -> RawFd {
        let file = self.table[&fd];
        self.open_or_invalid(file)
    }

    /// Whether O_NONBLOCK is not set at the file of a descriptor.
    #[cfg(any(test, feature = "microscope"))]
    pub(crate) fn blocks(&self, fd: RawFd) -> bool {
        self.table
            .get(&fd)
            .is_some_and(|file| self.files[file.0].blocks)
    }

    fn open_or_invalid(&mut self, file: FileId) -> RawFd {
        self.open(file).unwrap_or(-1)
    }

    /// [writer, reader]: the two ends of a stream and their owners. Both are the
    /// same file if it is a regular one.
    fn stream(
        &mut self,
        shape: Shape,
        writer: Option<ActorId>,
        reader: Option<ActorId>,
    ) -> [FileId; 2] {
        match shape {
            Shape::Socket => self.socket_pair(writer, reader),
            Shape::Pipe | Shape::GatedPipe => {
                let writer = self.add_file(Kind::Pipe, writer);
                let reader = self.add_file(Kind::Pipe, reader);
                self.add_channel(Pace::Pipe, PIPE_BYTES, writer, reader);
                [writer, reader]
            }
            Shape::File => {
                let kind = Kind::Regular {
                    unread: VecDeque::new(),
                    written: Vec::new(),
                };
                let file = self.add_file(kind, None);
                [file, file]
            }
        }
    }

    /// Writes as much as there is room for.
    pub(crate) fn peer_write(&mut self, file: FileId, bytes: &[u8]) -> Result<usize, Errno> {
        if let Kind::Regular { unread, .. } = &mut self.files[file.0].kind {
            unread.extend(bytes);
            return Ok(bytes.len());
        }
        self.put_bytes(file, bytes)
    }

    /// Reads at most `most` bytes that have arrived.
    pub(crate) fn peer_read(&mut self, file: FileId, most: usize) -> Received {
        if let Kind::Regular { written, .. } = &mut self.files[file.0].kind {
            let taken: Vec<u8> = written.drain(..written.len().min(most)).collect();
            return if taken.is_empty() {
                Received::Nothing
            } else {
                Received::Bytes(taken)
            };
        }
        let incoming = self.files[file.0].incoming;
        let visible = incoming.map_or(0, |channel| self.channels[channel.0].visible());
        let mut buffer = vec![0; most.min(visible)];
        match self.take_bytes(file, &mut buffer) {
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
        let kind = Kind::Socket(SocketState::Unconnected(0));
        let file = self.add_file(kind, Some(owner));
        self.start_to_connect(file, port);
        file
    }

    /// Whether a connection was made; `None` while it is under way.
    pub(crate) fn peer_is_connected(&self, file: FileId) -> Option<bool> {
        match self.files[file.0].socket() {
            Some(SocketState::Connecting) => None,
            state => Some(state == Some(&SocketState::Connected)),
        }
    }

    /// A listener for the process to connect to.
    #[cfg(test)]
    pub(crate) fn peer_listen(&mut self, port: u16, owner: ActorId) -> FileId {
        let kind = Kind::Socket(SocketState::Listening(port, VecDeque::new()));
        let file = self.add_file(kind, Some(owner));
        self.ports.insert(port, file);
        file
    }

    /// The next connection that the process has made to a listener.
    #[cfg(test)]
    pub(crate) fn peer_accept(&mut self, listener: FileId) -> Option<FileId> {
        match &mut self.files[listener.0].kind {
            Kind::Socket(SocketState::Listening(_, queue)) => queue.pop_front(),
            _ => None,
        }
    }

    /// Half-closes.
    pub(crate) fn peer_end(&mut self, file: FileId) {
        self.end_output(file);
    }

    pub(crate) fn peer_close(&mut self, file: FileId) {
        self.close_file(file);
    }

    /// Closes with a reset.
    pub(crate) fn peer_reset(&mut self, file: FileId) {
        self.reset_peer(file);
        self.close_file(file);
    }
}
