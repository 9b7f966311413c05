//! The server's side of one connection: it sends back every byte that it receives.

use crate::source::{Next, Progress, Readiness, Reason};
use crate::sys::{Descriptor, socket};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// How many reads one source may make in a turn, and how many writes: 4 each, which are
/// at most 256 KiB each way and some 100 µs. Fewer would cost more turns, and a turn
/// costs an `epoll_wait` even if it does not wait.
pub(super) const CALLS_PER_TURN: usize = 4;

/// How much one read or write moves at most: the size of the buffer that all connections
/// share, and so the most that one of them can hold unsent.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// One client of the echo server.
///
/// An idle connection is three words and a socket. It reads into the server's buffer
/// and writes from there at once. A short read proves that the socket ran dry, and so
/// spares the read that would return `WouldBlock`: a round trip is `epoll_wait`, `read`,
/// `write`. (Urgent data is the exception, because a read stops in front of it. A client
/// that sends it waits for its echo until more bytes or the end arrive.)
#[derive(Debug)]
pub(crate) struct Connection {
    fd: Descriptor,
    state: State,
}

/// The state of a connection.
///
/// ```text
///            wrote less than was read
///   +------+ -----------------------> +----------+
///   | Open |                          | Draining |  backpressure: the peer does
///   +------+ <----------------------- +----------+  not read, so neither do we
///     |  |          sent the rest        |    |
///     |  |  read-closed                  |    |
///     |  +-----------+     +-------------+    |
///     |              v     v                  |
///     | read 0   +------------+               |
///     | reset    | HalfClosed | --+ sends its rest, then echoes what is
///     |          +------------+ <-+ unread: to 0, whatever a short read says
///     |                |                      |
///     |                | read 0, reset        | reset
///     |                v                      |
///     |           +--------+                  |
///     +---------> | Closed | <----------------+
///                 +--------+
/// ```
#[derive(Debug)]
enum State {
    /// It holds nothing, and reads.
    Open,
    /// It holds a rest that the peer has not taken, and does not read.
    Draining(Box<Rest>),
    /// The peer has closed its sending half. Unread bytes may lie in front of the end.
    HalfClosed(Option<Box<Rest>>),
    /// It is over. The runtime takes it out of the reactor at the end of the turn.
    Closed(Ending),
}

/// Bytes that were read and are not yet written. In a box, so that a connection without
/// a rest is a word smaller.
#[derive(Debug)]
struct Rest {
    bytes: Vec<u8>,
    sent: usize,
}

/// How a connection ended. Neither way is an error of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// The peer sent its end, and everything was echoed.
    EndOfFile,
    /// The peer or the network has gone.
    Reset,
}

impl Connection {
    pub(crate) fn new(fd: Descriptor) -> Connection {
        Connection {
            fd,
            state: State::Open,
        }
    }

