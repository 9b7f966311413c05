//! Standard input.
//!
//! std's `Stdin` is not used. It would wait, and it keeps lines in a buffer of its
//! own, of which epoll knows nothing.

use super::access::{self, Access, Handle};
use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// The stream from which the node reads its lines.
#[derive(Debug)]
pub(crate) struct Input {
    handle: Handle,
}

impl Input {
    /// Moves standard input away from fd 0.
    ///
    /// fd 0 is /dev/null then. So neither a stray `stdin().read_line()` nor a child
    /// process can take lines of the node. And a reopened pipe has no second reader,
    /// so its writers get EPIPE when the node has closed it.
    pub(crate) fn take_stdin() -> io::Result<Input> {
        let explain = |what: &str, errno: Errno| {
            let kind = io::Error::from(errno).kind();
            io::Error::new(
                kind,
                format!("cannot take over standard input: {what}: {errno}"),
            )
        };
        access::check(rustix::stdio::stdin(), OFlags::WRONLY)
            .map_err(|(what, errno)| explain(what, errno))?;
        let handle = Handle::share(rustix::stdio::stdin())
            .map_err(|errno| explain("no private descriptor for fd 0", errno))?;
        let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| explain("/dev/null does not open for reading", errno))?;
        rustix::stdio::dup2_stdin(&null)
            .map_err(|errno| explain("/dev/null does not take the place of fd 0", errno))?;
        Ok(Input { handle })
    }

    /// An input from any descriptor, used as standard input would be.
    #[cfg(test)]
    pub(crate) fn from_fd(fd: std::os::fd::OwnedFd) -> io::Result<Input> {
        let handle = Handle::share(fd.as_fd())?;
        Ok(Input { handle })
    }

    /// An input from a stream of the simulated kernel.
    #[cfg(any(test, feature = "lab"))]
    pub(crate) fn simulated(fd: RawFd, shape: crate::lab::Shape) -> Input {
        let handle = Handle::simulated(fd, shape);
        Input { handle }
    }

    /// Reads the bytes that are there. `Ok(0)` is the end, `WouldBlock` means that there
    /// are none yet.
    ///
    /// It can wait in two cases: for the disk of a regular file, and on a gated
    /// descriptor when another process takes the bytes first (see [`Access`]).
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let fd = &self.handle.fd;
        let result = retry_on_intr(|| match self.handle.access {
            Access::Private | Access::Plain => fd.read(buffer),
            Access::Socket => fd.receive(buffer),
            Access::Gated => {
                self.handle.pass_gate(PollFlags::IN)?;
                fd.read(buffer)
            }
        });
        match result {
            // A terminal that was hung up returns EIO where others return 0.
            Err(Errno::IO) if self.handle.is_terminal => Ok(0),
            other => Ok(other?),
        }
    }

    /// Whether a person may be at the other end.
    pub(crate) fn is_terminal(&self) -> bool {
        self.handle.is_terminal
    }

    /// Whether a short read, one that did not fill its buffer, empties this input.
    ///
    /// It does for a stream: no bytes are left, and bytes or an end that come later
    /// raise a new edge. The caller can then wait for that edge, and spares the read
    /// that would return `WouldBlock`.
    ///
    /// Two limits. After a reported hang-up the end has had its edge and gets no
    /// other, so the caller must read until 0. And the reader of a pipe cannot see
    /// that its writer is in packet mode (O_DIRECT, which no shell or harness uses).
    /// The second packet of such a writer is read with the edge of the third, or of
    /// the close.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing::{self, await_any};
    use rustix::net::SocketType;
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::process::Stdio;

    fn would_block(result: io::Result<usize>) -> bool {
        result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn read(input: &Input) -> Vec<u8> {
        let mut buffer = [0; 64];
        let count = input.read(&mut buffer).unwrap();
        buffer[..count].to_vec()
    }

    /// An input as if `fd` could not be reopened.
    fn gated(fd: OwnedFd) -> Input {
        let mut handle = Handle::share(fd.as_fd()).unwrap();
        handle.fd = fd.into();
        handle.access = Access::Gated;
        Input { handle }
    }

    #[test]
    fn no_kind_of_input_waits_when_nothing_is_there() {
        let (read_end, write_end) = testing::pipe();
        let (gated_end, gated_writer) = testing::pipe();
        let (stream, stream_peer) = testing::socket_pair(SocketType::STREAM);
        let (packets, packet_peer) = testing::packet_pipe();
        let inputs = [
            (Input::from_fd(read_end).unwrap(), write_end),
            (gated(gated_end), gated_writer),
            (Input::from_fd(stream).unwrap(), stream_peer),
            (Input::from_fd(packets).unwrap(), packet_peer),
        ];
        for (input, writer) in inputs {
            assert!(would_block(input.read(&mut [0; 8])));
            rustix::io::write(&writer, b"line\n").unwrap();
            assert_eq!(read(&input), b"line\n");
            assert!(would_block(input.read(&mut [0; 8])));
            drop(writer);
            assert_eq!(read(&input), b"", "end of file");
        }
    }

    #[test]
    fn a_short_read_drains_streams_and_nothing_else() {
        let drains = |fd: OwnedFd| Input::from_fd(fd).unwrap().short_read_is_drained();
        assert!(drains(testing::pipe().0));
        assert!(drains(testing::socket_pair(SocketType::STREAM).0));
        assert!(!drains(testing::packet_pipe().1));
        assert!(!drains(testing::socket_pair(SocketType::SEQPACKET).0));
        assert!(!drains(testing::terminal().1));
        assert!(!drains(testing::file()));
    }

    #[test]
    fn each_packet_of_a_pipe_is_a_short_read() {
        let (read_end, write_end) = testing::packet_pipe();
        rustix::io::write(&write_end, b"one").unwrap();
        rustix::io::write(&write_end, b"two").unwrap();
        let input = Input::from_fd(read_end).unwrap();
        assert_eq!(read(&input), b"one");
        assert_eq!(read(&input), b"two");
    }

    #[test]
    fn a_terminal_gives_lines_and_ends_with_its_hang_up() {
        let (master, terminal) = testing::terminal();
        let input = Input::from_fd(terminal).unwrap();
        assert!(would_block(input.read(&mut [0; 8])));
        rustix::io::write(&master, b"one\ntwo\n").unwrap();
        await_any(&input, PollFlags::IN);
        assert_eq!(read(&input), b"one\n", "a line a read");
        assert_eq!(read(&input), b"two\n");
        drop(master);
        assert_eq!(read(&input), b"", "EIO is the end");
    }

    #[test]
    fn a_master_is_gated_and_not_exchanged_for_another_terminal() {
        let (master, terminal) = testing::terminal();
        let input = Input::from_fd(master).unwrap();
        assert!(would_block(input.read(&mut [0; 8])));
        rustix::io::write(&terminal, b"x").unwrap();
        await_any(&input, PollFlags::IN);
        assert_eq!(read(&input), b"x");
        drop(terminal);
        assert_eq!(read(&input), b"");
    }

    #[test]
    fn a_pipe_opened_for_both_directions_never_ends() {
        let (read_end, write_end) = testing::pipe();
        let path = format!("/proc/self/fd/{}", read_end.as_raw_fd());
        let both = testing::device(&path);
        drop((read_end, write_end));
        let input = Input::from_fd(both).unwrap();
        assert!(would_block(input.read(&mut [0; 8])));
    }

    #[test]
    fn a_file_is_read_from_the_shared_offset() {
        let file = testing::file();
        rustix::io::write(&file, b"abcdef").unwrap();
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(2)).unwrap();
        let input = Input::from_fd(file.try_clone().unwrap()).unwrap();
        assert_eq!(input.read(&mut [0; 3]).unwrap(), 3);
        assert_eq!(rustix::fs::tell(&file).unwrap(), 5);
        assert_eq!(read(&input), b"f");
        assert_eq!(read(&input), b"");
    }

    #[test]
    fn taken_stdin_leaves_nothing_to_stray_readers() {
        const TEST: &str = concat!(
            module_path!(),
            "::taken_stdin_leaves_nothing_to_stray_readers"
        );
        if testing::is_child(TEST) {
            let input = Input::take_stdin().unwrap();
            assert!(input.as_raw_fd() > 2);
            let mut stray = String::new();
            assert_eq!(std::io::stdin().read_line(&mut stray).unwrap(), 0);
            await_any(&input, PollFlags::IN);
            assert_eq!(read(&input), b"a line\n");
            await_any(&input, PollFlags::IN);
            assert_eq!(read(&input), b"");
            return;
        }
        let (socket, peer) = testing::socket_pair(SocketType::STREAM);
        let (read_end, write_end) = testing::pipe();
        for (theirs, ours) in [(socket, peer), (read_end, write_end)] {
            let child = testing::in_child(TEST)
                .stdin(Stdio::from(theirs))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            std::fs::File::from(ours).write_all(b"a line\n").unwrap();
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{stderr}");
        }
    }
}
