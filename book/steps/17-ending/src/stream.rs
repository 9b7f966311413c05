//! Inherited descriptors: read and written without waiting, and without harm to the
//! processes that share them.

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{fcntl_dupfd_cloexec, read, write};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::termios::isatty;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The side of the stream that we need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Read,
    Write,
}

/// The way to use a descriptor without waiting.
///
/// ```text
///  kind of file                  access    our descriptor    calls                ready
///  ----------------------------  --------  ----------------  -------------------  ---------
///  pipe, terminal                Private   opened again,     read, write          by edges
///                                          with O_NONBLOCK
///  socket                        Socket    a duplicate       recv, send DONTWAIT  by edges
///  file, /dev/null, all others   Plain     a duplicate       read, write          always
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Private,
    Socket,
    Plain,
}

/// A stream of our own on a descriptor that is shared.
pub struct Stream {
    fd: OwnedFd,
    access: Access,
}

impl Stream {
    /// Leaves the shared descriptor, and the mode of its description, as they are.
    pub fn open(shared: BorrowedFd<'_>, direction: Direction) -> io::Result<Stream> {
        let access = access_to(shared)?;
        let fd = match access {
            Access::Private => open_again(shared, direction)?,
            Access::Socket | Access::Plain => fcntl_dupfd_cloexec(shared, 3)?,
        };
        Ok(Stream { fd, access })
    }

    /// `WouldBlock`: nothing is there yet. 0 bytes: the end.
    pub fn read(&self, chunk: &mut [u8]) -> io::Result<usize> {
        Ok(match self.access {
            Access::Private | Access::Plain => read(&self.fd, chunk)?,
            Access::Socket => recv(&self.fd, chunk, RecvFlags::DONTWAIT)?.0,
        })
    }

    /// `WouldBlock`: there is no room.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(match self.access {
            Access::Private | Access::Plain => write(&self.fd, bytes)?,
            Access::Socket => send(&self.fd, bytes, SendFlags::DONTWAIT)?,
        })
    }

    /// epoll refuses it (`EPERM`): it needs no edges, and must be treated as ready.
    pub fn is_always_ready(&self) -> bool {
        self.access == Access::Plain
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// See the table at [`Access`].
fn access_to(shared: BorrowedFd<'_>) -> io::Result<Access> {
    Ok(match FileType::from_raw_mode(fstat(shared)?.st_mode) {
        FileType::Fifo => Access::Private,
        FileType::CharacterDevice if isatty(shared) => Access::Private,
        FileType::Socket => Access::Socket,
        _ => Access::Plain,
    })
}

/// A new description of the same pipe or terminal: its flags are ours alone.
fn open_again(shared: BorrowedFd<'_>, direction: Direction) -> io::Result<OwnedFd> {
    let side = match direction {
        Direction::Read => OFlags::RDONLY,
        Direction::Write => OFlags::WRONLY,
    };
    let flags = side | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let path = format!("/proc/self/fd/{}", shared.as_raw_fd());
    Ok(open(path, flags, Mode::empty())?)
}
