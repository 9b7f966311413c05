//! The calls of the loop on its descriptors, one function each.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::sockopt::{set_socket_reuseaddr, set_tcp_nodelay, socket_error};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, ipproto,
};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// The first descriptor number that is not a standard stream's.
const FIRST_PRIVATE_FD: i32 = 3;

/// A descriptor that is ours alone, closed when it is dropped.
///
/// Each function is one system call and nothing else, and its errors are the
/// kernel's own. The lab replaces this type by one with the same functions, which
/// can call a simulated kernel instead. So every call of the loop on a descriptor
/// must be a function of this type, and only this room calls them.
#[derive(Debug)]
pub(crate) struct Descriptor(OwnedFd);

impl Descriptor {
    /// A close-on-exec copy of `fd`, never one of the standard streams' numbers.
    pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> Result<Descriptor, Errno> {
        fcntl_dupfd_cloexec(fd, FIRST_PRIVATE_FD).map(Descriptor)
    }

    /// As [`Descriptor::duplicate`], of one that is ours.
    pub(crate) fn copy(&self) -> Result<Descriptor, Errno> {
        Descriptor::duplicate(self.as_fd())
    }

    /// A TCP socket, non-blocking and close-on-exec.
    pub(crate) fn socket(family: AddressFamily) -> Result<Descriptor, Errno> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let tcp = Some(ipproto::TCP);
        rustix::net::socket_with(family, SocketType::STREAM, flags, tcp).map(Descriptor)
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::read(&self.0, buffer)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::io::write(&self.0, bytes)
    }

    /// recv(2) with MSG_DONTWAIT.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        rustix::net::recv(&self.0, buffer, RecvFlags::DONTWAIT).map(|(count, _)| count)
    }

    /// send(2) with MSG_DONTWAIT and MSG_NOSIGNAL.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::net::send(&self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
    }

    /// poll(2) without waiting. Returns whether it reports anything.
    pub(crate) fn poll(&self, wanted: PollFlags) -> Result<bool, Errno> {
        const AT_ONCE: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&self.0, wanted)];
        Ok(poll(&mut fds, Some(&AT_ONCE))? > 0)
    }

    pub(crate) fn set_reuse_address(&self) -> Result<(), Errno> {
        set_socket_reuseaddr(&self.0, true)
    }

    pub(crate) fn set_no_delay(&self) -> Result<(), Errno> {
        set_tcp_nodelay(&self.0, true)
    }

    pub(crate) fn bind(&self, address: SocketAddr) -> Result<(), Errno> {
        rustix::net::bind(&self.0, &address)
    }

    pub(crate) fn listen(&self, backlog: i32) -> Result<(), Errno> {
        rustix::net::listen(&self.0, backlog)
    }

    /// A connection, non-blocking and close-on-exec.
    pub(crate) fn accept(&self) -> Result<Descriptor, Errno> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        rustix::net::accept_with(&self.0, flags).map(Descriptor)
    }

    pub(crate) fn connect(&self, address: SocketAddr) -> Result<(), Errno> {
        rustix::net::connect(&self.0, &address)
    }

    /// Reads SO_ERROR, which clears it.
    pub(crate) fn take_error(&self) -> Result<(), Errno> {
        socket_error(&self.0)?
    }

    /// getpeername(2), to learn whether there is a peer.
    pub(crate) fn has_peer(&self) -> Result<(), Errno> {
        rustix::net::getpeername(&self.0).map(|_| ())
    }

    pub(crate) fn local_address(&self) -> Result<SocketAddr, Errno> {
        SocketAddr::try_from(rustix::net::getsockname(&self.0)?)
    }

    pub(crate) fn shutdown_write(&self) -> Result<(), Errno> {
        rustix::net::shutdown(&self.0, Shutdown::Write)
    }

    /// Device and inode, which together identify a file.
    pub(crate) fn file_id(&self) -> Result<(u64, u64), Errno> {
        let stat = rustix::fs::fstat(&self.0)?;
        Ok((stat.st_dev, stat.st_ino))
    }
}

impl From<OwnedFd> for Descriptor {
    fn from(fd: OwnedFd) -> Descriptor {
        Descriptor(fd)
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
