//! What the reactor holds for the runtime.

use super::client::Client;
use crate::reactor;
use crate::tcp::{self, Connection};
use std::os::fd::{AsRawFd, RawFd};

/// Who a token stands for. Connections are thousands, so their state machines
/// lie in the reactor's slab itself; there is one of everything else.
pub(super) enum Source {
    Stdin,
    Stdout,
    Stderr,
    Listener,
    Connection(Connection),
    Client(Box<Client>),
}

impl Source {
    /// The descriptor of a source that lies in the slab.
    pub(super) fn fd(&self) -> Option<RawFd> {
        match self {
            Source::Connection(connection) => Some(connection.as_raw_fd()),
            Source::Client(client) => Some(client.exchange.as_raw_fd()),
            Source::Stdin | Source::Stdout | Source::Stderr | Source::Listener => None,
        }
    }
}

/// The tcp room knows no reactor, so it has its own word for what is ready.
pub(super) fn to_tcp(ready: reactor::Readiness) -> tcp::Readiness {
    tcp::Readiness {
        readable: ready.is_readable(),
        writable: ready.is_writable(),
        read_closed: ready.is_read_closed(),
    }
}

/// The way back: what a state machine has used up.
pub(super) fn from_tcp(used_up: tcp::Readiness) -> reactor::Readiness {
    let mut readiness = reactor::Readiness::NONE;
    if used_up.readable {
        readiness = readiness | reactor::Readiness::READABLE;
    }
    if used_up.writable {
        readiness = readiness | reactor::Readiness::WRITABLE;
    }
    if used_up.read_closed {
        readiness = readiness | reactor::Readiness::READ_CLOSED;
    }
    readiness
}
