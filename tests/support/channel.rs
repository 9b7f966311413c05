//! The kinds of file that a node's standard input and output can be.

use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

/// A connection between the test and a node's standard stream.
#[derive(Debug)]
pub(crate) struct Channel {
    /// The node's end.
    pub(crate) theirs: OwnedFd,
    /// The test's end. Files have none: they are written before the node starts
    /// or read after it has ended.
    pub(crate) ours: Option<OwnedFd>,
    pub(crate) end: End,
}

/// How the test ends the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Close our end.
    Close,
    /// Shut down the writing direction: our end stays open for reading.
    HalfClose,
    /// A terminal's end of file is a character.
    ControlD,
}

impl Channel {
    /// A pipe that the node reads.
    pub(crate) fn pipe_in() -> Channel {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        Channel {
            theirs: reader,
            ours: Some(writer),
            end: End::Close,
        }
    }

    /// A pipe that the node writes.
    pub(crate) fn pipe_out() -> Channel {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        Channel {
            theirs: writer,
            ours: Some(reader),
            end: End::Close,
        }
    }

    /// Sets the capacity of a pipe to `bytes`: a power of two, at least a page.
    pub(crate) fn holding(self, bytes: usize) -> Channel {
        fcntl_setpipe_size(&self.theirs, bytes).expect("F_SETPIPE_SZ");
        self
    }

    /// A socket, for input, output or both.
    pub(crate) fn socket() -> Channel {
        let kind = SocketType::STREAM;
        let (theirs, ours) =
            socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).expect("socketpair");
        Channel {
            theirs,
            ours: Some(ours),
            end: End::HalfClose,
        }
    }

    /// A terminal, for input, output or both. It neither echoes nor changes bytes,
    /// and Control-D still ends the input.
    pub(crate) fn terminal() -> Channel {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).expect("openpt");
        grantpt(&ours).expect("grantpt");
        unlockpt(&ours).expect("unlockpt");
        let theirs = ioctl_tiocgptpeer(&ours, flags).expect("the terminal's other side");
        let mut modes = tcgetattr(&theirs).expect("tcgetattr");
        modes.make_raw();
        modes.local_modes |= LocalModes::ICANON;
        tcsetattr(&theirs, OptionalActions::Now, &modes).expect("tcsetattr");
        Channel {
            theirs,
            ours: Some(ours),
            end: End::ControlD,
        }
    }

    /// A copy for another process, with the same open file descriptions.
    pub(crate) fn again(&self) -> Channel {
        let copy = |fd: &OwnedFd| fd.try_clone().expect("dup");
        Channel {
            theirs: copy(&self.theirs),
            ours: self.ours.as_ref().map(copy),
            end: self.end,
        }
    }

    /// A regular file. Node and test share its open file description, so they share
    /// its offset.
    pub(crate) fn file(file: &File) -> Channel {
        Channel {
            theirs: file.try_clone().expect("dup").into(),
            ours: None,
            end: End::Close,
        }
    }

    /// A regular file with `content`, at offset 0.
    pub(crate) fn file_of(content: &str) -> Channel {
        let mut file = scratch_file(false);
        file.write_all(content.as_bytes()).expect("write");
        file.rewind().expect("seek");
        Channel::file(&file)
    }

    /// /dev/null, which epoll refuses like a regular file.
    pub(crate) fn null() -> Channel {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null");
        Channel {
            theirs: null.expect("/dev/null").into(),
            ours: None,
            end: End::Close,
        }
    }
}

/// Ends the input on our end of a channel.
pub(crate) fn end_input(ours: OwnedFd, end: End) -> Option<OwnedFd> {
    match end {
        End::Close => None,
        End::HalfClose => {
            // An error is ignored: the node may have exited already.
            let _ = shutdown(&ours, Shutdown::Write);
            None
        }
        End::ControlD => {
            let _ = rustix::io::write(&ours, b"\x04");
            // Closing the last copy would hang the terminal up.
            Some(ours)
        }
    }
}

/// An empty file without a name. It needs no clean-up.
pub(crate) fn scratch_file(append: bool) -> File {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "{}/scratch-{}-{}",
        env!("CARGO_TARGET_TMPDIR"),
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let file = OpenOptions::new()
        .read(true)
        .write(!append)
        .append(append)
        .create_new(true)
        .open(&name)
        .expect("a scratch file");
    std::fs::remove_file(&name).expect("remove the scratch file's name");
    file
}