    /// How many bytes of memory the rest takes.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.state {
            State::Draining(rest) | State::HalfClosed(Some(rest)) => rest.bytes.len(),
            State::Open | State::HalfClosed(None) | State::Closed(_) => 0,
        }
    }

    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn state_word(&self) -> &'static str {
        match self.state {
            State::Open => "Open",
            State::Draining(_) => "Draining",
            State::HalfClosed(None) => "HalfClosed",
            State::HalfClosed(Some(_)) => "HalfClosed with a rest",
            State::Closed(_) => "Closed",
        }
    }

    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn unsent_bytes(&self) -> usize {
        match &self.state {
            State::Draining(rest) | State::HalfClosed(Some(rest)) => rest.bytes.len() - rest.sent,
            State::Open | State::HalfClosed(None) | State::Closed(_) => 0,
        }
    }

    /// Echoes as far as readiness and the turn's bound go.
    pub(crate) fn ready(&mut self, readiness: Readiness, scratch: &mut [u8]) -> Progress<Ending> {
        let mut left = readiness;
        let mut received_bytes = 0;
        if readiness.is_read_closed() {
            self.half_close();
        }
        for _ in 0..CALLS_PER_TURN {
            // One write each time: of the rest, or of what a read brings.
            if self.holds_rest() && left.is_writable() {
                self.send_rest(&mut left);
            } else if self.is_idle() && left.is_readable() {
                received_bytes += self.echo(&mut left, scratch);
            } else {
                break;
            }
        }
        let next = match self.state {
            State::Closed(ending) => Next::Finished(ending),
            _ if self.holds_rest() && !left.is_writable() => Next::Wait,
            _ if self.holds_rest() || left.is_readable() => Next::CarryOver(Reason::BoundReached),
            _ => Next::Wait,
        };
        Progress {
            received_bytes,
            used_up: readiness.without(left),
            next,
        }
    }

    /// One read, and one write of what it brought. Returns the bytes read.
    fn echo(&mut self, left: &mut Readiness, scratch: &mut [u8]) -> usize {
        let count = match socket::read(&self.fd, scratch) {
            Ok(0) => {
                self.close(Ending::EndOfFile);
                return 0;
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                left.remove(Readiness::READABLE);
                return 0;
            }
            Err(_) => {
                self.close(Ending::Reset);
                return 0;
            }
        };
        if count < scratch.len() && !matches!(self.state, State::HalfClosed(_)) {
            left.remove(Readiness::READABLE);
        }
        let bytes = &scratch[..count];
        if let Some(sent) = self.write(bytes, left)
            && sent < count
        {
            self.hold(&bytes[sent..]);
        }
        count
    }

    /// Sends what is held, as far as the peer has room for it.
    fn send_rest(&mut self, left: &mut Readiness) {
        let (State::Draining(rest) | State::HalfClosed(Some(rest))) = &mut self.state else {
            return;
        };
        match write(&self.fd, &rest.bytes[rest.sent..], left) {
            Ok(count) => rest.sent += count,
            Err(_) => return self.close(Ending::Reset),
        }
        if rest.sent == rest.bytes.len() {
            self.drained();
        }
    }

    /// Writes, or closes if the peer is gone. Returns how many bytes went out.
    fn write(&mut self, bytes: &[u8], left: &mut Readiness) -> Option<usize> {
        let written = write(&self.fd, bytes, left);
        if written.is_err() {
            self.close(Ending::Reset);
        }
        written.ok()
    }

    fn holds_rest(&self) -> bool {
        matches!(self.state, State::Draining(_) | State::HalfClosed(Some(_)))
    }

    /// Whether it may read: it holds nothing and is not over.
    fn is_idle(&self) -> bool {
        matches!(self.state, State::Open | State::HalfClosed(None))
    }

    /// Open -> Draining, or HalfClosed with a rest.
    fn hold(&mut self, bytes: &[u8]) {
        let rest = Box::new(Rest {
            bytes: bytes.to_vec(),
            sent: 0,
        });
        self.state = match self.state {
            State::HalfClosed(_) => State::HalfClosed(Some(rest)),
            _ => State::Draining(rest),
        };
    }

    /// Draining -> Open, or HalfClosed without a rest.
    fn drained(&mut self) {
        self.state = match self.state {
            State::HalfClosed(_) => State::HalfClosed(None),
            _ => State::Open,
        };
    }

    /// Open or Draining -> HalfClosed; the rest stays.
    fn half_close(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Open) {
            State::Open => State::HalfClosed(None),
            State::Draining(rest) => State::HalfClosed(Some(rest)),
            already => already,
        };
    }

    /// Any -> Closed. A rest is dropped.
    fn close(&mut self, ending: Ending) {
        self.state = State::Closed(ending);
    }
}

