//! The listening socket: takes connections in, and survives every answer of `accept`.

use crate::source::{Next, Progress, Readiness, Reason};
use crate::sys::Descriptor;
use crate::sys::socket::{self, AcceptFailure};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// How many connections are taken in one turn: 64, half a millisecond's work, so that
/// many new clients do not starve those that are already connected. redis takes 10 by
/// default, and needs more turns for a burst, with an `epoll_wait` each.
pub(crate) const ACCEPTS_PER_TURN: usize = 64;

/// After how long a paused listener tries again, even if no connection was closed here:
/// 100 ms. Another process may have given descriptors back. The attempts cost next to
/// nothing, and a client hardly notices the delay.
pub(crate) const ACCEPT_RETRY_MS: u64 = 100;

/// A listening socket.
///
/// ```text
///               accept: a connection
///               +---------------+
///               v               |      the queue is empty
///   edge -->  accepting --------+----------------------------> waits for an edge
///   retry -->   |    |          |  ACCEPTS_PER_TURN taken
///               |    +----------+----------------------------> carried over
///               |  no descriptor, no memory, no room
///               +--------------------------------------------> paused
/// ```
///
/// A paused listener answers that it waits, but no edge will come for the clients
/// that are in the kernel's queue already. Its owner serves it again when a
/// connection has closed, and every [`ACCEPT_RETRY_MS`].
///
/// libuv keeps a spare descriptor. When there is no other, it accepts a client with
/// it and closes it at once; the client sees a reset. Pausing, as nginx does, leaves
/// clients in the queue, where they are served once there is room.
#[derive(Debug)]
pub(crate) struct Listener {
    fd: Descriptor,
    address: SocketAddr,
    /// Why the last attempt got stuck, if it did.
    paused_by: Option<io::Error>,
    /// For the clients in the queue that are the node's own.
    reserve: DescriptorReserve,
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
                paused_by: None,
                reserve: DescriptorReserve::default(),
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

    /// Why it is paused, if it is.
    pub(super) fn paused_by(&self) -> Option<&io::Error> {
        self.paused_by.as_ref()
    }

    /// Keeps one more descriptor for a client of the node's own.
    pub(super) fn reserve(&mut self) -> io::Result<()> {
        self.reserve.keep(&self.fd)
    }

    /// Keeps no more descriptors than the node has clients of its own.
    pub(super) fn reserve_at_most(&mut self, clients: usize) {
        self.reserve.keep_at_most(clients);
    }

    /// Hands at most `room` new connections to `take`, bounded for the turn.
    pub(super) fn accept(
        &mut self,
        readiness: Readiness,
        room: usize,
        take: impl FnMut(Descriptor),
    ) -> Progress {
        let mut left = readiness;
        let next = match left.is_readable() {
            true => self.accept_queued(&mut left, room, take),
            false => Next::Wait,
        };
        self.reserve.replace_unused(&self.fd);
        Progress {
            received_bytes: 0,
            used_up: readiness.without(left),
            next,
        }
    }

    fn accept_queued(
        &mut self,
        left: &mut Readiness,
        room: usize,
        mut take: impl FnMut(Descriptor),
    ) -> Next {
        self.paused_by = None;
        let mut taken = 0;
        for _ in 0..ACCEPTS_PER_TURN {
            if taken == room {
                return self.pause(io::Error::other(
                    "the server is full; clients wait in the queue until one leaves",
                ));
            }
            match socket::accept(&self.fd) {
                Ok(fd) => {
                    self.reserve.was_used();
                    taken += 1;
                    take(fd);
                }
                Err(error) => match socket::accept_failure(&error) {
                    AcceptFailure::Skip => {}
                    AcceptFailure::Empty => {
                        left.remove(Readiness::READABLE);
                        return Next::Wait;
                    }
                    AcceptFailure::Stuck if self.reserve.release_for(&error) => {}
                    AcceptFailure::Stuck => return self.pause(error),
                },
            }
        }
        Next::CarryOver(Reason::BoundReached)
    }

    /// It waits, with readable left: its owner's retry serves it again.
    fn pause(&mut self, reason: io::Error) -> Next {
        self.paused_by = Some(reason);
        Next::Wait
    }
}

/// Descriptors kept to accept the node's own clients with.
///
/// Both ends of an exchange of the node with itself are in this process. If clients took
/// every descriptor, they would wait for a server that has none left to accept them
/// with, until their deadlines end that. So each exchange begins with two descriptors:
/// its own, and one that is kept here until `accept` fails for want of it. That costs a
/// `dup` and a `close` for each exchange.
///
/// The first client in the queue is accepted with it, which may be an outside client.
/// Then the exchange waits for a descriptor like all others.
#[derive(Debug, Default)]
struct DescriptorReserve {
    kept: Vec<Descriptor>,
    /// One was released, and no client has been accepted since.
    is_unused: bool,
}

impl DescriptorReserve {
    /// Keeps one more: a copy of `fd`, which is never used itself.
    fn keep(&mut self, fd: &Descriptor) -> io::Result<()> {
        self.kept.push(socket::copy(fd)?);
        Ok(())
    }

    /// Closes those that exceed the number of exchanges.
    fn keep_at_most(&mut self, exchanges: usize) {
        self.kept.truncate(exchanges);
    }

