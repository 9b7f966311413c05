//! Standard input, without waiting and without std's hidden buffer.

use super::access::{Access, Handle};
use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::RecvFlags;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// What the node reads its lines from.
#[derive(Debug)]
pub(crate) struct Input {
    handle: Handle,
}

impl Input {
    /// Moves standard input away from fd 0.
    ///
    /// fd 0 then is /dev/null, so that neither a stray `stdin().read_line()` nor
    /// a child process can eat lines that are meant for the node, and so that a
    /// reopened pipe has no second reader that keeps its writers from EPIPE.
    pub(crate) fn take_stdin() -> io::Result<Input> {
        let explain = |what: &str, errno: Errno| {
            let kind = io::Error::from(errno).kind();
            io::Error::new(
                kind,
                format!("cannot take over standard input: {what}: {errno}"),
            )
        };
        let handle = Handle::share(rustix::stdio::stdin())
            .map_err(|errno| explain("no private descriptor for fd 0", errno))?;
        let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| explain("/dev/null does not open for reading", errno))?;
        rustix::stdio::dup2_stdin(&null)
            .map_err(|errno| explain("/dev/null does not take the place of fd 0", errno))?;
        Ok(Input { handle })
    }

    /// Reads from any descriptor, the way that standard input would be read.
    #[cfg(test)]
    pub(crate) fn from_fd(fd: std::os::fd::OwnedFd) -> io::Result<Input> {
        let handle = Handle::share(fd.as_fd())?;
        Ok(Input { handle })
    }

    /// Reads what is there: `Ok(0)` is end of file, `WouldBlock` means nothing yet.
    ///
    /// Never waits, except for the disk behind a regular file.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let fd = &self.handle.fd;
        let result = retry_on_intr(|| match self.handle.access {
            Access::Private | Access::Plain => rustix::io::read(fd, &mut *buffer),
            Access::Socket => {
                rustix::net::recv(fd, &mut *buffer, RecvFlags::DONTWAIT).map(|(count, _)| count)
            }
            Access::Gated => {
                self.handle.pass_gate(PollFlags::IN)?;
                rustix::io::read(fd, &mut *buffer)
            }
        });
        match result {
            // A terminal that was hung up says EIO where others say end of file.
            Err(Errno::IO) if self.handle.is_terminal => Ok(0),
            other => Ok(other?),
        }
    }

    /// Whether a read that did not fill its buffer proves that nothing is left
    /// and that whatever comes later, data or close, raises a new edge.
    ///
    /// Spares the read that would say `WouldBlock`. It proves nothing once a
    /// hang-up was reported: then the close has had its edge, so read to 0.
    pub(crate) fn short_read_is_drained(&self) -> bool {
        self.handle.is_stream
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.fd.as_fd()
    }
}

impl AsRawFd for Input {
    fn as_raw_fd(&self) -> RawFd {
        self.handle.fd.as_raw_fd()
    }
}
