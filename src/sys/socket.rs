//! TCP: socket, bind, listen, accept, connect, read, write, shutdown.
//!
//! Every socket is made non-blocking and close-on-exec. Its open file description is
//! ours alone, so it may have O_NONBLOCK. [`SocketAddr`] is used as plain data;
//! nothing else of std's or mio's networking is used.

use super::Descriptor;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::AddressFamily;
use std::io;
use std::net::SocketAddr;

/// How many connections the kernel completes before `accept` takes them. When this
/// queue is full, a client tries again after a second, so a burst of thousands must
/// fit. The kernel limits it to net.core.somaxconn, 4096 by default.
const LISTEN_BACKLOG: i32 = 4096;

/// The meaning of a failed `accept` for the listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AcceptFailure {
    /// The queue is empty; the next connection raises an edge.
    Empty,
    /// This connection broke while it was in the queue. The next one may be good.
    Skip,
    /// No descriptor or no memory is left, or the listener is broken. The queue keeps
    /// its connections, and no new edge comes for them.
    Stuck,
}

/// A listening socket on `address`; port 0 lets the kernel choose.
///
/// SO_REUSEADDR lets a restarted node use its port while old connections are in
/// TIME_WAIT. On Linux it does not let two listeners share a port. Accepted sockets
/// inherit TCP_NODELAY, which spares a call for each.
pub(crate) fn listen(address: SocketAddr) -> io::Result<Descriptor> {
    let fd = new_socket(address)?;
    fd.set_reuse_address()?;
    fd.bind(address)?;
    fd.listen(LISTEN_BACKLOG)?;
    Ok(fd)
}

/// Takes the next connection out of the listener's queue; see [`AcceptFailure`].
pub(crate) fn accept(listener: &Descriptor) -> io::Result<Descriptor> {
    Ok(listener.accept()?)
}

/// The meaning of an error of [`accept`].
///
/// On Linux `accept` also returns errors of the new connection. accept(2) lists them
/// and says to try again.
pub(crate) fn accept_failure(error: &io::Error) -> AcceptFailure {
    match Errno::from_io_error(error) {
        Some(Errno::WOULDBLOCK) => AcceptFailure::Empty,
        Some(
            Errno::CONNABORTED
            | Errno::INTR
            | Errno::PROTO
            | Errno::PERM
            | Errno::NETDOWN
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::NONET
            | Errno::HOSTUNREACH
            | Errno::OPNOTSUPP
            | Errno::NETUNREACH
            | Errno::TIMEDOUT,
        ) => AcceptFailure::Skip,
        _ => AcceptFailure::Stuck,
    }
}

/// Whether an error says that the process has all the descriptors that it may have.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::MFILE)
}

/// Another descriptor of the same socket.
pub(crate) fn copy(fd: &Descriptor) -> io::Result<Descriptor> {
    Ok(fd.copy()?)
}

/// Starts to connect. [`connect_result`] returns the result, after an edge.
pub(crate) fn connect(address: SocketAddr) -> io::Result<Descriptor> {
    let fd = new_socket(address)?;
    match fd.connect(address) {
        // An interrupted connect goes on in the background.
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(fd),
        Err(errno) => Err(errno.into()),
    }
}

/// The result of a connect; `WouldBlock` while it is still under way.
///
/// SO_ERROR decides and not the event, which may be spurious. SO_ERROR is also 0
/// before there is an answer. getpeername tells these two cases apart.
pub(crate) fn connect_result(fd: &Descriptor) -> io::Result<()> {
    fd.take_error()?;
    match fd.has_peer() {
        Err(Errno::NOTCONN) => Err(Errno::WOULDBLOCK.into()),
        Err(errno) => Err(errno.into()),
        Ok(()) => Ok(()),
    }
}

/// The addresses of a host by its name. It blocks for as long as the system's resolver does.
pub(crate) fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(std::net::ToSocketAddrs::to_socket_addrs(&(host, port))?.collect())
}

/// Reads the bytes that are there. `Ok(0)` means that the peer has ended its side,
/// `WouldBlock` that there are none yet.
pub(crate) fn read(fd: &Descriptor, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| fd.read(buffer))?)
}

