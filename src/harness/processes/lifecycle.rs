//! The life of a node: its start, its `init`, its streams and its end.

use super::Processes;
use super::parts::{Address, Due, End, INIT_NUMBER, Process, Server, Stream, StreamKind};
use crate::reactor::{Interest, Token};
use crate::source::{Next, Progress, Readiness, Reason};
use crate::sys::{self, Child};
use crate::time::Clock;
use crate::wire::{Line, LineBuffer, OutputBuffer};
use serde_json::json;
use std::io;
use std::time::Duration;

/// How long a node may take to answer `init`: Maelstrom's 10 s.
pub(super) const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many reads of a stream one turn makes, so that a node which floods its stdout or stderr
/// does not keep the others waiting.
const READS_PER_TURN: usize = 4;

/// How many writes to a node's stdin one turn makes. A pipe takes 64 KiB, and more only while
/// the node reads.
const WRITES_PER_TURN: usize = 16;

/// How many reads fetch the last words of a node that has ended. A pipe holds 64 KiB, unless
/// the node made it larger.
const LAST_READS: usize = 64;

/// How much is read from a stream, and taken of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// As much as one turn does.
    Turn,
    /// The last words of a node that has ended, with all lines.
    Last,
}

impl Extent {
    fn reads(self) -> usize {
        match self {
            Extent::Turn => READS_PER_TURN,
            Extent::Last => LAST_READS,
        }
    }
}

/// The longest line of stderr that is kept whole: 64 KiB.
const ERROR_LINE_BYTES_MAX: usize = 64 << 10;

/// How long after the end of its stdout a node may take to end.
const END_AFTER_STDOUT: Duration = Duration::from_millis(500);

impl Processes {
    /// Starts a node, and sends it an `init` from a new client.
    pub(super) fn start_node(&mut self, node: usize) {
        if let Err(error) = self.spawn(node) {
            if sys::is_shortage(&error) {
                return self.fail(error);
            }
            let program = self.plan.program.display();
            let advice = sys::start_advice(&error);
            let why = format!("the program {program} does not start: {error}{advice}");
            self.blame_node(node, why);
            self.is_broken = true;
            return;
        }
        let client = self.new_client();
        self.servers[node].init_from = Some(client);
        self.clients[client].is_for_init = true;
        self.clients[client].last_msg_id = INIT_NUMBER;
        self.send_init(node, client);
        let deadline = self.clock.now() + INIT_TIMEOUT;
        self.wheel
            .insert(deadline, Due::InitDeadline { node, client });
        self.await_init(node, client);
    }

    fn send_init(&mut self, node: usize, client: usize) {
        self.servers[node].init_message = self.next_message;
        let body = self.init(node);
        self.send(Address::Client(client), Address::Node(node), &body);
    }

    /// The body of an `init`.
    pub(super) fn init(&self, node: usize) -> String {
        let body = json!({
            "type": "init",
            "msg_id": INIT_NUMBER,
            "node_id": &*self.names[node],
            "node_ids": self.plan.nodes,
        });
        body.to_string()
    }

    pub(super) fn spawn(&mut self, node: usize) -> io::Result<()> {
        let (program, arguments) = (&self.plan.program, self.arguments(node));
        let (child, pipes) = Child::spawn(program, &arguments, self.keeper.as_ref())?;
        let mut insert = |pipe, kind, interest| {
            let stream = Stream::Node { pipe, node, kind };
            self.reactor.insert(stream, interest)
        };
        let (readable, writable) = (Interest::READABLE, Interest::WRITABLE);
        let process = Process {
            child,
            stdin: insert(pipes.stdin, StreamKind::Stdin, writable)?,
            stdout: insert(pipes.stdout, StreamKind::Stdout, readable)?,
            stderr: insert(pipes.stderr, StreamKind::Stderr, readable)?,
            end: insert(pipes.end, StreamKind::End, readable)?,
            input: OutputBuffer::default(),
            output: Some(LineBuffer::default()),
            errors: Some(LineBuffer::with_limit(ERROR_LINE_BYTES_MAX)),
            is_deaf: false,
            is_killed: false,
        };
        let Server {
            life,
            lines,
            first_message,
            astray,
            again,
            ..
        } = self.servers[node];
        self.servers[node] = Server {
            process: Some(Box::new(process)),
            life: life + 1,
            lines,
            lines_before: lines,
            astray,
            again,
            first_message,
            ..Server::default()
        };
        Ok(())
    }

