//! The client's side: sends some bytes to an echo server and reads them back.

use super::connection::{CALLS_PER_TURN, CHUNK_BYTES};
use crate::source::{Next, Progress, Readiness, Reason};
use crate::sys::Descriptor;
use crate::sys::socket::{self, AcceptFailure};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

/// How long a send may take from when it was asked for, its wait in the queue included:
/// 5 s, as long as a Maelstrom client waits for its reply. The runtime keeps the deadline.
/// Over loopback an exchange takes a fraction of a millisecond. So a send that takes 5 s
/// is stuck, or some 50,000 others were before it.
pub(crate) const SEND_DEADLINE: Duration = Duration::from_secs(5);

/// How long a send may wait in the queue: 4 s, then it ends with error 11. So each send
/// that begins has a second left, a thousand times what an exchange takes. If both bounds
/// were equal, an endless queue would begin each send just before its deadline, and all
/// would end with error 0, which does not say whether anything was sent.
pub(crate) const QUEUE_WAIT_MAX: Duration = Duration::from_secs(4);

/// How many exchanges are in flight at once: 32, enough to keep a core busy. Each takes
/// two descriptors, its own and the server's, and does not begin without both
/// ([`EchoServer::reserve`](super::EchoServer::reserve)).
pub(crate) const EXCHANGES_MAX: usize = 32;

/// One `connect`, write, half-close, read to the end.
#[derive(Debug)]
pub(crate) struct Exchange {
    fd: Descriptor,
    address: SocketAddr,
    /// How many bytes are sent, and have to come back.
    expected: usize,
    /// One byte longer than what is expected. That is room for the read that finds the
    /// end, and the bound on what a server can make the client hold.
    echoed: Vec<u8>,
    received: usize,
    state: State,
}

/// The state of an exchange.
///
/// ```text
///  start  +------------+ SO_ERROR 0  +---------+ all written:  +-----------+
///  -----> | Connecting | ----------> | Sending | ------------> | Receiving |
///         +------------+             +---------+ half-close    +-----------+
///               |                      |    ^                        |
///               | refused              +----+ reads as well: a       | read 0
///               |                      | server that cannot write    |
///               v                      v stops reading               v
///         +-----------------------------------------------------------------+
///         | Done: the bytes, or what went wrong                             |
///         +-----------------------------------------------------------------+
/// ```
#[derive(Debug)]
enum State {
    Connecting { data: Vec<u8> },
    Sending { data: Vec<u8>, sent: usize },
    Receiving,
    Done,
}

/// Why an exchange with `address` failed.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    Connect {
        address: SocketAddr,
        error: io::Error,
    },
    Send {
        address: SocketAddr,
        error: io::Error,
    },
    Receive {
        address: SocketAddr,
        error: io::Error,
    },
    /// The server closed before it had echoed everything.
    CutShort {
        address: SocketAddr,
        expected: usize,
        received: usize,
    },
    /// The server sent more than it received: it is no echo server.
    TooMuch {
        address: SocketAddr,
        expected: usize,
    },
    /// Made by the runtime, through [`Exchange::timed_out`].
    TimedOut {
        address: SocketAddr,
        expected: usize,
        received: usize,
    },
}

impl Exchange {
    /// Starts to connect; the first edge brings the exchange further. An error gives the
    /// data back.
    pub(crate) fn start(
        address: SocketAddr,
        data: Vec<u8>,
    ) -> Result<Exchange, (ExchangeError, Vec<u8>)> {
        match socket::connect(address) {
            Ok(fd) => Ok(Exchange::over(fd, address, data)),
            Err(error) => Err((ExchangeError::Connect { address, error }, data)),
        }
    }