/// Writes the bytes for which there is room. A short write means that the socket is
/// full, and that new room raises an edge.
pub(crate) fn write(fd: &Descriptor, bytes: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| fd.send(bytes))?)
}

/// Half-closes: the peer reads until the end, and can still write.
pub(crate) fn shutdown_write(fd: &Descriptor) -> io::Result<()> {
    Ok(fd.shutdown_write()?)
}

/// The address of the socket, with the port that the kernel chose.
pub(crate) fn local_address(fd: &Descriptor) -> io::Result<SocketAddr> {
    Ok(fd.local_address()?)
}

/// A new socket with TCP_NODELAY. Without it an echo in several small writes waits up
/// to 40 ms for the peer's delayed ACK.
fn new_socket(address: SocketAddr) -> io::Result<Descriptor> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let fd = Descriptor::socket(family)?;
    fd.set_no_delay()?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing::await_any;
    use rustix::event::PollFlags;
    use rustix::fs::OFlags;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn any_port(ip: impl Into<IpAddr>) -> SocketAddr {
        SocketAddr::new(ip.into(), 0)
    }

    fn connected(listener: &Descriptor) -> (Descriptor, Descriptor) {
        let client = connect(local_address(listener).unwrap()).unwrap();
        await_any(listener, PollFlags::IN);
        let server = accept(listener).unwrap();
        await_any(&client, PollFlags::OUT);
        connect_result(&client).unwrap();
        (client, server)
    }

    #[test]
    fn bytes_go_there_and_back_on_both_families() {
        for ip in [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            Ipv6Addr::LOCALHOST.into(),
        ] {
            let listener = match listen(any_port(ip)) {
                Ok(listener) => listener,
                // A container may have no IPv6 at all.
                Err(error) if ip.is_ipv6() => {
                    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            let (client, server) = connected(&listener);
            assert_eq!(write(&client, b"ping").unwrap(), 4);
            shutdown_write(&client).unwrap();
            await_any(&server, PollFlags::RDHUP);
            let mut buffer = [0; 8];
            assert_eq!(read(&server, &mut buffer).unwrap(), 4);
            assert_eq!(read(&server, &mut buffer).unwrap(), 0);
            assert_eq!(write(&server, &buffer[..4]).unwrap(), 4, "half-closed only");
        }
    }

    #[test]
    fn every_socket_is_non_blocking_and_close_on_exec() {
        let listener = listen(any_port(Ipv4Addr::LOCALHOST)).unwrap();
        let empty = accept(&listener).unwrap_err();
        assert_eq!(accept_failure(&empty), AcceptFailure::Empty);
        let (client, server) = connected(&listener);
        for fd in [&listener, &client, &server] {
            let flags = rustix::fs::fcntl_getfl(fd).unwrap();
            assert!(flags.contains(OFlags::NONBLOCK));
            let flags = rustix::io::fcntl_getfd(fd).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        assert!(
            rustix::net::sockopt::tcp_nodelay(&server).unwrap(),
            "inherited"
        );
    }

    #[test]
    fn gotcha_17_so_error_decides_over_a_connection() {
        // A bound port that does not listen: no other socket gets it, and none answers.
        let bound = new_socket(any_port(Ipv4Addr::LOCALHOST)).unwrap();
        bound.bind(any_port(Ipv4Addr::LOCALHOST)).unwrap();
        let refused = connect(local_address(&bound).unwrap()).and_then(|fd| {
            await_any(&fd, PollFlags::OUT);
            connect_result(&fd)
        });
        assert_eq!(
            refused.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        let unconnected = new_socket(any_port(Ipv4Addr::LOCALHOST)).unwrap();
        let undecided = connect_result(&unconnected).unwrap_err();
        assert_eq!(undecided.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn gotcha_11_errors_of_accept_are_told_apart() {
        let judge = |errno: Errno| accept_failure(&io::Error::from(errno));
        for errno in [
            Errno::CONNABORTED,
            Errno::INTR,
            Errno::PROTO,
            Errno::NETDOWN,
        ] {
            assert_eq!(judge(errno), AcceptFailure::Skip);
        }
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::BADF,
        ] {
            assert_eq!(judge(errno), AcceptFailure::Stuck);
        }
    }
}