    pub(super) fn check_init(&mut self, node: usize, client: usize) {
        let server = &self.servers[node];
        if server.init_from != Some(client) || server.process.is_none() || server.is_paused {
            return;
        }
        if let Some(broker) = &self.broker {
            // A fault of the network was in its way.
            let now = self.clock.now();
            let limit = broker.reachable_since(node).unwrap_or(now) + INIT_TIMEOUT;
            if now < limit {
                self.wheel.insert(limit, Due::InitDeadline { node, client });
                return;
            }
        }
        let seen = match server.lines - server.lines_before {
            0 if self.broker.is_some() => self.silence_on_nats(node),
            0 => "it runs and has written no line to stdout. Does it flush after each line, as \
                 with Python's print(…, flush=True)?"
                .to_owned(),
            lines => format!(
                "{lines} on its stdout, and none is an `init_ok` with `dest` {:?} and \
                 `in_reply_to` 1",
                self.clients[client].name,
                lines = if lines == 1 {
                    "1 line is".to_owned()
                } else {
                    format!("{lines} lines are")
                },
            ),
        };
        let why = format!("`init` was not answered within {INIT_TIMEOUT:?}: {seen}");
        self.blame_node(node, why);
        self.is_broken = true;
    }

    // Its streams.

    /// Serves a stream that is ready.
    pub(super) fn serve(&mut self, token: Token, node: usize, kind: StreamKind, ready: Readiness) {
        match kind {
            // It is written by `flush`, before the next wait.
            StreamKind::Stdin => {}
            StreamKind::Stdout | StreamKind::Stderr => {
                let progress = self.read(token, node, kind, ready, Extent::Turn);
                if matches!(progress.next, Next::Finished(())) && kind == StreamKind::Stdout {
                    let life = self.servers[node].life;
                    let at = self.clock.now() + END_AFTER_STDOUT;
                    self.wheel.insert(at, Due::StdoutClosed { node, life });
                }
                self.reactor.apply(token, &progress);
            }
            StreamKind::End => self.has_ended(node),
        }
    }