    /// Closes one, if `accept` failed because the process has no descriptor left.
    /// Returns whether it is worth another attempt.
    fn release_for(&mut self, error: &io::Error) -> bool {
        if self.is_unused || !socket::is_out_of_descriptors(error) {
            return false;
        }
        self.is_unused = self.kept.pop().is_some();
        self.is_unused
    }

    /// A client was accepted with the released descriptor.
    fn was_used(&mut self) {
        self.is_unused = false;
    }

    /// Keeps a descriptor in place of a released one that no client used. The released one
    /// may be unused because no client waited, or because the turn reached its bound.
    fn replace_unused(&mut self, fd: &Descriptor) {
        if std::mem::take(&mut self.is_unused) {
            // The descriptor was free a moment ago, and this is the only thread. If the
            // copy fails all the same, an exchange waits until another one ends.
            let _kept = self.keep(fd);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing::{self, await_any};
    use rustix::event::PollFlags;
    use rustix::process::{Resource, getrlimit, setrlimit};
    use std::net::Ipv4Addr;

    fn listener() -> Listener {
        Listener::bind(Ipv4Addr::LOCALHOST.into(), 0).unwrap()
    }

    /// So many clients, with established connections.
    fn clients(listener: &Listener, count: usize) -> Vec<Descriptor> {
        let clients: Vec<Descriptor> = (0..count)
            .map(|_| socket::connect(listener.address()).unwrap())
            .collect();
        for client in &clients {
            await_any(client, PollFlags::OUT);
        }
        clients
    }

    /// The queue is empty, and the next connection raises an edge.
    fn assert_is_idle(progress: &Progress) {
        assert!(matches!(progress.next, Next::Wait));
        assert_eq!(progress.used_up, Readiness::READABLE);
    }

    /// The queue may hold clients, and stays readable for the owner's retry.
    fn assert_is_paused(listener: &Listener, progress: &Progress) {
        assert!(listener.paused_by().is_some());
        assert!(matches!(progress.next, Next::Wait));
        assert_eq!(progress.used_up, Readiness::NONE);
    }

    #[test]
    fn a_port_in_use_is_told_from_the_rest() {
        let first = listener();
        let port = first.address().port();
        let error = Listener::bind(Ipv4Addr::LOCALHOST.into(), port).unwrap_err();
        assert!(matches!(error, StartError::PortInUse { .. }), "{error}");
        assert!(error.to_string().contains(&first.address().to_string()));
        // No machine has an address of TEST-NET-1.
        let error = Listener::bind(Ipv4Addr::new(192, 0, 2, 1).into(), 0).unwrap_err();
        assert!(matches!(error, StartError::Failed { .. }), "{error}");
    }

    #[test]
    fn gotcha_12_accepts_are_bounded_in_a_turn() {
        let mut listener = listener();
        let clients = clients(&listener, 2 * ACCEPTS_PER_TURN + 1);
        let mut total = 0;
        while total < clients.len() {
            await_any(&listener, PollFlags::IN);
            let mut taken = 0;
            let progress = listener.accept(Readiness::READABLE, usize::MAX, |_| taken += 1);
            assert!(taken <= ACCEPTS_PER_TURN);
            let is_carried = matches!(progress.next, Next::CarryOver(_));
            assert_eq!(is_carried, taken == ACCEPTS_PER_TURN);
            total += taken;
        }
        let progress = listener.accept(Readiness::READABLE, usize::MAX, |_| panic!("one too many"));
        assert_is_idle(&progress);
    }

    #[test]
    fn a_full_server_pauses_and_goes_on_when_there_is_room() {
        let mut listener = listener();
        let _clients = clients(&listener, 2);
        let mut taken = vec![];
        await_any(&listener, PollFlags::IN);
        let progress = listener.accept(Readiness::READABLE, 1, |fd| taken.push(fd));
        assert_is_paused(&listener, &progress);
        let progress = listener.accept(Readiness::READABLE, 0, |_| panic!("no room"));
        assert_is_paused(&listener, &progress);
        await_any(&listener, PollFlags::IN);
        let progress = listener.accept(Readiness::READABLE, 2, |fd| taken.push(fd));
        assert_is_idle(&progress);
        assert!(listener.paused_by().is_none());
        assert_eq!(taken.len(), 2);
    }

    #[test]
    fn gotcha_11_without_descriptors_the_queue_waits_for_one() {
        const TEST: &str = concat!(
            module_path!(),
            "::gotcha_11_without_descriptors_the_queue_waits_for_one"
        );
        if !testing::is_child(TEST) {
            let child = testing::in_child(TEST).output().unwrap();
            let stderr = String::from_utf8_lossy(&child.stderr);
            assert!(child.status.success(), "{stderr}");
            return;
        }
        let mut listener = listener();
        let mut clients = clients(&listener, 3);
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = Some(u64::try_from(clients[2].as_raw_fd()).unwrap() + 1);
        setrlimit(Resource::Nofile, limit).unwrap();
        let progress = listener.accept(Readiness::READABLE, 8, |_| panic!("taken"));
        assert_is_paused(&listener, &progress);
        let error = listener.paused_by().unwrap();
        assert!(error.to_string().contains("files"), "{error}");
        let mut taken = vec![];
        clients.pop();
        let progress = listener.accept(Readiness::READABLE, 8, |fd| taken.push(fd));
        assert_is_paused(&listener, &progress);
        assert_eq!(taken.len(), 1, "the first in the queue");
        clients.clear();
        while taken.len() < 3 {
            listener.accept(Readiness::READABLE, 8, |fd| taken.push(fd));
        }
    }
}
