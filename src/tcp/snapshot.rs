//! A snapshot of a connection and of an exchange, for the microscope.

use super::connection::Connection;
use super::exchange::Exchange;
use super::server::EchoServer;
use serde::Serialize;

/// A state machine over a socket, at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectionSnapshot {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    /// Bytes that were received and not sent.
    pub(crate) holds: usize,
    /// The length of the buffer that it holds, sent bytes included.
    #[serde(skip)]
    pub(crate) held: usize,
    /// The most that it may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<usize>,
}

impl Connection {
    pub(crate) fn snapshot(&self, name: String) -> ConnectionSnapshot {
        ConnectionSnapshot {
            name,
            state: self.state_word(),
            holds: self.unsent_bytes(),
            held: self.held_bytes(),
            limit: Some(super::connection::CHUNK_BYTES),
        }
    }
}

impl Exchange {
    pub(crate) fn snapshot(&self, name: String) -> ConnectionSnapshot {
        ConnectionSnapshot {
            name,
            state: self.state_word(),
            holds: self.unsent_bytes(),
            held: 0,
            limit: None,
        }
    }
}

impl EchoServer {
    /// The bytes that it counts as held by its connections.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}
