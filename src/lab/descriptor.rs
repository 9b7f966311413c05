//! The descriptor of `sys`: one of the real kernel or of a simulated one.

use super::kernel::{self, with};
use crate::sys::RealDescriptor as Real;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::AddressFamily;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Stands in the place of `sys::descriptor::Descriptor`, with the same functions.
///
/// They are visible in the whole crate, since this room is no part of `sys`. The
/// rule stays that `sys` alone calls them.
#[derive(Debug)]
pub(crate) enum Descriptor {
    Real(Real),
    Simulated(Number),
}

/// A descriptor in the table of the simulated kernel, closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Number(RawFd);

impl Drop for Number {
    fn drop(&mut self) {
        kernel::with_if_possible(|kernel| kernel.close(self.0));
    }
}

impl Descriptor {
    /// Takes over the simulated descriptor of that number. Nothing else may close it.
    pub(crate) fn simulated(fd: RawFd) -> Descriptor {
        Descriptor::Simulated(Number(fd))
    }

    pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> Result<Descriptor, Errno> {
        Real::duplicate(fd).map(Descriptor::Real)
    }

    pub(crate) fn copy(&self) -> Result<Descriptor, Errno> {
        match self {
            Descriptor::Real(fd) => fd.copy().map(Descriptor::Real),
            Descriptor::Simulated(fd) => {
                with(|kernel| kernel.copy(fd.0)).map(Descriptor::simulated)
            }
        }
    }

    pub(crate) fn socket(family: AddressFamily) -> Result<Descriptor, Errno> {
        if kernel::is_installed() {
            with(|kernel| kernel.socket()).map(Descriptor::simulated)
        } else {
            Real::socket(family).map(Descriptor::Real)
        }
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Descriptor::Real(fd) => fd.read(buffer),
            Descriptor::Simulated(fd) => with(|kernel| kernel.read(fd.0, buffer)),
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self {
            Descriptor::Real(fd) => fd.write(bytes),
            Descriptor::Simulated(fd) => with(|kernel| kernel.write(fd.0, bytes)),
        }
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Descriptor::Real(fd) => fd.receive(buffer),
            Descriptor::Simulated(_) => self.read(buffer),
        }
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self {
            Descriptor::Real(fd) => fd.send(bytes),
            Descriptor::Simulated(_) => self.write(bytes),
        }
    }

    pub(crate) fn poll(&self, wanted: PollFlags) -> Result<bool, Errno> {
        match self {
            Descriptor::Real(fd) => fd.poll(wanted),
            Descriptor::Simulated(fd) => with(|kernel| kernel.poll(fd.0, wanted)),
        }
    }

    pub(crate) fn set_reuse_address(&self) -> Result<(), Errno> {
        match self {
            Descriptor::Real(fd) => fd.set_reuse_address(),
            Descriptor::Simulated(_) => Ok(()),
        }
    }

    pub(crate) fn set_no_delay(&self) -> Result<(), Errno> {
        match self {
            Descriptor::Real(fd) => fd.set_no_delay(),
            Descriptor::Simulated(_) => Ok(()),
        }
    }

    pub(crate) fn bind(&self, address: SocketAddr) -> Result<(), Errno> {
        match self {
            Descriptor::Real(fd) => fd.bind(address),
            Descriptor::Simulated(fd) => with(|kernel| kernel.bind(fd.0, address.port())),
        }
    }

    pub(crate) fn listen(&self, backlog: i32) -> Result<(), Errno> {
        match self {
            Descriptor::Real(fd) => fd.listen(backlog),
            Descriptor::Simulated(fd) => with(|kernel| kernel.listen(fd.0)),
        }
    }

    pub(crate) fn accept(&self) -> Result<Descriptor, Errno> {
        match self {
            Descriptor::Real(fd) => fd.accept().map(Descriptor::Real),
            Descriptor::Simulated(fd) => {
                with(|kernel| kernel.accept(fd.0)).map(Descriptor::simulated)
            }
        }
    }

    pub(crate) fn connect(&self, address: SocketAddr) -> Result<(), Errno> {
        match self {
            Descriptor::Real(fd) => fd.connect(address),
            Descriptor::Simulated(fd) => with(|kernel| kernel.connect(fd.0, address.port())),
        }
    }

    pub(crate) fn take_error(&self) -> Result<(), Errno> {
        match self {
            Descriptor::Real(fd) => fd.take_error(),
            Descriptor::Simulated(fd) => with(|kernel| kernel.take_error(fd.0)),
        }
    }

    pub(crate) fn has_peer(&self) -> Result<(), Errno> {
        match self {
            Descriptor::Real(fd) => fd.has_peer(),
            Descriptor::Simulated(fd) => with(|kernel| kernel.has_peer(fd.0)),
        }
    }

    pub(crate) fn local_address(&self) -> Result<SocketAddr, Errno> {
        match self {
            Descriptor::Real(fd) => fd.local_address(),
            Descriptor::Simulated(fd) => with(|kernel| kernel.local_address(fd.0)),
        }
    }

    pub(crate) fn shutdown_write(&self) -> Result<(), Errno> {
        match self {
            Descriptor::Real(fd) => fd.shutdown_write(),
            Descriptor::Simulated(fd) => with(|kernel| kernel.shutdown_write(fd.0)),
        }
    }

    pub(crate) fn file_id(&self) -> Result<(u64, u64), Errno> {
        match self {
            Descriptor::Real(fd) => fd.file_id(),
            Descriptor::Simulated(fd) => with(|kernel| kernel.file_id(fd.0)),
        }
    }
}

impl From<OwnedFd> for Descriptor {
    fn from(fd: OwnedFd) -> Descriptor {
        Descriptor::Real(fd.into())
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Descriptor::Real(fd) => fd.as_fd(),
            Descriptor::Simulated(fd) => panic!("{fd:?} cannot be lent to the real kernel"),
        }
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Descriptor::Real(fd) => fd.as_raw_fd(),
            Descriptor::Simulated(fd) => fd.0,
        }
    }
}