/// Writes what there is room for. If that is not everything, writable is used up.
fn write(fd: &Descriptor, bytes: &[u8], left: &mut Readiness) -> io::Result<usize> {
    let count = match socket::write(fd, bytes) {
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    if count < bytes.len() {
        left.remove(Readiness::WRITABLE);
    }
    Ok(count)
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing;
    use rustix::net::SocketType;

    const READABLE: Readiness = Readiness::READABLE;
    const WRITABLE: Readiness = Readiness::WRITABLE;
    /// Data and end in one edge.
    const ENDED: Readiness = Readiness::from_bits(0b111);

    /// (the server's connection, its peer)
    fn connection() -> (Connection, Descriptor) {
        let (ours, theirs) = testing::socket_pair(SocketType::STREAM);
        rustix::io::ioctl_fionbio(&ours, true).unwrap();
        rustix::io::ioctl_fionbio(&theirs, true).unwrap();
        (Connection::new(ours.into()), theirs.into())
    }

    fn read(peer: &Descriptor) -> Vec<u8> {
        let mut all = vec![];
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = socket::read(peer, &mut buffer) {
            all.extend_from_slice(&buffer[..count]);
        }
        all
    }

    /// Sends until the connection holds a rest; returns what it had received.
    fn fill(connection: &mut Connection, peer: &Descriptor, scratch: &mut [u8]) -> usize {
        let mut received = 0;
        while !connection.holds_rest() {
            socket::write(peer, &[b'x'; 10_000]).unwrap();
            received += connection.ready(READABLE, scratch).received_bytes;
        }
        received
    }

    #[test]
    fn an_idle_connection_is_three_words() {
        assert_eq!(size_of::<Connection>(), 24);
        assert_eq!(size_of::<Option<Connection>>(), 24);
    }

    #[test]
    fn a_short_read_is_echoed_and_waits_for_the_next_edge() {
        let (mut connection, peer) = connection();
        socket::write(&peer, b"ping").unwrap();
        let progress = connection.ready(READABLE, &mut [0; 16]);
        assert_eq!(progress.received_bytes, 4);
        assert_eq!(progress.used_up, READABLE);
        assert!(matches!(progress.next, Next::Wait));
        assert_eq!(read(&peer), b"ping");
    }

    #[test]
    fn gotcha_7_a_spurious_event_changes_nothing() {
        let (mut connection, _peer) = connection();
        for readiness in [READABLE, WRITABLE, Readiness::NONE] {
            let progress = connection.ready(readiness, &mut [0; 16]);
            assert_eq!(progress.used_up.is_readable(), readiness.is_readable());
            assert!(matches!(progress.next, Next::Wait));
        }
    }

    #[test]
    fn gotcha_6_data_and_end_in_one_edge_are_both_read() {
        let (mut connection, peer) = connection();
        socket::write(&peer, b"bye").unwrap();
        socket::shutdown_write(&peer).unwrap();
        let progress = connection.ready(ENDED, &mut [0; 16]);
        assert_eq!(progress.received_bytes, 3);
        assert!(matches!(progress.next, Next::Finished(Ending::EndOfFile)));
        assert_eq!(read(&peer), b"bye");
    }

    #[test]
    fn gotcha_12_a_turn_is_bounded_and_carries_over() {
        let (mut connection, peer) = connection();
        socket::write(&peer, &[b'x'; 16 * CALLS_PER_TURN + 1]).unwrap();
        let progress = connection.ready(READABLE, &mut [0; 16]);
        assert_eq!(progress.received_bytes, 16 * CALLS_PER_TURN);
        assert_eq!(progress.used_up, Readiness::NONE);
        assert!(matches!(progress.next, Next::CarryOver(_)));
        let progress = connection.ready(READABLE, &mut [0; 16]);
        assert_eq!(progress.received_bytes, 1);
        assert!(matches!(progress.next, Next::Wait));
    }

    #[test]
    fn gotcha_13_what_the_peer_does_not_read_stops_our_reads() {
        let (mut connection, peer) = connection();
        let mut scratch = vec![0; 1 << 16];
        let received = fill(&mut connection, &peer, &mut scratch);
        socket::write(&peer, b"more").unwrap();
        let progress = connection.ready(READABLE, &mut scratch);
        assert_eq!(progress.received_bytes, 0);
        assert!(!progress.used_up.is_readable(), "it is kept for later");
        assert!(matches!(progress.next, Next::Wait));
        let mut echoed = read(&peer).len();
        // The writable edge, with readable still sticking.
        let progress = connection.ready(READABLE | WRITABLE, &mut scratch);
        assert_eq!(progress.received_bytes, 4);
        assert!(matches!(connection.state, State::Open), "owns no buffer");
        echoed += read(&peer).len();
        assert_eq!(echoed, received + 4);
    }

    #[test]
    fn gotcha_18_a_half_closed_peer_gets_the_rest_before_the_close() {
        let (mut connection, peer) = connection();
        let mut scratch = vec![0; 1 << 16];
        let received = fill(&mut connection, &peer, &mut scratch);
        socket::write(&peer, b"last").unwrap();
        socket::shutdown_write(&peer).unwrap();
        let progress = connection.ready(ENDED, &mut scratch);
        assert!(matches!(progress.next, Next::Wait), "no room yet");
        assert!(matches!(connection.state, State::HalfClosed(Some(_))));
        let mut echoed = read(&peer).len();
        let progress = connection.ready(ENDED, &mut scratch);
        assert_eq!(progress.received_bytes, 4);
        assert!(matches!(progress.next, Next::Finished(Ending::EndOfFile)));
        echoed += read(&peer).len();
        assert_eq!(echoed, received + 4);
    }

    #[test]
    fn a_rest_held_after_the_end_was_announced_is_still_half_closed() {
        let (mut connection, peer) = connection();
        rustix::net::sockopt::set_socket_send_buffer_size(&connection, 4096).unwrap();
        socket::write(&peer, &[b'x'; 50_000]).unwrap();
        socket::shutdown_write(&peer).unwrap();
        let progress = connection.ready(ENDED, &mut vec![0; 1 << 16]);
        assert_eq!(progress.received_bytes, 50_000);
        assert!(matches!(progress.next, Next::Wait));
        assert!(matches!(connection.state, State::HalfClosed(Some(_))));
    }

    #[test]
    fn a_reset_is_a_quiet_end_whatever_the_state() {
        let mut scratch = vec![0; 1 << 16];
        let (mut open, peer) = connection();
        socket::write(&peer, b"x").unwrap();
        open.ready(READABLE, &mut scratch);
        drop(peer);
        let progress = open.ready(ENDED, &mut scratch);
        assert!(matches!(progress.next, Next::Finished(Ending::Reset)));
        let (mut draining, peer) = connection();
        fill(&mut draining, &peer, &mut scratch);
        drop(peer);
        for _ in 0..2 {
            let progress = draining.ready(ENDED, &mut scratch);
            assert!(matches!(progress.next, Next::Finished(Ending::Reset)));
        }
    }
}
