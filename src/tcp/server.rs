//! The echo server: a listener, what its connections share, and the counts.

use super::connection::{Connection, Ending};
use super::listener::{Accepting, Listener, StartError};
use super::{CHUNK_BYTES, Progress, Readiness};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// Connections open at once. An idle one costs us some 32 bytes, so the bound is
/// for those that do not read: each can hold [`CHUNK_BYTES`] unsent, 4 GiB in
/// all at worst, which the kernel's own buffers for them exceed several times.
/// The limit on descriptors usually comes first, and is met in the same way.
pub(crate) const CONNECTIONS_MAX: usize = 65_536;

/// A TCP echo server. The connections themselves are the runtime's sources.
#[derive(Debug)]
pub(crate) struct EchoServer {
    listener: Listener,
    /// Every connection reads into this one, so that an idle one owns no buffer.
    scratch: Box<[u8]>,
    open_connections: usize,
    stats: Stats,
}

/// What a server has seen since it started.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Stats {
    pub(crate) total_connections: u64,
    /// Bytes that the server received.
    pub(crate) total_bytes: u64,
}

impl EchoServer {
    /// Listens on `port` of `ip`; port 0 lets the kernel choose.
    pub(crate) fn start(ip: IpAddr, port: u16) -> Result<EchoServer, StartError> {
        Ok(EchoServer {
            listener: Listener::bind(ip, port)?,
            scratch: vec![0; CHUNK_BYTES].into_boxed_slice(),
            open_connections: 0,
            stats: Stats::default(),
        })
    }

    /// The port that it listens on, never 0.
    pub(crate) fn port(&self) -> u16 {
        self.listener.address().port()
    }

    /// Where a client on this machine reaches it: an address that means "all
    /// interfaces" is none that can be connected to everywhere.
    pub(crate) fn local_client_address(&self) -> SocketAddr {
        let mut address = self.listener.address();
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        address
    }

    /// Whether connections wait that cannot be taken in for now.
    pub(crate) fn is_paused(&self) -> bool {
        self.listener.is_paused()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stats
    }

    #[cfg(test)]
    pub(crate) fn open_connections(&self) -> usize {
        self.open_connections
    }

    /// Takes new connections in, to the end of `accepted`. Each is the runtime's
    /// to register and to close, and to report to [`EchoServer::released`] then.
    pub(crate) fn accept(&mut self, accepted: &mut Vec<Connection>) -> Accepting {
        let room = CONNECTIONS_MAX - self.open_connections;
        let before = accepted.len();
        let accepting = self
            .listener
            .accept(room, |fd| accepted.push(Connection::new(fd)));
        let taken = accepted.len() - before;
        self.open_connections += taken;
        self.stats.total_connections += taken as u64;
        accepting
    }

    /// Echoes what one connection is ready for, within the turn's bound.
    pub(crate) fn serve(
        &mut self,
        connection: &mut Connection,
        readiness: Readiness,
    ) -> Progress<Ending> {
        let progress = connection.ready(readiness, &mut self.scratch);
        self.stats.total_bytes += progress.received_bytes as u64;
        progress
    }

    /// Says that a connection was closed. True if the paused listener has waited
    /// for this: then carry it over.
    #[must_use]
    pub(crate) fn released(&mut self) -> bool {
        self.open_connections -= 1;
        self.listener.is_paused()
    }
}

impl AsFd for EchoServer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl AsRawFd for EchoServer {
    fn as_raw_fd(&self) -> RawFd {
        self.listener.as_raw_fd()
    }
}
