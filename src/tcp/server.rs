//! The echo server: a listener, the memory that its connections share, and the counts.

use super::connection::{CHUNK_BYTES, Connection, Ending};
use super::listener::{Listener, StartError};
use crate::source::{Progress, Readiness};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// How many connections may be open at once, unless an option says otherwise: 65,536. An
/// idle one takes some 32 bytes here. [`HELD_BYTES_MAX`] bounds what those hold that do
/// not read. The limit on descriptors usually comes first, and has the same effect.
pub(crate) const CONNECTIONS_MAX: usize = 65_536;

/// How many bytes all connections together hold for peers that do not read, before each
/// gets [`SCARCE_CHUNK_BYTES`] only: 64 MiB, a thousand such peers. A connection whose
/// peer reads holds nothing, and is echoed on in smaller pieces. If the server stopped
/// reading from all instead, a thousand clients could silence the rest.
const HELD_BYTES_MAX: usize = 64 << 20;

/// How much one read brings at most while too much is held: 4 KiB. So the last of
/// [`CONNECTIONS_MAX`] raises the sum to 320 MiB and not to 4 GiB.
pub(super) const SCARCE_CHUNK_BYTES: usize = 4 << 10;

/// A TCP echo server. Its connections are sources, and the runtime owns them.
///
/// Invariant: `held_bytes` is the sum over all open connections. `serve` takes a
/// connection's share out and adds it again, and `released` takes it out for good.
#[derive(Debug)]
pub(crate) struct EchoServer {
    listener: Listener,
    /// The buffer that all connections read into, so that an idle one needs none.
    scratch: Box<[u8]>,
    pub(super) open_connections: usize,
    connections_max: usize,
    /// How many bytes all connections hold for peers that do not read.
    pub(super) held_bytes: usize,
    pub(super) held_bytes_max: usize,
    stats: Stats,
}

/// The totals of a server since it started.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Stats {
    pub(crate) total_connections: u64,
    /// Bytes that the server received.
    pub(crate) total_bytes: u64,
}

impl EchoServer {
    /// Listens on `port` of `ip`; port 0 lets the kernel choose.
    pub(crate) fn start(
        ip: IpAddr,
        port: u16,
        connections_max: usize,
    ) -> Result<EchoServer, StartError> {
        Ok(EchoServer {
            listener: Listener::bind(ip, port)?,
            scratch: vec![0; CHUNK_BYTES].into_boxed_slice(),
            open_connections: 0,
            connections_max,
            held_bytes: 0,
            held_bytes_max: HELD_BYTES_MAX,
            stats: Stats::default(),
        })
    }

    /// The port that it listens on, never 0.
    pub(crate) fn port(&self) -> u16 {
        self.listener.address().port()
    }

    /// The address at which a client on this machine reaches it. Not every system can
    /// connect to the address that means "all interfaces", so loopback stands for it.
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

    /// Why no connection can be taken in for now, if none can.
    pub(crate) fn paused_by(&self) -> Option<&io::Error> {
        self.listener.paused_by()
    }

    /// Whether no connection can be taken in for now.
    pub(crate) fn is_full(&self) -> bool {
        self.paused_by().is_some() || self.open_connections >= self.connections_max
    }

    /// Keeps one more descriptor to accept a client of the node's own with. Fails if the
    /// process has none left.
    pub(crate) fn reserve(&mut self) -> io::Result<()> {
        self.listener.reserve()
    }

    /// Keeps descriptors for at most so many clients of the node's own.
    pub(crate) fn reserve_at_most(&mut self, clients: usize) {
        self.listener.reserve_at_most(clients);
    }

    pub(crate) fn has_connections(&self) -> bool {
        self.open_connections > 0
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stats
    }

    #[cfg(test)]
    pub(crate) fn open_connections(&self) -> usize {
        self.open_connections
    }

    /// Takes new connections in, to the end of `accepted`. The runtime registers each of
    /// them, and passes it to [`EchoServer::released`] in the end.
    pub(crate) fn accept(
        &mut self,
        readiness: Readiness,
        accepted: &mut Vec<Connection>,
    ) -> Progress {
        let room = self.connections_max - self.open_connections;
        let before = accepted.len();
        let progress = self
            .listener
            .accept(readiness, room, |fd| accepted.push(Connection::new(fd)));
        let taken = accepted.len() - before;
        self.open_connections += taken;
        self.stats.total_connections += taken as u64;
        progress
    }

    /// Echoes what one connection is ready for, within the turn's bound.
    pub(crate) fn serve(
        &mut self,
        connection: &mut Connection,
        readiness: Readiness,
    ) -> Progress<Ending> {
        let chunk = match self.held_bytes < self.held_bytes_max {
            true => CHUNK_BYTES,
            false => SCARCE_CHUNK_BYTES,
        };
        self.held_bytes -= connection.held_bytes();
        let progress = connection.ready(readiness, &mut self.scratch[..chunk]);
        self.held_bytes += connection.held_bytes();
        self.stats.total_bytes += progress.received_bytes as u64;
        progress
    }

    /// Closes a connection that was taken out of the reactor. Returns whether the listener
    /// is paused: then it is to be served again, because there is room now.
    #[must_use]
    pub(crate) fn released(&mut self, connection: Connection) -> bool {
        self.held_bytes -= connection.held_bytes();
        self.open_connections -= 1;
        self.paused_by().is_some()
    }

    /// Notes that a connection was closed before it could be registered.
    pub(crate) fn refused(&mut self) {
        self.open_connections -= 1;
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
