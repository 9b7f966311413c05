//! How a descriptor that was handed to us can be used without ever waiting.

use super::Descriptor;
use rustix::event::{PollFlags, epoll};
use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fstat, major, minor, open};
use rustix::io::Errno;
use rustix::net::SocketType;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// `/dev/ptmx`: to open it again does not reach the same terminal, it makes a new one.
const PTMX_DEVICE: (u32, u32) = (5, 2);

/// Who guards a read or a write against waiting.
///
/// ```text
///  what the descriptor is                  access    a call costs
///  ------------------------------------    -------   ------------------------------
///  pipe, terminal                          Private   read or write
///      reopened through /proc/self/fd/N with O_NONBLOCK: a description of our own
///  socket                                  Socket    recv or send, with DONTWAIT
///      cannot be reopened (ENXIO), but takes the wish with each call
///  regular file, block device, directory,  Plain     read or write; a disk may be slow
///  device that epoll refuses (/dev/null)
///      always ready; reopening would lose the shared offset and O_APPEND
///  everything else; a pipe or terminal     Gated     poll, then read or write
///  that cannot be reopened (no /proc,
///  EACCES, ENXIO, packet mode, a pty's
///  master)
///      asks poll(2) first. Whoever shares the description can take the data, or the
///      room, between the two calls; then the call waits until there is more.
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Private,
    Socket,
    Plain,
    Gated,
}

/// A descriptor of our own, and what was found out about it.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) fd: Descriptor,
    pub(super) access: Access,
    /// Bytes without boundaries, with an edge for whatever comes after an
    /// emptying read: a pipe that is not in packet mode, or a stream socket.
    pub(super) is_stream: bool,
    pub(super) is_terminal: bool,
}

impl Handle {
    /// A close-on-exec descriptor of our own for the file behind `shared`.
    /// `shared` itself and its description stay as they are.
    pub(super) fn share(shared: BorrowedFd<'_>) -> Result<Handle, Errno> {
        let stat = fstat(shared)?;
        let flags = fcntl_getfl(shared)?;
        let file_type = FileType::from_raw_mode(stat.st_mode);
        let is_terminal = file_type == FileType::CharacterDevice && rustix::termios::isatty(shared);
        let is_stream = match file_type {
            // O_DIRECT is packet mode: each read ends with a packet. It belongs
            // to the writer's description; a mere reader cannot see it.
            FileType::Fifo => !flags.contains(OFlags::DIRECT),
            FileType::Socket => rustix::net::sockopt::socket_type(shared)? == SocketType::STREAM,
            _ => false,
        };
        let device = (major(stat.st_rdev), minor(stat.st_rdev));
        let may_reopen = file_type == FileType::Fifo || (is_terminal && device != PTMX_DEVICE);
        let reopened = if may_reopen {
            reopen(shared, flags).ok()
        } else {
            None
        };
        let (fd, access) = match (reopened, file_type) {
            (Some(fd), _) => (fd.into(), Access::Private),
            (None, FileType::Socket) => (Descriptor::duplicate(shared)?, Access::Socket),
            (None, FileType::RegularFile | FileType::BlockDevice | FileType::Directory) => {
                (Descriptor::duplicate(shared)?, Access::Plain)
            }
            (None, FileType::CharacterDevice) if !is_terminal && epoll_refuses(shared) => {
                (Descriptor::duplicate(shared)?, Access::Plain)
            }
            (None, _) => (Descriptor::duplicate(shared)?, Access::Gated),
        };
        Ok(Handle {
            fd,
            access,
            is_stream,
            is_terminal,
        })
    }

    /// What [`Handle::share`] would make of a stream of that shape.
    #[cfg(any(test, feature = "lab"))]
    pub(super) fn simulated(fd: std::os::fd::RawFd, shape: crate::lab::Shape) -> Handle {
        use crate::lab::Shape;
        let access = match shape {
            Shape::Pipe => Access::Private,
            Shape::GatedPipe => Access::Gated,
            Shape::Socket => Access::Socket,
            Shape::File => Access::Plain,
        };
        Handle {
            fd: Descriptor::simulated(fd),
            access,
            is_stream: shape != Shape::File,
            is_terminal: false,
        }
    }

    /// The gate of [`Access::Gated`]: passes when poll(2) reports anything at
    /// all, for an error or a hang-up is told by the call that follows.
    pub(super) fn pass_gate(&self, wanted: PollFlags) -> Result<(), Errno> {
        match self.fd.poll(wanted)? {
            false => Err(Errno::WOULDBLOCK),
            true => Ok(()),
        }
    }
}

