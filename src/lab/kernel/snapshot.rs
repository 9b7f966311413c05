//! A snapshot of a descriptor's file, for the microscope.

use super::channel::{Channel, PIPE_BUF, Pace};
use super::file::{Kind, SocketState};
use super::state::Kernel;
use super::trace::Call;
use super::watches::Watch;
use rustix::event::epoll::EventFlags;
use serde::Serialize;
use std::os::fd::RawFd;

/// A file of the simulated kernel, as the owner of a descriptor could see it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FileSnapshot {
    #[serde(flatten)]
    pub(crate) bytes: Bytes,
    /// How many bytes the channel that is written to, or the pipe, could still take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<usize>,
    /// How many clients wait to be accepted, on a listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clients: Option<usize>,
    /// No byte follows those that a read would find.
    pub(crate) ended: bool,
    /// The readiness of an edge that epoll has not told yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edge: Option<&'static str>,
}

/// The bytes that were written and not read.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Bytes {
    Pipe {
        bytes: usize,
    },
    Socket {
        #[serde(rename = "in")]
        incoming: usize,
        #[serde(rename = "out")]
        outgoing: usize,
    },
}

impl Kernel {
    /// The calls of the process since the last time.
    pub(crate) fn take_calls(&mut self) -> Vec<Call> {
        self.trace.take_unseen()
    }

    /// Whether two descriptors lead to one file.
    pub(crate) fn is_same_file(&self, one: RawFd, other: RawFd) -> bool {
        self.table.get(&one) == self.table.get(&other)
    }

    /// `None` for a descriptor that is not open.
    pub(crate) fn snapshot(&self, fd: RawFd) -> Option<FileSnapshot> {
        let id = *self.table.get(&fd)?;
        let file = &self.files[id.0];
        let incoming = file.incoming.map(|channel| &self.channels[channel.0]);
        let outgoing = file.outgoing.map(|channel| &self.channels[channel.0]);
        let visible = match &file.kind {
            Kind::Regular { unread, .. } => unread.len(),
            Kind::Pipe | Kind::Socket(_) => incoming.map_or(0, Channel::visible),
        };
        let unread = outgoing.map_or(0, Channel::unread);
        let has_edge = self.watches.get(fd).is_some_and(Watch::has_edge);
        let flags = self.readiness(id);
        let (reads, writes) = (EventFlags::IN, EventFlags::OUT);
        let word = match (flags.contains(reads), flags.contains(writes)) {
            (true, true) => "readable, writable",
            (true, false) => "readable",
            (false, true) => "writable",
            (false, false) => "none",
        };
        Some(FileSnapshot {
            bytes: if file.is_socket() {
                Bytes::Socket {
                    incoming: visible,
                    outgoing: unread,
                }
            } else {
                Bytes::Pipe {
                    bytes: visible + unread,
                }
            },
            room: outgoing.or(incoming).map(room),
            clients: match file.socket() {
                Some(SocketState::Listening(_, queue)) if !queue.is_empty() => Some(queue.len()),
                _ => None,
            },
            ended: incoming.is_some_and(|channel| channel.has_end_arrived),
            edge: has_edge.then_some(word),
        })
    }
}

/// A pipe has room for whole pages: less than one is none.
fn room(channel: &Channel) -> usize {
    match channel.pace() {
        Pace::Pipe if channel.room() < PIPE_BUF => 0,
        _ => channel.room(),
    }
}
