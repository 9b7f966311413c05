//! The listening socket: takes connections in, whatever `accept` answers.

use crate::sys::socket::{self, AcceptFailure};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Connections taken in one turn: half a millisecond's work, so that a storm of
/// clients does not starve those that are already connected. redis takes 10 and
/// raised it to 1000 for TLS; the cost of more turns is one `epoll_wait` each.
pub(crate) const ACCEPTS_PER_TURN: usize = 64;

/// After how long a paused listener tries again even if no connection of ours
/// closed: it may be another process that gave descriptors back. Seldom enough
/// to cost nothing, often enough to stay below a client's patience.
pub(crate) const ACCEPT_RETRY_MS: u64 = 100;

/// A listening socket.
///
/// ```text
///               accept: a connection
///               +---------------+
///               v               |      the queue is empty
///   edge -->  accepting --------+----------------------------> idle
///   retry -->   |    |          |  ACCEPTS_PER_TURN taken
///               |    +----------+----------------------------> carried over
///               |  no descriptor, no memory, no room
///               +--------------------------------------------> paused
/// ```
///
/// libuv keeps a spare descriptor, to accept with and close at once when there is
/// no other; its clients see a reset. Pausing, as nginx does, leaves them in the
/// queue instead, where the first that fits is served after all.
#[derive(Debug)]
pub(crate) struct Listener {
    fd: OwnedFd,
    address: SocketAddr,
    /// The last attempt got stuck; said once, so that retries do not flood the log.
    is_paused: bool,
}

/// Where a listener's turn ended.
#[derive(Debug)]
pub(crate) enum Accepting {
    /// The queue is empty: readable is used up, the next connection is an edge.
    Idle,
    /// The turn's bound is reached and the queue may hold more: carry over.
    CarryOver,
    /// Nothing more can be taken in, and no edge will tell when that changes:
    /// carry over when a connection has closed and every [`ACCEPT_RETRY_MS`].
    /// The reason comes with the first of a row of pauses only.
    Paused(Option<io::Error>),
}

/// Why a server did not start.
#[derive(Debug)]
pub(crate) enum StartError {
    PortInUse {
        address: SocketAddr,
    },
    Failed {
        address: SocketAddr,
        error: io::Error,
    },
}

impl Listener {
    pub(super) fn bind(ip: IpAddr, port: u16) -> Result<Listener, StartError> {
        let address = SocketAddr::new(ip, port);
        let bound = socket::listen(address).and_then(|fd| {
            let address = socket::local_address(&fd)?;
            Ok((fd, address))
        });
        match bound {
            Ok((fd, address)) => Ok(Listener {
                fd,
                address,
                is_paused: false,
            }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Err(StartError::PortInUse { address })
            }
            Err(error) => Err(StartError::Failed { address, error }),
        }
    }

    /// The address with the port that the kernel chose.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Hands at most `room` new connections to `take`, bounded for the turn.
    pub(super) fn accept(&mut self, room: usize, mut take: impl FnMut(OwnedFd)) -> Accepting {
        let mut taken = 0;
        for _ in 0..ACCEPTS_PER_TURN {
            if taken == room {
                return self.pause(io::Error::other(
                    "the server is full; clients wait in the queue until one leaves",
                ));
            }
            match socket::accept(&self.fd) {
                Ok(fd) => {
                    self.is_paused = false;
                    taken += 1;
                    take(fd);
                }
                Err(error) => match socket::accept_failure(&error) {
                    AcceptFailure::Skip => {}
                    AcceptFailure::Empty => {
                        self.is_paused = false;
                        return Accepting::Idle;
                    }
                    AcceptFailure::Stuck => return self.pause(error),
                },
            }
        }
        Accepting::CarryOver
    }

    fn pause(&mut self, reason: io::Error) -> Accepting {
        let is_news = !self.is_paused;
        self.is_paused = true;
        Accepting::Paused(is_news.then_some(reason))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::PortInUse { address } => write!(
                f,
                "cannot listen on {address}: the port is in use; choose another, or 0 for any"
            ),
            StartError::Failed { address, error } => {
                write!(f, "cannot listen on {address}: {error}")
            }
        }
    }
}

impl std::error::Error for StartError {}