/// Holds that bytes can go through a standard stream in the wanted direction at
/// all; `useless` is the access mode that only has the other one. Such a
/// descriptor is never ready, and the node would wait for ever without a word.
pub(super) fn check(fd: BorrowedFd<'_>, useless: OFlags) -> Result<(), (&'static str, Errno)> {
    let flags = fcntl_getfl(fd).map_err(|errno| ("its flags cannot be read", errno))?;
    if flags.contains(OFlags::PATH) {
        return Err(("it names a file and does not open it", Errno::BADF));
    }
    if flags & OFlags::ACCMODE == useless {
        let why = match useless {
            OFlags::WRONLY => "it is open for writing only",
            _ => "it is open for reading only",
        };
        return Err((why, Errno::BADF));
    }
    if rustix::net::sockopt::socket_acceptconn(fd) == Ok(true) {
        let why = "it is a socket that listens; hand over one of its connections";
        return Err((why, Errno::NOTCONN));
    }
    Ok(())
}

/// A private, non-blocking description of the same pipe or terminal.
///
/// The access mode is kept: a FIFO that was opened for both directions so that
/// it never ends must not end for us. So is packet mode, whose packets the reader
/// sees; Linux refuses to open a pipe in it (EINVAL), so that such a one is gated.
fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    let kept = flags & (OFlags::ACCMODE | OFlags::DIRECT);
    open(
        format!("/proc/self/fd/{}", fd.as_raw_fd()),
        // NOCTTY: a node started without a controlling terminal must not gain one.
        kept | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Whether the reactor will find this descriptor "always ready". Asked of epoll
/// itself rather than of a list of devices; three system calls, once at start.
fn epoll_refuses(fd: BorrowedFd<'_>) -> bool {
    let refused = epoll::create(epoll::CreateFlags::CLOEXEC).and_then(|probe| {
        epoll::add(
            probe.as_fd(),
            fd,
            epoll::EventData::new_u64(0),
            epoll::EventFlags::IN,
        )
    });
    refused == Err(Errno::PERM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing;

    fn access(fd: impl AsFd) -> Access {
        Handle::share(fd.as_fd()).unwrap().access
    }

    #[test]
    fn each_kind_of_descriptor_has_its_access() {
        let (read, write) = testing::pipe();
        let (master, terminal) = testing::terminal();
        let (socket, _peer) = testing::socket_pair(SocketType::STREAM);
        assert_eq!(access(&read), Access::Private);
        assert_eq!(access(&write), Access::Private);
        assert_eq!(access(&terminal), Access::Private);
        assert_eq!(access(&master), Access::Gated, "a pty's master");
        assert_eq!(access(&socket), Access::Socket);
        assert_eq!(access(testing::file()), Access::Plain);
        assert_eq!(access(testing::device("/dev/null")), Access::Plain);
        assert_eq!(access(testing::device("/dev/zero")), Access::Plain);
        let eventfd = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).unwrap();
        assert_eq!(access(eventfd), Access::Gated);
    }

    #[test]
    fn what_cannot_be_reopened_is_gated() {
        let name = format!("eddyline-test-fifo-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let both = open(&path, OFlags::RDWR, Mode::empty()).unwrap();
        let write = open(&path, OFlags::WRONLY, Mode::empty()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(access(&write), Access::Private);
        drop(both);
        // ENXIO: to open a FIFO for writing without waiting takes a reader.
        assert_eq!(access(&write), Access::Gated);
    }

    #[test]
    fn gotcha_1_the_mode_of_a_shared_description_is_never_changed() {
        let (read, write) = testing::pipe();
        let (master, terminal) = testing::terminal();
        let (socket, peer) = testing::socket_pair(SocketType::STREAM);
        for shared in [read, write, master, terminal, socket, peer, testing::file()] {
            let before = testing::flags(&shared);
            let ours = Handle::share(shared.as_fd()).unwrap();
            assert_eq!(testing::flags(&shared), before);
            assert!(!before.contains(OFlags::NONBLOCK));
            let is_private = ours.access == Access::Private;
            assert_eq!(
                testing::flags(&ours.fd).contains(OFlags::NONBLOCK),
                is_private
            );
            let ours = rustix::io::fcntl_getfd(&ours.fd).unwrap();
            assert!(ours.contains(rustix::io::FdFlags::CLOEXEC));
        }
    }

    #[test]
    fn a_reopened_pipe_keeps_its_access_mode() {
        let (read, write) = testing::pipe();
        for (end, mode) in [(read, OFlags::RDONLY), (write, OFlags::WRONLY)] {
            let handle = Handle::share(end.as_fd()).unwrap();
            assert_eq!(testing::flags(&handle.fd) & OFlags::ACCMODE, mode);
            assert!(handle.is_stream);
        }
    }

    #[test]
    fn a_pipe_in_packet_mode_stays_in_it() {
        let (_read, write) = testing::packet_pipe();
        let handle = Handle::share(write.as_fd()).unwrap();
        assert_eq!(handle.access, Access::Gated);
        assert!(testing::flags(&handle.fd).contains(OFlags::DIRECT));
        assert!(!handle.is_stream);
    }
}
