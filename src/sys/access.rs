//! Access: how to use an inherited descriptor without waiting, and without harm to
//! the processes that share it.
//!
//! # The problem
//!
//! A descriptor is a number in the table of one process. It leads to an *open file
//! description* in the kernel, which holds the offset in the file and the flags such
//! as O_NONBLOCK. `dup` and `fork` copy the number, and all copies lead to the same
//! description. In a shell, stdin, stdout and stderr of a program usually share one
//! description of the terminal with the shell itself.
//!
//! ```text
//!   shell      fd 0 ──┐
//!                     ├──> open file description ──> terminal
//!   this node  fd 0 ──┘    offset, O_NONBLOCK, …
//! ```
//!
//! An event loop wants O_NONBLOCK, so that a read without data returns EAGAIN and
//! does not wait. But to set it on fd 0 sets it for the shell too. After a `kill -9`
//! it would even stay set, and the shell's next read would fail.
//!
//! # The answer
//!
//! The mode of a shared description is never changed. Each kind of file has another
//! way to do without:
//!
//! - **Private.** To open `/proc/self/fd/0` makes a new description of the same pipe
//!   or terminal. It is ours alone, so it can have O_NONBLOCK.
//! - **Socket.** A socket cannot be opened (ENXIO). But `recv` and `send` take
//!   MSG_DONTWAIT, which is O_NONBLOCK for one call.
//! - **Plain.** A regular file is always ready: a call waits for the disk at most.
//!   It must not be reopened, since the new description would begin at offset 0,
//!   and with `> file` two programs would overwrite each other's output.
//! - **Gated.** Everything else is asked with `poll` before each call. Between the
//!   two calls another process can take the data or the room. Then the call waits,
//!   and the loop with it. No better way is known for such a file.
//!
//! [`Access`] has the table, [`Handle::share`] the decision.

use super::Descriptor;
use rustix::event::{PollFlags, epoll};
use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fstat, major, minor, open};
use rustix::io::Errno;
use rustix::net::SocketType;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// `/dev/ptmx`, the master of a pseudo-terminal. To open it makes a new terminal and
/// does not reach the old one.
const PTMX_DEVICE: (u32, u32) = (5, 2);

/// The way to read or write a descriptor without waiting.
///
/// ```text
///  kind of file                           access    system calls            can wait
///  -------------------------------------  --------  ----------------------  --------
///  pipe or terminal that was reopened     Private   read or write           no
///  socket                                 Socket    recv or send, DONTWAIT  no
///  regular file, block device, directory  Plain     read or write           for a disk
///  device that epoll refuses (/dev/null)  Plain     read or write           no
///  pipe or terminal that was not          Gated     poll, then              if another
///  reopened: no /proc, EACCES, ENXIO,               read or write           process is
///  packet mode, the master of a pty                                         faster
///  everything else                        Gated     the same                the same
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Private,
    Socket,
    Plain,
    Gated,
}

/// A descriptor of our own, and the facts about its file.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) fd: Descriptor,
    pub(super) access: Access,
    /// A pipe that is not in packet mode, or a stream socket. Its bytes have no
    /// boundaries, and bytes that come after a short read raise an edge.
    pub(super) is_stream: bool,
    pub(super) is_terminal: bool,
}

impl Handle {
    /// A descriptor of our own for the file of `shared`, by the table at [`Access`].
    /// `shared` and its description stay as they are.
    pub(super) fn share(shared: BorrowedFd<'_>) -> Result<Handle, Errno> {
        let stat = fstat(shared)?;
        let flags = fcntl_getfl(shared)?;
        let file_type = FileType::from_raw_mode(stat.st_mode);
        let is_terminal = file_type == FileType::CharacterDevice && rustix::termios::isatty(shared);
        let is_stream = match file_type {
            // O_DIRECT is packet mode: each read ends with a packet. The flag is in
            // the writer's description, so a reader cannot see it.
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

    /// The handle that [`Handle::share`] would make for a stream of that shape.
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

    /// The question before a call of [`Access::Gated`]: EAGAIN unless poll(2) reports
    /// anything. An error or a hang-up passes too, since the call returns it.
    pub(super) fn pass_gate(&self, wanted: PollFlags) -> Result<(), Errno> {
        if self.fd.poll(wanted)? {
            Ok(())
        } else {
            Err(Errno::WOULDBLOCK)
        }
    }
}

/// Checks that bytes can go through a standard stream in the wanted direction.
/// `useless` is the access mode for the other direction only. epoll never reports
/// such a descriptor, so the node would wait for ever in silence.
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

/// A new, non-blocking description of the same pipe or terminal.
///
/// The access mode is kept. A FIFO that was opened for both directions never ends,
/// and must not end for us. Packet mode is kept too, since the reader sees its
/// packets. Linux refuses to open a pipe in that mode (EINVAL), so it is gated.
fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    let kept = flags & (OFlags::ACCMODE | OFlags::DIRECT);
    open(
        format!("/proc/self/fd/{}", fd.as_raw_fd()),
        // Without NOCTTY the terminal could become the controlling one of this node.
        kept | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Whether epoll refuses this descriptor, so that the reactor takes it for always
/// ready. To ask epoll itself costs three system calls at the start, and needs no
/// list of devices.
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
        // ENXIO: a FIFO without a reader does not open for writing with O_NONBLOCK.
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