    /// An exchange over a socket that connects, or has connected, to `address`.
    pub(crate) fn over(fd: Descriptor, address: SocketAddr, data: Vec<u8>) -> Exchange {
        Exchange {
            fd,
            address,
            expected: data.len(),
            echoed: vec![0; data.len() + 1],
            received: 0,
            state: State::Connecting { data },
        }
    }

    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn state_word(&self) -> &'static str {
        match self.state {
            State::Connecting { .. } => "Connecting",
            State::Sending { .. } => "Sending",
            State::Receiving => "Receiving",
            State::Done => "Done",
        }
    }

    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn unsent_bytes(&self) -> usize {
        match &self.state {
            State::Connecting { data } => data.len(),
            State::Sending { data, sent } => data.len() - sent,
            State::Receiving | State::Done => 0,
        }
    }

    /// Goes as far as readiness and the turn's bound allow.
    pub(crate) fn ready(
        &mut self,
        readiness: Readiness,
    ) -> Progress<Result<Vec<u8>, ExchangeError>> {
        let mut left = readiness;
        let before = self.received;
        let next = match self.advance(&mut left) {
            Ok(true) => Next::Finished(self.finish()),
            Ok(false) if self.has_work(left) => Next::CarryOver(Reason::BoundReached),
            Ok(false) => Next::Wait,
            Err(error) => {
                self.state = State::Done;
                Next::Finished(Err(error))
            }
        };
        Progress {
            received_bytes: self.received - before,
            used_up: readiness.without(left),
            next,
        }
    }

    /// The error when the deadline comes first.
    pub(crate) fn timed_out(&self) -> ExchangeError {
        ExchangeError::TimedOut {
            address: self.address,
            expected: self.expected,
            received: self.received,
        }
    }

    /// Reads first, which makes room for the server to write more. Returns true once the
    /// server's end was read.
    fn advance(&mut self, left: &mut Readiness) -> Result<bool, ExchangeError> {
        let is_connecting = matches!(self.state, State::Connecting { .. });
        if is_connecting && !self.connected(left)? || matches!(self.state, State::Done) {
            return Ok(false);
        }
        if self.receive(left)? {
            return Ok(true);
        }
        self.send(left)?;
        Ok(false)
    }

    /// Connecting -> Sending, once SO_ERROR says so.
    fn connected(&mut self, left: &mut Readiness) -> Result<bool, ExchangeError> {
        if !left.is_writable() {
            return Ok(false);
        }
        match socket::connect_result(&self.fd) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                left.remove(Readiness::WRITABLE);
                return Ok(false);
            }
            Err(error) => {
                let address = self.address;
                return Err(ExchangeError::Connect { address, error });
            }
        }
        if let State::Connecting { data } = &mut self.state {
            let data = std::mem::take(data);
            self.state = State::Sending { data, sent: 0 };
        }
        Ok(true)
    }

    /// Reads the echo; returns true at its end.
    fn receive(&mut self, left: &mut Readiness) -> Result<bool, ExchangeError> {
        let address = self.address;
        for _ in 0..CALLS_PER_TURN {
            if !left.is_readable() {
                break;
            }
            let room = self.echoed.len() - self.received;
            let end = self.received + room.min(CHUNK_BYTES);
            let buffer = &mut self.echoed[self.received..end];
            match socket::read(&self.fd, buffer) {
                Ok(0) => return Ok(true),
                Ok(count) => {
                    if count < buffer.len() && !left.is_read_closed() {
                        left.remove(Readiness::READABLE);
                    }
                    self.received += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    left.remove(Readiness::READABLE);
                }
                Err(error) => return Err(ExchangeError::Receive { address, error }),
            }
            if self.received > self.expected {
                let expected = self.expected;
                return Err(ExchangeError::TooMuch { address, expected });
            }
        }
        Ok(false)
    }

    /// Writes what there is room for, and half-closes behind the last byte.
    fn send(&mut self, left: &mut Readiness) -> Result<(), ExchangeError> {
        let address = self.address;
        let State::Sending { data, sent } = &mut self.state else {
            return Ok(());
        };
        let failed = |error| ExchangeError::Send { address, error };
        for _ in 0..CALLS_PER_TURN {
            if !left.is_writable() || *sent == data.len() {
                break;
            }
            let end = data.len().min(*sent + CHUNK_BYTES);
            let chunk = &data[*sent..end];
            match socket::write(&self.fd, chunk) {
                Ok(count) => {
                    if count < chunk.len() {
                        left.remove(Readiness::WRITABLE);
                    }
                    *sent += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    left.remove(Readiness::WRITABLE);
                }
                Err(error) => return Err(failed(error)),
            }
        }
        if *sent == data.len() {
            socket::shutdown_write(&self.fd).map_err(failed)?;
            // This also frees the data, which is as large as the echo.
            self.state = State::Receiving;
        }
        Ok(())
    }

    /// Any -> Done, with the echo if it is complete.
    fn finish(&mut self) -> Result<Vec<u8>, ExchangeError> {
        self.state = State::Done;
        if self.received < self.expected {
            return Err(ExchangeError::CutShort {
                address: self.address,
                expected: self.expected,
                received: self.received,
            });
        }
        let mut echoed = std::mem::take(&mut self.echoed);
        echoed.truncate(self.received);
        Ok(echoed)
    }

    /// Whether work is left that raises no edge.
    fn has_work(&self, left: Readiness) -> bool {
        match self.state {
            State::Connecting { .. } => false,
            State::Sending { .. } => left.is_readable() || left.is_writable(),
            State::Receiving => left.is_readable(),
            State::Done => false,
        }
    }
}

impl AsFd for Exchange {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Exchange {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl ExchangeError {
    /// Whether it is certain that nothing was sent.
    pub(crate) fn is_definite(&self) -> bool {
        matches!(self, ExchangeError::Connect { .. })
    }

    /// Whether descriptors or memory were lacking, which others may give back.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            ExchangeError::Connect { error, .. } => {
                matches!(socket::accept_failure(error), AcceptFailure::Stuck)
            }
            _ => false,
        }
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExchangeError::Connect { address, error } => {
                write!(f, "cannot connect to the echo server at {address}: {error}")
            }
            ExchangeError::Send { address, error } => {
                write!(f, "cannot send to the echo server at {address}: {error}")
            }
            ExchangeError::Receive { address, error } => {
                write!(
                    f,
                    "cannot receive from the echo server at {address}: {error}"
                )
            }
            ExchangeError::CutShort {
                address,
                expected,
                received,
            } => write!(
                f,
                "the echo server at {address} ended after {received} of {expected} bytes"
            ),
            ExchangeError::TooMuch { address, expected } => write!(
                f,
                "the server at {address} sent more than the {expected} bytes it was sent; \
                 is it an echo server?"
            ),
            ExchangeError::TimedOut {
                address,
                expected,
                received,
            } => write!(
                f,
                "the echo server at {address} sent {received} of {expected} bytes within {} s",
                SEND_DEADLINE.as_secs()
            ),
        }
    }
}

impl std::error::Error for ExchangeError {}

#[cfg(test)]
mod tests;
