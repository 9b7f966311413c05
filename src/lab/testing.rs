//! Helpers of tests on the real kernel: descriptors of every kind, and child
//! processes.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, Mode, OFlags, fcntl_getfl};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;
use rustix::pty::OpenptFlags;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

/// How long a test waits before it fails. No result depends on it.
const PATIENCE: Timespec = Timespec {
    tv_sec: 20,
    tv_nsec: 0,
};

const CHILD: &str = "EDDYLINE_TEST_CHILD";

/// A pipe: read end, write end.
pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap()
}

/// A pipe in packet mode.
pub(crate) fn packet_pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT).unwrap()
}

pub(crate) fn socket_pair(socket_type: SocketType) -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC;
    rustix::net::socketpair(AddressFamily::UNIX, socket_type, flags, None).unwrap()
}

/// A pseudo-terminal: master, terminal.
pub(crate) fn terminal() -> (OwnedFd, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let terminal = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
    (master, terminal)
}

/// A regular file without a name.
pub(crate) fn file() -> OwnedFd {
    rustix::fs::memfd_create("eddyline-test", MemfdFlags::CLOEXEC).unwrap()
}

pub(crate) fn device(path: &str) -> OwnedFd {
    rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

pub(crate) fn flags(fd: impl AsFd) -> OFlags {
    fcntl_getfl(fd).unwrap()
}

/// Waits until poll(2) reports one of `wanted`, an error or a hang-up.
pub(crate) fn await_any(fd: impl AsFd, wanted: PollFlags) -> PollFlags {
    let mut fds = [PollFd::new(&fd, wanted)];
    assert_eq!(poll(&mut fds, Some(&PATIENCE)), Ok(1), "nothing happened");
    fds[0].revents()
}

/// A command that runs one test of this binary, alone in a child process. There it
/// may change what belongs to the process. `test` is `concat!(module_path!(), "::name")`.
pub(crate) fn in_child(test: &str) -> Command {
    let (_, name) = test.split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, test);
    command
}

/// Whether this process is the child that runs `test` alone.
pub(crate) fn is_child(test: &str) -> bool {
    std::env::var(CHILD).is_ok_and(|child| child == test)
}
