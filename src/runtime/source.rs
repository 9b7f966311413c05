//! The kinds of sources that the reactor holds for the runtime.

use crate::sys::Descriptor;
use crate::tcp::{Connection, Exchange};
use std::os::fd::{AsRawFd, RawFd};

/// A source. There are thousands of connections, so their state machines lie in the
/// reactor's slab. There is one of each standard stream and one listener: the loop
/// owns them, and the slab has only their descriptors.
///
/// A new kind of source is a file with its state machine, a variant here, an arm
/// that serves it ([`deliver`]) and an arm that takes it when it is closed.
///
/// [`deliver`]: super::event_loop::EventLoop
pub(super) enum Source {
    Stdin(RawFd),
    Stdout(RawFd),
    Stderr(RawFd),
    Listener(RawFd),
    Connection(Connection),
    Exchange(Box<SendExchange>),
    /// The socket to a NATS server. It is closed when it has left the reactor.
    Broker(Descriptor),
}

/// The exchange of one of the node's sends to itself, with the send's number.
pub(super) struct SendExchange {
    pub(super) exchange: Exchange,
    pub(super) number: u64,
}

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Source::Stdin(fd) | Source::Stdout(fd) | Source::Stderr(fd) | Source::Listener(fd) => {
                *fd
            }
            Source::Connection(connection) => connection.as_raw_fd(),
            Source::Exchange(send) => send.exchange.as_raw_fd(),
            Source::Broker(socket) => socket.as_raw_fd(),
        }
    }
}
