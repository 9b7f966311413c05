//! One node process, and the operations of a test on it.

use super::channel::{Channel, End, end_input};
use super::stream::Stream;
use super::{INIT, PATIENCE, Process, wait_until};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};

/// How to start a node. The standard streams are pipes by default.
pub(crate) struct Launch {
    command: Command,
    stdin: Option<Channel>,
    stdout: Option<Channel>,
    stderr: Option<Channel>,
    merge_stderr: bool,
}

impl Launch {
    pub(crate) fn new() -> Launch {
        Launch::command(Command::new(env!("CARGO_BIN_EXE_eddyline")))
    }

    /// Starts the node from a shell line in which `"$0"` is the binary.
    pub(crate) fn shell(script: &str) -> Launch {
        let mut command = Command::new("sh");
        let binary = env!("CARGO_BIN_EXE_eddyline");
        command.args(["-c", script, binary]);
        Launch::command(command)
    }

    /// Starts another program as the node.
    pub(crate) fn command(command: Command) -> Launch {
        Launch {
            command,
            stdin: None,
            stdout: None,
            stderr: None,
            merge_stderr: false,
        }
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Launch {
        self.command.args(args);
        self
    }

    /// `--rpc-timeout-ms`.
    pub(crate) fn rpc_timeout_ms(self, ms: u64) -> Launch {
        self.args(["--rpc-timeout-ms".to_owned(), ms.to_string()])
    }

    pub(crate) fn stdin(mut self, channel: Channel) -> Launch {
        self.stdin = Some(channel);
        self
    }

    pub(crate) fn stdout(mut self, channel: Channel) -> Launch {
        self.stdout = Some(channel);
        self
    }

    pub(crate) fn stderr(mut self, channel: Channel) -> Launch {
        self.stderr = Some(channel);
        self
    }

    /// One socket or terminal as standard input and output both.
    pub(crate) fn both(self, channel: Channel) -> Launch {
        let output = channel.again();
        self.stdin(channel).stdout(output)
    }

    /// `2>&1`: stderr shares the open file description of stdout.
    pub(crate) fn merge_stderr(mut self) -> Launch {
        self.merge_stderr = true;
        self
    }

    pub(crate) fn start(mut self) -> Node {
        let stdin = self.stdin.unwrap_or_else(Channel::pipe_in);
        let stdout = self.stdout.unwrap_or_else(Channel::pipe_out);
        let stderr = if self.merge_stderr {
            Channel {
                theirs: stdout.theirs.try_clone().expect("dup"),
                ours: None,
                end: End::Close,
            }
        } else {
            self.stderr.unwrap_or_else(Channel::pipe_out)
        };
        self.command
            .stdin(Stdio::from(stdin.theirs))
            .stdout(Stdio::from(stdout.theirs))
            .stderr(Stdio::from(stderr.theirs));
        let child = self.command.spawn().expect("the node starts");
        // The command still has the node's ends open. Without this drop, there would
        // be no end of file.
        drop(self.command);
        let exit = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("pidfd_open");
        if let Some(ours) = &stdin.ours {
            rustix::io::ioctl_fionbio(ours, true).expect("our end becomes non-blocking");
        }
        Node {
            child,
            exit,
            stdin: stdin.ours,
            end: stdin.end,
            stdout: Stream::new(stdout.ours),
            stderr: Stream::new(stderr.ours),
            unread: None,
        }
    }

    /// Starts the node and initialises it as n1.
    pub(crate) fn ready(self) -> Node {
        let mut node = self.start();
        let reply = node.ask(INIT);
        assert_eq!(reply["body"]["type"], "init_ok");
        node
    }
}

/// A running node. It is killed when dropped.
pub(crate) struct Node {
    child: Child,
    /// Readable once the process has exited.
    exit: OwnedFd,
    stdin: Option<OwnedFd>,
    end: End,
    stdout: Stream,
    stderr: Stream,
    /// The reading end of stderr, if the test keeps it open without reading it.
    unread: Option<OwnedFd>,
}

/// The exit status of a node, and the lines that the test had not taken.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

/// The result of one wait.
struct Turn {
    written: usize,
    /// The process has exited, and no byte moved: there will be no more output.
    over: bool,
}

impl Node {
    pub(crate) fn process(&self) -> Process {
        let pid = self.child.id();
        Process { pid }
    }