    /// Reads from stdout or stderr, and takes the lines. Lines that the turn has no time for stay
    /// in the buffer, and nothing is read while they do.
    fn read(
        &mut self,
        token: Token,
        node: usize,
        kind: StreamKind,
        readiness: Readiness,
        extent: Extent,
    ) -> Progress {
        let mut left = readiness;
        let mut has_ended = false;
        let mut received_bytes = 0;
        let mut has_lines = self.take_lines(node, kind, extent);
        for _ in 0..extent.reads() {
            let process = self.servers[node].process.as_mut();
            let lines = process.and_then(|process| process.lines(kind).as_mut());
            let pipe = self.reactor.get(token).and_then(Stream::pipe);
            let (Some(pipe), Some(lines)) = (pipe, lines) else {
                break;
            };
            if has_lines || !left.is_readable() || has_ended {
                break;
            }
            match pipe.read(lines.space()) {
                Ok(0) => has_ended = true,
                Ok(count) => {
                    lines.filled(count);
                    received_bytes += count;
                    has_lines = self.take_lines(node, kind, extent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    left.remove(Readiness::READABLE);
                }
                Err(_) => has_ended = true,
            }
        }
        if has_ended {
            self.take_rest(node, kind);
        }
        Progress {
            received_bytes,
            used_up: readiness.without(left),
            next: if has_ended {
                Next::Finished(())
            } else if has_lines || left.is_readable() {
                Next::CarryOver(Reason::BoundReached)
            } else {
                Next::Wait
            },
        }
    }

    /// Takes the lines that were read. True if some are left, for which the turn has no time.
    fn take_lines(&mut self, node: usize, kind: StreamKind, extent: Extent) -> bool {
        // The buffer is taken out, so that a line can be sent while it lies there.
        let process = self.servers[node].process.as_mut();
        let Some(mut lines) = process.and_then(|process| process.lines(kind).take()) else {
            return false;
        };
        let has_lines = loop {
            if extent == Extent::Turn && self.is_work_over() {
                break !lines.is_empty();
            }
            let Some(line) = lines.next_line() else {
                break false;
            };
            self.take(node, kind, &line);
        };
        if let Some(process) = &mut self.servers[node].process {
            *process.lines(kind) = Some(lines);
        }
        has_lines
    }

    /// Takes the last line of a stream, which has no newline. On the stdout of a node that the
    /// tester killed, it was cut by SIGKILL: it is dropped.
    fn take_rest(&mut self, node: usize, kind: StreamKind) {
        let Some(process) = self.servers[node].process.as_mut() else {
            return;
        };
        let is_cut = process.is_killed && kind == StreamKind::Stdout;
        let lines = process.lines(kind).take();
        if let Some(mut lines) = lines
            && let Some(line) = lines.finish()
            && !is_cut
        {
            self.take(node, kind, &line);
        }
    }

    fn take(&mut self, node: usize, kind: StreamKind, line: &Line<'_>) {
        let (Line::Whole(bytes) | Line::TooLong { excerpt: bytes }) = line;
        self.work.count(bytes.len());
        match (line, kind) {
            (Line::Whole(line), StreamKind::Stdout) => self.take_line(node, line),
            (Line::TooLong { excerpt }, StreamKind::Stdout) => {
                self.servers[node].lines += 1;
                let why = "the line is longer than 16 MiB".to_owned();
                self.blame_line(node, excerpt, why);
            }
            (Line::Whole(line) | Line::TooLong { excerpt: line }, _) => self.take_log(node, line),
        }
    }

    /// Writes the messages that wait for a node, as much as its stdin takes.
    pub(super) fn flush(&mut self, node: usize) {
        let Some(process) = &mut self.servers[node].process else {
            return;
        };
        let token = process.stdin;
        let readiness = self.reactor.readiness(token);
        let mut left = readiness;
        let mut progress = Progress::idle(Next::Wait);
        let mut writes = 0;
        while let Some(pipe) = self.reactor.get(token).and_then(Stream::pipe)
            && left.is_writable()
            && !process.input.is_empty()
        {
            if writes == WRITES_PER_TURN {
                progress.next = Next::CarryOver(Reason::BoundReached);
                break;
            }
            writes += 1;
            match pipe.write(process.input.pending()) {
                Ok(count) => process.input.consume(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    left.remove(Readiness::WRITABLE);
                }
                Err(_) => {
                    // The node has closed its stdin, or it has ended.
                    process.is_deaf = true;
                    process.input = OutputBuffer::default();
                    progress.next = Next::Finished(());
                    break;
                }
            }
        }
        progress.used_up = readiness.without(left);
        self.reactor.apply(token, &progress);
        // At once: the stream may stand in the queue of the turn that begins.
        self.close_finished();
    }

    // Its end.

    /// A node has ended by itself.
    fn has_ended(&mut self, node: usize) {
        let is_ready = self.servers[node].is_ready;
        let was_asked = self.servers[node].init_from.is_some() && !is_ready;
        let status = self.end_process(node, End::ItsOwn);
        let mut why = format!("it ended by itself, with {status}");
        if was_asked {
            why.push_str(", before it answered `init`");
            self.is_broken = true;
        }
        let words = self.notes.last_words(&self.names[node]);
        if !words.is_empty() {
            why.push_str("; its last words on stderr:");
            for line in words {
                why.push_str("\n    ");
                why.push_str(&line);
            }
        }
        self.blame_node(node, why);
    }

    /// Kills a node's group, takes its last words and closes its pipes. Returns its status.
    pub(super) fn end_process(&mut self, node: usize, end: End) -> String {
        let Some(process) = &mut self.servers[node].process else {
            return String::new();
        };
        process.is_killed = end == End::Killed;
        // It reads nothing more, so no reply to its last requests is made.
        process.is_deaf = true;
        let status = process.child.end();
        let tokens = [process.stdin, process.stdout, process.stderr, process.end];
        let ready = Readiness::READABLE;
        for (token, kind) in [
            (process.stdout, StreamKind::Stdout),
            (process.stderr, StreamKind::Stderr),
        ] {
            let progress = self.read(token, node, kind, ready, Extent::Last);
            if !matches!(progress.next, Next::Finished(())) {
                self.take_rest(node, kind);
            }
        }
        for token in tokens {
            self.reactor.finish(token);
            self.close_finished();
        }
        let server = &mut self.servers[node];
        server.process = None;
        server.is_paused = false;
        server.is_ready = false;
        server.init_from = None;
        status
    }

    /// A node that has closed its stdout must end soon.
    pub(super) fn check_stdout(&mut self, node: usize, life: u32) {
        let server = &self.servers[node];
        if server.process.is_some() && server.life == life && !server.is_paused {
            self.is_broken |= server.init_from.is_some();
            let why = "it has closed its stdout and goes on: it can answer nothing more";
            self.blame_node(node, why.to_owned());
        }
    }
}
