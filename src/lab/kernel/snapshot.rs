//! A snapshot of a descriptor's file, for the microscope.

use super::state::Kernel;
use rustix::event::epoll::EventFlags;
use serde::Serialize;
use std::os::fd::RawFd;

/// A file of the simulated kernel, as the owner of a descriptor could see it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FileSnapshot {
    /// Bytes that a read would find.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub(crate) incoming: Option<usize>,
    /// Bytes that a write could put.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<usize>,
    /// No byte follows those that a read would find.
    pub(crate) ended: bool,
    /// The readiness of an edge that epoll has not told yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edge: Option<&'static str>,
}

impl Kernel {
    /// `None` for a descriptor that is not open.
    pub(crate) fn snapshot(&self, fd: RawFd) -> Option<FileSnapshot> {
        let id = *self.table.get(&fd)?;
        let file = &self.files[id.0];
        let incoming = file.incoming.map(|channel| &self.channels[channel.0]);
        let outgoing = file.outgoing.map(|channel| &self.channels[channel.0]);
        let has_edge = self
            .watches
            .get(fd)
            .is_some_and(super::watches::Watch::has_edge);
        let flags = self.readiness(id);
        let word = match (
            flags.contains(EventFlags::IN),
            flags.contains(EventFlags::OUT),
        ) {
            (true, true) => "readable, writable",
            (true, false) => "readable",
            (false, true) => "writable",
            (false, false) => "none",
        };
        Some(FileSnapshot {
            incoming: incoming.map(super::channel::Channel::visible),
            room: outgoing.map(super::channel::Channel::room),
            ended: incoming.is_some_and(|channel| channel.has_end_arrived),
            edge: has_edge.then_some(word),
        })
    }
}
