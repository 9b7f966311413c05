//! Standard output and the diagnostics' stderr, without waiting and without panics.

use super::access::{Access, Handle};
use rustix::event::PollFlags;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::SendFlags;
use rustix::pipe::PIPE_BUF;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// What the node writes its lines to.
#[derive(Debug)]
pub(crate) struct Output {
    handle: Handle,
}

impl Output {
    /// Moves standard output away from fd 1.
    ///
    /// fd 1 then is a duplicate of fd 2: one stray `println!` in a handler would
    /// otherwise be a line that is no message, and mute the node for good.
    pub(crate) fn take_stdout() -> io::Result<Output> {
        let explain = |what: &str, errno: Errno| {
            let kind = io::Error::from(errno).kind();
            io::Error::new(
                kind,
                format!("cannot take over standard output: {what}: {errno}"),
            )
        };
        let handle = Handle::share(rustix::stdio::stdout())
            .map_err(|errno| explain("no private descriptor for fd 1", errno))?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())
            .map_err(|errno| explain("fd 2 does not take the place of fd 1", errno))?;
        Ok(Output { handle })
    }

    /// A second way to where fd 2 leads, for diagnostics; fd 2 stays as it is.
    ///
    /// Who writes here ignores failures: stderr may share a terminal or a full
    /// pipe with stdout, and a log line is not worth waiting for.
    pub(crate) fn open_stderr() -> io::Result<Output> {
        let handle = Handle::share(rustix::stdio::stderr())?;
        Ok(Output { handle })
    }

    /// Writes to any descriptor, the way that standard output would be written.
    #[cfg(test)]
    pub(crate) fn from_fd(fd: std::os::fd::OwnedFd) -> io::Result<Output> {
        let handle = Handle::share(fd.as_fd())?;
        Ok(Output { handle })
    }

    /// Writes what there is room for; `WouldBlock` means that there is none.
    ///
    /// Fewer bytes than given is no proof of a full pipe (a gated write is cut
    /// to PIPE_BUF): whoever waits for an edge writes until `WouldBlock` first.
    /// Never waits, except for the disk behind a regular file and for a terminal
    /// that can only be gated, whose room poll(2) does not measure.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let fd = &self.handle.fd;
        let result = retry_on_intr(|| match self.handle.access {
            Access::Private | Access::Plain => rustix::io::write(fd, bytes),
            Access::Socket => {
                rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            }
            Access::Gated => {
                self.handle.pass_gate(PollFlags::OUT)?;
                // A pipe is writable from one free page on, and PIPE_BUF bytes
                // are what POSIX promises to take whole: more could wait.
                rustix::io::write(fd, &bytes[..bytes.len().min(PIPE_BUF)])
            }
        });
        Ok(result?)
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.fd.as_fd()
    }
}

impl AsRawFd for Output {
    fn as_raw_fd(&self) -> RawFd {
        self.handle.fd.as_raw_fd()
    }
}
