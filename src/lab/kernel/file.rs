//! Files: what the descriptors of the process lead to.
//!
//! A descriptor is a number in the table of the process. It leads to an *open file
//! description*, which Linux shares between all descriptors that `dup` and `fork`
//! make of it. This kernel calls it a [`File`]. The ends of pipes and connections
//! that actors hold are files too, without a descriptor.
//!
//! A pipe's end has one [channel](super::channel), a connected socket two:
//!
//! ```text
//!   write end of a pipe                       read end of a pipe
//!     File { outgoing } ──> Channel ──> File { incoming }
//!
//!   client                                    server
//!     File { outgoing } ──> Channel ──> File { incoming }
//!          { incoming } <── Channel <──      { outgoing }
//! ```

use rustix::io::Errno;
use std::collections::VecDeque;

/// The number of a file; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId(pub(super) usize);

/// The number of a channel; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChannelId(pub(super) usize);

/// The number of an actor, a program at the other end of a pipe or a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActorId(pub(super) usize);

/// An open file description.
#[derive(Debug)]
pub(super) struct File {
    pub(super) kind: Kind,
    /// Bytes that can be read here.
    pub(super) incoming: Option<ChannelId>,
    /// Bytes that are written here.
    pub(super) outgoing: Option<ChannelId>,
    /// SO_ERROR: the next call takes it.
    pub(super) error: Option<Errno>,
    /// How many descriptors lead here.
    pub(super) descriptors: usize,
    /// The actor that holds this file. `None` for the process, which epoll tells.
    pub(super) owner: Option<ActorId>,
    /// O_NONBLOCK is not set: a call that finds nothing to do would wait.
    pub(super) blocks: bool,
    /// The connection leads over the network, which can reset it.
    pub(super) is_remote: bool,
}

impl File {
    pub(super) fn new(kind: Kind, owner: Option<ActorId>) -> File {
        File {
            kind,
            incoming: None,
            outgoing: None,
            error: None,
            descriptors: 0,
            owner,
            blocks: false,
            is_remote: false,
        }
    }

    /// The state of a socket; `None` for other files.
    pub(super) fn socket(&self) -> Option<&SocketState> {
        match &self.kind {
            Kind::Socket(state) => Some(state),
            Kind::Pipe | Kind::Regular { .. } => None,
        }
    }

    pub(super) fn is_socket(&self) -> bool {
        self.socket().is_some()
    }

    pub(super) fn is_regular(&self) -> bool {
        matches!(self.kind, Kind::Regular { .. })
    }
}

#[derive(Debug)]
pub(super) enum Kind {
    Pipe,
    Socket(SocketState),
    Regular {
        unread: VecDeque<u8>,
        written: Vec<u8>,
    },
}

/// The states of a socket.
///
/// ```text
///   socket               bind                  listen
///   ------> Unconnected ------> Unconnected ----------> Listening
///               │ connect
///               v           answered
///           Connecting ─────────────────> Connected ── reset ──> Reset
///               └─ refused, timed out ─────────────────────────────^
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SocketState {
    /// Holds the port that it is bound to; 0 for none.
    Unconnected(u16),
    /// Holds the port, and the connections that `accept` has not taken yet.
    Listening(u16, VecDeque<FileId>),
    Connecting,
    Connected,
    /// Also after a connect that failed.
    Reset,
}
