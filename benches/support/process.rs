//! The real binary as a child process.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running node after `init`.
pub(crate) struct Process {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: ChildStdout,
    buffer: Vec<u8>,
}

impl Process {
    pub(crate) fn start() -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_eddyline"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the node starts");
        let stdout = child.stdout.take().expect("it was piped");
        let mut node = Process {
            stdin: child.stdin.take(),
            stdout,
            child,
            buffer: vec![0; 64 << 10],
        };
        node.write(
            b"{\"src\":\"c0\",\"dest\":\"n1\",\"body\":{\"type\":\"init\",\"msg_id\":1,\"node_id\":\"n1\",\"node_ids\":[\"n1\"]}}\n",
        );
        node.read_lines(1);
        node
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes).expect("the node reads");
    }

    /// Reads once, at least one byte. Returns the number of newlines.
    pub(crate) fn read(&mut self) -> usize {
        let count = self.stdout.read(&mut self.buffer).expect("the node writes");
        assert!(count > 0, "the node has ended");
        count_lines(&self.buffer[..count])
    }

    /// Reads `lines` lines.
    pub(crate) fn read_lines(&mut self, lines: usize) {
        let mut read = 0;
        while read < lines {
            read += self.read();
        }
        assert_eq!(read, lines, "more replies than requests");
    }

    /// Sends one line and returns the reply to it.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.write(line.as_bytes());
        let mut reply = Vec::new();
        while !reply.ends_with(b"\n") {
            let count = self.stdout.read(&mut self.buffer).expect("the node writes");
            assert!(count > 0, "the node has ended");
            reply.extend_from_slice(&self.buffer[..count]);
        }
        String::from_utf8(reply).expect("JSON is UTF-8")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        // The node ends at the end of its input.
        let _status = self.child.wait();
    }
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}