    /// Writes a line.
    pub(crate) fn send(&mut self, line: &str) {
        self.write(format!("{line}\n").as_bytes());
    }

    /// Writes bytes, and reads the node's output at the same time.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let turn = self.turn(rest, "the node to read its input");
            rest = &rest[turn.written..];
        }
    }

    /// Writes without reading stdout, until the node stops reading its input or has
    /// all of it. Returns the number of bytes written.
    pub(crate) fn write_until_stalled(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        wait_until("the node reads everything or stops reading", || {
            loop {
                // This order matters: a node that is asleep before a write fails was
                // not about to read.
                let asleep = self.process().is_asleep();
                self.stderr.fill();
                let stdin = self.stdin.as_ref().expect("stdin is open");
                match rustix::io::write(stdin, &bytes[taken..]) {
                    Ok(written) => taken += written,
                    Err(Errno::AGAIN) => return asleep,
                    Err(errno) => panic!("{errno}; {}", self.story("the node to read its input")),
                }
                if taken == bytes.len() {
                    return true;
                }
            }
        });
        taken
    }

    /// Waits until the node has read all of its input, so that later input arrives with
    /// another read.
    pub(crate) fn wait_until_input_is_read(&self) {
        let stdin = self.stdin.as_ref().expect("stdin is open");
        wait_until("the node has read its input", || {
            rustix::io::ioctl_fionread(stdin).expect("FIONREAD") == 0
        });
    }

    /// As [`wait_until_input_is_read`](Node::wait_until_input_is_read), but also reads
    /// the node's output. A node whose output is not read stops reading its input.
    pub(crate) fn take_output_until_input_is_read(&mut self) {
        let stdin = self.stdin.as_ref().expect("stdin is open");
        let (stdout, stderr) = (&mut self.stdout, &mut self.stderr);
        wait_until("the node, whose output is read, has read its input", || {
            stdout.fill();
            stderr.fill();
            rustix::io::ioctl_fionread(stdin).expect("FIONREAD") == 0
        });
    }

    /// The next line of stdout, unparsed.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        loop {
            if let Some(line) = self.stdout.take_line() {
                return line;
            }
            if self.stdout.fd.is_none() || self.turn(b"", "a line on stdout").over {
                panic!("the node has ended; {}", self.story("a line on stdout"));
            }
        }
    }

    /// The next line of stdout, if it has been read already.
    pub(crate) fn line_at_hand(&mut self) -> Option<String> {
        self.stdout.take_line()
    }

    /// The next line of stdout, parsed.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    /// Sends a line and returns the reply.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.send(line);
        self.reply()
    }

    /// Sends an echo and checks that its reply is the next line. So the node works, and
    /// has written no other line.
    #[track_caller]
    pub(crate) fn check(&mut self) {
        let reply = self.ask(&super::client(
            r#"{"type":"echo","msg_id":9000001,"echo":"check"}"#,
        ));
        let body = serde_json::json!({"type":"echo_ok","in_reply_to":9_000_001,"echo":"check"});
        super::assert_body(&reply, "c1", &body);
    }

    /// The next line of stderr, without reading stdout.
    #[track_caller]
    pub(crate) fn stderr_line_with_stdout_unread(&mut self) -> String {
        let mut line = None;
        wait_until("there is a line on stderr", || {
            self.stderr.fill();
            line = self.stderr.take_line();
            line.is_some()
        });
        line.expect("there is one")
    }

    /// The next line of stderr.
    #[track_caller]
    pub(crate) fn stderr_line(&mut self) -> String {
        loop {
            if let Some(line) = self.stderr.take_line() {
                return line;
            }
            if self.stderr.fd.is_none() || self.turn(b"", "a line on stderr").over {
                panic!("the node has ended; {}", self.story("a line on stderr"));
            }
        }
    }

    /// The next line of stderr, if it has been read already.
    pub(crate) fn stderr_line_at_hand(&mut self) -> Option<String> {
        self.stderr.take_line()
    }

    pub(crate) fn close_stdin(&mut self) {
        if let Some(ours) = self.stdin.take() {
            self.stdin = end_input(ours, self.end);
        }
    }

    /// Closes the reading end of stdout, as when the harness exits.
    pub(crate) fn close_stdout(&mut self) {
        self.stdout.fd = None;
    }

    /// Stops reading stderr, but leaves it open, so that it fills up.
    pub(crate) fn leave_stderr_unread(&mut self) {
        self.unread = self.stderr.fd.take();
    }

    /// Waits for the exit. Any status is accepted.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ending {
        while !self.turn(b"", "its exit").over {}
        Ending {
            status: self.child.wait().expect("wait"),
            stdout: self.stdout.take_all(),
            stderr: self.stderr.take_all(),
        }
    }

    /// Ends the input, waits for the exit and checks that the status is 0.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ending {
        self.close_stdin();
        let ending = self.wait();
        assert_eq!(ending.status.code(), Some(0), "{ending:?}");
        ending
    }

    /// As [`Node::finish`], and checks that there are no more lines on stdout or stderr. A line
    /// about a handler that held the loop may be the machine's fault, and is passed over.
    #[track_caller]
    pub(crate) fn finish_quietly(self) {
        let ending = self.finish();
        let nothing: [&str; 0] = [];
        assert_eq!(ending.stdout, nothing);
        let mut stderr = ending.stderr;
        stderr.retain(|line| !line.contains(" held the loop for "));
        assert_eq!(stderr, nothing);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("kill");
    }

    /// Sends SIGKILL and waits until the process has ended.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("wait");
    }

    /// Waits for the next event, then writes input and reads output as far as possible.
    #[track_caller]
    fn turn(&mut self, input: &[u8], waiting_for: &str) -> Turn {
        let ready = self.poll(input, waiting_for);
        let written = self.feed(input);
        let read = self.stdout.fill() | self.stderr.fill();
        Turn {
            written,
            over: ready.exited && written == 0 && !read,
        }
    }

    #[track_caller]
    fn poll(&self, input: &[u8], waiting_for: &str) -> Ready {
        let mut fds = vec![PollFd::new(&self.exit, PollFlags::IN)];
        if let (false, Some(stdin)) = (input.is_empty(), &self.stdin) {
            fds.push(PollFd::new(stdin, PollFlags::OUT));
        }
        for fd in [&self.stdout.fd, &self.stderr.fd].into_iter().flatten() {
            fds.push(PollFd::new(fd, PollFlags::IN));
        }
        let patience = Timespec::try_from(PATIENCE).expect("a short time");
        let count = poll(&mut fds, Some(&patience)).expect("poll");
        assert!(count > 0, "no event; {}", self.story(waiting_for));
        let exited = !fds[0].revents().is_empty();
        Ready { exited }
    }

    /// Writes as much as fits. If the node has closed its stdin, the rest counts as
    /// written; the test then checks how the node ended.
    fn feed(&mut self, input: &[u8]) -> usize {
        let Some(stdin) = self.stdin.as_ref().filter(|_| !input.is_empty()) else {
            return input.len();
        };
        match rustix::io::write(stdin, input) {
            Ok(written) => written,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(_) => {
                self.stdin = None;
                input.len()
            }
        }
    }

    fn story(&self, waiting_for: &str) -> String {
        format!(
            "waiting for {waiting_for}; last seen on stdout:\n{}on stderr:\n{}",
            self.stdout.story(),
            self.stderr.story()
        )
    }
}

struct Ready {
    exited: bool,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
