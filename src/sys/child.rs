//! Child processes: a program in a process group of its own, with three pipes.
//!
//! The kernel tells of its end through a pidfd, which epoll watches like any descriptor. So
//! there is no handler of SIGCHLD and no thread that waits. Signals go to the whole group, so
//! that the program's own children get them too, and to the process itself, which may have left
//! its group.
//!
//! tokio's `process` module also prefers a pidfd, and falls back to SIGCHLD on older kernels.
//! This crate needs Linux 5.3 here and has no fallback.

use super::{Descriptor, Keeper};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open,
    waitid,
};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;

/// A child process. It is killed with its group when it is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    group: Pid,
    has_ended: bool,
    keeper: Option<Rc<Keeper>>,
}

/// Our ends of a child's streams, all non-blocking.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) stdin: Pipe,
    pub(crate) stdout: Pipe,
    pub(crate) stderr: Pipe,
    /// Readable when the child has ended.
    pub(crate) end: Pipe,
}

/// One end of a pipe to or from a child, or its pidfd.
#[derive(Debug)]
pub(crate) struct Pipe(Descriptor);

/// Whether the kernel has no more of what every process needs: descriptors, processes, memory.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM];
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    code.is_some_and(|code| shortages.contains(&code))
}

/// Advice about a program that is there and does not start; empty if there is none.
///
/// | error | usual cause |
/// |---|---|
/// | `ENOEXEC` | a script without its first line |
/// | `ENOENT` | a script whose interpreter is missing |
/// | `EACCES` | a file, or an interpreter, that is no program |
pub(crate) fn start_advice(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOEXEC) => "; does its first line begin with #!?",
        Some(Errno::NOENT) => {
            "; the interpreter that its first line names was not found. Does that line end as on \
             Windows, with \\r\\n?"
        }
        Some(Errno::ACCESS) => "; may it be executed, as after chmod +x?",
        _ => "",
    }
}

impl Child {
    /// Starts a program with its arguments, in the working directory and environment of this
    /// process. With a keeper it does not outlive this process.
    pub(crate) fn spawn(
        program: &Path,
        arguments: &[OsString],
        keeper: Option<&Rc<Keeper>>,
    ) -> io::Result<(Child, Pipes)> {
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let streams = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        );
        let group = Pid::from_child(&process);
        // From here on a failure must not leave the child behind.
        let child = Child {
            process,
            group,
            has_ended: false,
            keeper: keeper.cloned(),
        };
        if let Some(keeper) = keeper {
            keeper.add(child.id());
        }
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(io::Error::other("the pipes of the child are missing"));
        };
        let pipes = Pipes {
            stdin: Pipe::non_blocking(stdin.into())?,
            stdout: Pipe::non_blocking(stdout.into())?,
            stderr: Pipe::non_blocking(stderr.into())?,
            end: Pipe(pidfd_open(group, PidfdFlags::empty())?.into()),
        };
        Ok((child, pipes))
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Stops the group as a whole, as SIGSTOP does.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a group that was stopped go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Whether it stands still, as after SIGSTOP. This leaves its state to be asked for again.
    pub(crate) fn is_stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !self.has_ended && matches!(waitid(WaitId::Pid(self.group), options), Ok(Some(_)))
    }

    /// Sends SIGKILL to the group and does not wait. For many children at once.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Signals the group, and the process by its own number: it may have joined another group.
    /// Neither number can be another's yet, as the child was not waited for.
    fn signal(&self, signal: Signal) {
        if !self.has_ended {
            let _ended_already = kill_process_group(self.group, signal);
            let _ended_already = kill_process(self.group, signal);
        }
    }

    /// Kills the group and waits for the end of the child. Returns its status, in words: that
    /// of its own end if it had ended before.
    pub(crate) fn end(&mut self) -> String {
        self.kill();
        if let Some(keeper) = &self.keeper {
            keeper.remove(self.id());
        }
        self.has_ended = true;
        match self.process.wait() {
            Ok(status) => status.to_string(),
            Err(error) => format!("unknown: {error}"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end();
        }
    }
}

impl Pipe {
    /// The mode belongs to our end alone: the two ends of a pipe have a description each.
    fn non_blocking(fd: OwnedFd) -> io::Result<Pipe> {
        rustix::io::ioctl_fionbio(fd.as_fd(), true)?;
        Ok(Pipe(fd.into()))
    }

    /// Reads what is there; 0 at the end of the stream.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| self.0.read(buffer))?)
    }

    /// How many bytes stand in the pipe, at either end.
    pub(crate) fn unread(&self) -> usize {
        let count = rustix::io::ioctl_fionread(self.0.as_fd()).unwrap_or(0);
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Writes as much as the pipe takes.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| self.0.write(bytes))?)
    }
}

impl AsRawFd for Pipe {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
