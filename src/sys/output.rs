//! Standard output, and stderr for diagnostics.
//!
//! std's `Stdout` is not used. Its `write_all` fails in the middle of a message when a
//! non-blocking pipe is full, and `eprintln!` panics then.

use super::access::{self, Access, Handle};
use rustix::event::PollFlags;
use rustix::fs::OFlags;
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::PIPE_BUF;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// The stream to which the node writes its lines.
#[derive(Debug)]
pub(crate) struct Output {
    handle: Handle,
}

impl Output {
    /// Moves standard output away from fd 1.
    ///
    /// fd 1 is a copy of fd 2 then. Otherwise a stray `println!` in a handler would
    /// write a line that is no message, and Maelstrom would stop to read this node.
    pub(crate) fn take_stdout() -> io::Result<Output> {
        let explain = |what: &str, errno: Errno| {
            let kind = io::Error::from(errno).kind();
            io::Error::new(
                kind,
                format!("cannot take over standard output: {what}: {errno}"),
            )
        };
        access::check(rustix::stdio::stdout(), OFlags::RDONLY)
            .map_err(|(what, errno)| explain(what, errno))?;
        let handle = Handle::share(rustix::stdio::stdout())
            .map_err(|errno| explain("no private descriptor for fd 1", errno))?;
        // The descriptor of an epoll or a timer takes no bytes and is never writable,
        // so the node would wait for ever. It refuses even an empty write.
        if handle.access == Access::Gated && handle.fd.write(&[]) == Err(Errno::INVAL) {
            return Err(explain("no byte can be written to it", Errno::INVAL));
        }
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())
            .map_err(|errno| explain("fd 2 does not take the place of fd 1", errno))?;
        Ok(Output { handle })
    }

    /// A descriptor of our own for the file of fd 2. fd 2 stays as it is.
    ///
    /// A caller ignores failed writes. stderr may be the same terminal or full pipe
    /// as stdout, and the loop does not wait for a diagnostic.
    pub(crate) fn open_stderr() -> io::Result<Output> {
        let handle = Handle::share(rustix::stdio::stderr())?;
        Ok(Output { handle })
    }

    /// Whether both lead to the same pipe, terminal, socket or file.
    pub(crate) fn is_same_file(&self, other: &Output) -> bool {
        let file = |output: &Output| output.handle.fd.file_id().ok();
        // If fstat fails for both they count as the same, which is safe.
        file(self) == file(other)
    }

    /// An output to any descriptor, used as standard output would be.
    #[cfg(test)]
    pub(crate) fn from_fd(fd: std::os::fd::OwnedFd) -> io::Result<Output> {
        let handle = Handle::share(fd.as_fd())?;
        Ok(Output { handle })
    }

    /// An output to a stream of the simulated kernel.
    #[cfg(any(test, feature = "lab"))]
    pub(crate) fn simulated(fd: RawFd, shape: crate::lab::Shape) -> Output {
        let handle = Handle::simulated(fd, shape);
        Output { handle }
    }

    /// Writes the bytes for which there is room. `WouldBlock` means that there is none.
    ///
    /// A short write does not prove that the pipe is full, since a gated write is cut
    /// to PIPE_BUF. So a caller writes until `WouldBlock` before it waits for an edge.
    ///
    /// It can wait in three cases: for the disk of a regular file; on a gated
    /// descriptor when another process takes the room first; and on a gated terminal,
    /// whose room poll(2) does not measure.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let fd = &self.handle.fd;
        let result = retry_on_intr(|| match self.handle.access {
            Access::Private | Access::Plain => fd.write(bytes),
            Access::Socket => fd.send(bytes),
            Access::Gated => {
                self.handle.pass_gate(PollFlags::OUT)?;
                // poll reports a pipe as writable when a page is free. Linux takes
                // PIPE_BUF bytes then; more could wait.
                fd.write(&bytes[..bytes.len().min(PIPE_BUF)])
            }
        });
        Ok(result?)
    }

    /// Whether a write failed because no reader is left: a pipe or socket without its
    /// other end, or a terminal that was hung up (EIO). EIO of a file is a failed disk.
    pub(crate) fn has_lost_reader(&self, error: &io::Error) -> bool {
        match Errno::from_io_error(error) {
            Some(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => true,
            Some(Errno::IO) => self.handle.is_terminal,
            _ => false,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing;
    use rustix::net::SocketType;
    use std::os::fd::OwnedFd;
    use std::process::Stdio;

    /// An output as if `fd` could not be reopened.
    fn gated(fd: OwnedFd) -> Output {
        let mut handle = Handle::share(fd.as_fd()).unwrap();
        handle.fd = fd.into();
        handle.access = Access::Gated;
        Output { handle }
    }

    /// Writes until there is no room. Returns how many bytes were written.
    fn fill(output: &Output, bytes: &[u8]) -> usize {
        let mut total = 0;
        loop {
            match output.write(bytes) {
                Ok(count) => total += count,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    return total;
                }
            }
        }
    }

    fn drain(fd: &OwnedFd, mut count: usize) {
        let mut buffer = vec![0; 4096];
        while count > 0 {
            let wanted = count.min(buffer.len());
            count -= rustix::io::read(fd, &mut buffer[..wanted]).unwrap();
        }
    }

    #[test]
    fn no_kind_of_output_waits_when_there_is_no_room() {
        let (pipe_reader, pipe) = testing::pipe();
        let (gated_reader, gated_pipe) = testing::pipe();
        let (stream_reader, stream) = testing::socket_pair(SocketType::STREAM);
        let outputs = [
            (Output::from_fd(pipe).unwrap(), pipe_reader),
            (gated(gated_pipe), gated_reader),
            (Output::from_fd(stream).unwrap(), stream_reader),
        ];
        for (output, reader) in outputs {
            let total = fill(&output, &[7; 10_000]);
            assert!(total > 10_000);
            drain(&reader, total);
            assert!(output.write(b"again").unwrap() == 5);
        }
    }

    #[test]
    fn gotcha_8_large_writes_are_cut_and_small_ones_are_whole_or_not_at_all() {
        let (reader, pipe) = testing::pipe();
        let output = Output::from_fd(pipe).unwrap();
        let total = fill(&output, &[7; PIPE_BUF]);
        drain(&reader, PIPE_BUF);
        assert_eq!(output.write(&[7; 10_000]).unwrap(), PIPE_BUF, "in part");
        drain(&reader, PIPE_BUF - 1);
        let refused = output.write(&[7; PIPE_BUF]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock, "or not at all");
        drain(&reader, total - PIPE_BUF + 1);
    }

    #[test]
    fn a_gated_write_is_at_most_pipe_buf() {
        let (reader, pipe) = testing::pipe();
        let output = gated(pipe);
        assert_eq!(output.write(&[7; 3 * PIPE_BUF]).unwrap(), PIPE_BUF);
        drain(&reader, PIPE_BUF);
    }

    #[test]
    fn gotcha_9_a_reader_that_is_gone_is_an_error_and_no_signal() {
        let (reader, pipe) = testing::pipe();
        let (gated_reader, gated_pipe) = testing::pipe();
        let (stream_reader, stream) = testing::socket_pair(SocketType::STREAM);
        let outputs = [
            Output::from_fd(pipe).unwrap(),
            gated(gated_pipe),
            Output::from_fd(stream).unwrap(),
        ];
        drop((reader, gated_reader, stream_reader));
        for output in outputs {
            // A child process of another test has copies of the readers until its exec.
            testing::await_any(&output, PollFlags::empty());
            let error = output.write(b"x").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn a_file_is_written_from_the_shared_offset() {
        let file = testing::file();
        rustix::io::write(&file, b"before ").unwrap();
        let output = Output::from_fd(file.try_clone().unwrap()).unwrap();
        assert_eq!(output.write(b"after").unwrap(), 5);
        assert_eq!(rustix::fs::tell(&file).unwrap(), 12);
    }

    #[test]
    fn taken_stdout_keeps_stray_lines_out() {
        const TEST: &str = concat!(module_path!(), "::taken_stdout_keeps_stray_lines_out");
        if testing::is_child(TEST) {
            let output = Output::take_stdout().unwrap();
            println!("a stray line");
            assert_eq!(output.write(b"a message\n").unwrap(), 10);
            let stderr = Output::open_stderr().unwrap();
            assert_eq!(stderr.write(b"a diagnostic\n").unwrap(), 13);
            return;
        }
        let child = testing::in_child(TEST)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&child.stdout);
        let stderr = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{stderr}");
        assert!(stdout.contains("a message\n"), "{stdout}");
        assert!(!stdout.contains("a stray line") && stderr.contains("a stray line\n"));
        assert!(stderr.contains("a diagnostic\n"), "{stderr}");
    }

    #[test]
    fn streams_that_were_closed_at_the_start_are_no_error() {
        const TEST: &str = concat!(
            module_path!(),
            "::streams_that_were_closed_at_the_start_are_no_error"
        );
        if testing::is_child(TEST) {
            let input = super::super::Input::take_stdin().unwrap();
            assert_eq!(input.read(&mut [0; 8]).unwrap(), 0);
            let output = Output::take_stdout().unwrap();
            assert_eq!(output.write(b"into the void").unwrap(), 13);
            return;
        }
        let child = testing::in_child(TEST);
        let shell = std::process::Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" <&- >&-"])
            .arg(child.get_program())
            .args(child.get_args())
            .envs(
                child
                    .get_envs()
                    .filter_map(|(key, value)| Some((key, value?))),
            )
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&shell.stderr);
        assert!(shell.status.success(), "{stderr}");
    }

    #[test]
    fn an_input_output_error_is_a_lost_reader_on_a_terminal_only() {
        let (_master, terminal) = testing::terminal();
        let terminal = Output::from_fd(terminal).unwrap();
        let file = Output::from_fd(testing::file()).unwrap();
        assert!(terminal.has_lost_reader(&Errno::IO.into()), "hung up");
        assert!(!file.has_lost_reader(&Errno::IO.into()), "a failed disk");
        assert!(file.has_lost_reader(&Errno::PIPE.into()));
        assert!(!file.has_lost_reader(&Errno::NOSPC.into()));
    }
}
