//! Readiness: the flags that poll(2) and epoll report for each kind of file.
//!
//! ```text
//!   file                     flags
//!   -----------------------  -------------------------------------------------------
//!   regular file             IN OUT
//!   read end of a pipe       IN: bytes are visible      HUP: the writer has closed
//!   write end of a pipe      OUT: a page is free        ERR: the reader has closed
//!   socket, unconnected      OUT HUP
//!   socket, listening        IN: a connection waits
//!   socket, connecting       none
//!   socket, connected        IN: bytes or their end     RDHUP: the peer has ended
//!                            OUT: a third is free       HUP: both sides have ended
//!   socket, reset            IN OUT RDHUP HUP           ERR: SO_ERROR is not taken yet
//! ```
//!
//! Two facts surprise a reader of the manual pages. An empty pipe whose writer has
//! closed reports HUP and no IN, although a read would return 0. An unconnected
//! socket reports OUT and HUP. `tests.rs` checks both on the real kernel too.

use super::file::{FileId, Kind, SocketState};
use super::state::Kernel;
use rustix::event::epoll::EventFlags;

impl Kernel {
    pub(super) fn readiness(&self, id: FileId) -> EventFlags {
        let file = &self.files[id.0];
        match &file.kind {
            Kind::Regular { .. } => EventFlags::IN | EventFlags::OUT,
            Kind::Pipe => self.pipe_readiness(id),
            Kind::Socket(state) => match state {
                SocketState::Unconnected(_) => EventFlags::OUT | EventFlags::HUP,
                SocketState::Listening(_, queue) if queue.is_empty() => EventFlags::empty(),
                SocketState::Listening(..) => EventFlags::IN,
                SocketState::Connecting => EventFlags::empty(),
                SocketState::Connected => self.connection_readiness(id),
                SocketState::Reset => {
                    let mut flags =
                        EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::HUP;
                    flags.set(EventFlags::ERR, file.error.is_some());
                    flags
                }
            },
        }
    }

    fn pipe_readiness(&self, id: FileId) -> EventFlags {
        let file = &self.files[id.0];
        let mut flags = EventFlags::empty();
        if let Some(incoming) = file.incoming {
            let channel = &self.channels[incoming.0];
            flags.set(EventFlags::IN, channel.visible() > 0);
            flags.set(EventFlags::HUP, channel.has_end_arrived);
        }
        if let Some(outgoing) = file.outgoing {
            let channel = &self.channels[outgoing.0];
            flags.set(EventFlags::OUT, channel.is_writable() || channel.is_ended);
            flags.set(EventFlags::ERR, channel.reader.is_none());
        }
        flags
    }

    fn connection_readiness(&self, id: FileId) -> EventFlags {
        let file = &self.files[id.0];
        let mut flags = EventFlags::empty();
        let mut has_ended = true;
        if let Some(incoming) = file.incoming {
            let channel = &self.channels[incoming.0];
            let is_readable = channel.visible() > 0 || channel.has_end_arrived;
            flags.set(EventFlags::IN, is_readable);
            flags.set(EventFlags::RDHUP, channel.has_end_arrived);
            has_ended &= channel.has_end_arrived;
        }
        if let Some(outgoing) = file.outgoing {
            let channel = &self.channels[outgoing.0];
            flags.set(EventFlags::OUT, channel.is_writable() || channel.is_ended);
            has_ended &= channel.is_ended;
        }
        flags.set(EventFlags::HUP, has_ended);
        flags
    }
}
