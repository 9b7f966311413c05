//! A node under load: its process, its pipes, and a turn of the loop that drives it.

use super::ledger::Ledger;
use super::plan::Program;
use super::stop::Stop;
use crate::reactor::{Interest, Reactor, Token};
use crate::source::{Next, Progress, Readiness, Reason};
use crate::sys::{Alarm, Child, Pipe};
use crate::time::{Clock, Instant, MonotonicClock};
use crate::wire::{Line, LineBuffer, OutputBuffer};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// The longest wait, so that an interrupt is noticed.
const WAIT_MAX: Duration = Duration::from_millis(200);

/// How many lines of stderr are told when the node fails, and how long they may be.
const LAST_WORDS_MAX: usize = 5;
const ERROR_LINE_BYTES_MAX: usize = 4 << 10;

/// How many reads fetch the rest of a node that has ended.
const LAST_READS: usize = 64;

/// A source of the reactor.
enum Stream {
    Stdin(Pipe),
    Stdout(Pipe),
    Stderr(Pipe),
    /// The pidfd.
    End(Pipe),
    /// Set for the time at which the next request is due.
    Alarm(Alarm),
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Stream::Stdin(pipe)
            | Stream::Stdout(pipe)
            | Stream::Stderr(pipe)
            | Stream::End(pipe) => pipe.as_raw_fd(),
            Stream::Alarm(alarm) => alarm.as_raw_fd(),
        }
    }
}

/// A node that runs.
pub(super) struct Node {
    pub(super) clock: MonotonicClock,
    reactor: Reactor<Stream>,
    child: Child,
    stdin: Token,
    alarm: Token,
    /// Lines that wait for its stdin.
    pub(super) input: OutputBuffer,
    lines: LineBuffer,
    errors: LineBuffer,
    last_words: VecDeque<String>,
    /// Streams that it has closed.
    closed: Vec<&'static str>,
}

impl Node {
    pub(super) fn start(program: &Program) -> Result<Node, Stop> {
        let clock = MonotonicClock::start();
        let spawned = Child::spawn(&program.path, &program.arguments, None);
        let (child, pipes) =
            spawned.map_err(|error| Stop::Node(format!("the program does not start: {error}")))?;
        let mut reactor = Reactor::new()?;
        let stdin = reactor.insert(Stream::Stdin(pipes.stdin), Interest::WRITABLE)?;
        for stream in [
            Stream::Stdout(pipes.stdout),
            Stream::Stderr(pipes.stderr),
            Stream::End(pipes.end),
        ] {
            reactor.insert(stream, Interest::READABLE)?;
        }
        let alarm = reactor.insert(Stream::Alarm(Alarm::new()?), Interest::READABLE)?;
        Ok(Node {
            clock,
            reactor,
            child,
            stdin,
            alarm,
            input: OutputBuffer::default(),
            lines: LineBuffer::default(),
            errors: LineBuffer::with_limit(ERROR_LINE_BYTES_MAX),
            last_words: VecDeque::new(),
            closed: Vec::new(),
        })
    }

    /// The number of its process.
    pub(super) fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// One turn: writes what waits for the node, waits until that time at the latest, and
    /// takes the lines of one read. `is_exact` waits to the microsecond and not to the
    /// millisecond, for one system call more.
    pub(super) fn turn(
        &mut self,
        until: Instant,
        is_exact: bool,
        ledger: &mut Ledger<'_>,
    ) -> Result<(), Stop> {
        self.flush();
        let mut timeout = until.since(self.clock.now()).min(WAIT_MAX);
        if is_exact
            && !timeout.is_zero()
            && let Some(Stream::Alarm(alarm)) = self.reactor.get(self.alarm)
        {
            alarm.set(timeout)?;
            timeout = WAIT_MAX;
        }
        self.reactor.wait(Some(timeout))?;
        let mut has_ended = false;
        while let Some((token, stream, readiness)) = self.reactor.next_ready() {
            let (progress, closed) = match stream {
                Stream::Stdin(_) => (Progress::idle(Next::Wait), None),
                Stream::Alarm(_) => (used_up(readiness), None),
                Stream::End(_) => {
                    has_ended = true;
                    (used_up(readiness), None)
                }
                Stream::Stdout(pipe) => {
                    let progress = read(pipe, &mut self.lines, readiness);
                    let now = self.clock.now();
                    take_lines(&mut self.lines, ledger, now)?;
                    (progress, Some("stdout"))
                }
                Stream::Stderr(pipe) => {
                    let progress = read(pipe, &mut self.errors, readiness);
                    take_words(&mut self.errors, &mut self.last_words);
                    (progress, Some("stderr"))
                }
            };
            if let (Next::Finished(()), Some(name)) = (&progress.next, closed) {
                self.closed.push(name);
            }
            self.reactor.apply(token, &progress);
        }
        self.drop_finished();
        if has_ended {
            return Err(self.ended(ledger));
        }
        Ok(())
    }

    /// Writes as much as the node's stdin takes.
    fn flush(&mut self) {
        let readiness = self.reactor.readiness(self.stdin);
        let mut progress = Progress::idle(Next::Wait);
        while let Some(Stream::Stdin(pipe)) = self.reactor.get(self.stdin)
            && readiness.without(progress.used_up).is_writable()
            && !self.input.is_empty()
        {
            match pipe.write(self.input.pending()) {
                Ok(count) => self.input.consume(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    progress.used_up = Readiness::WRITABLE;
                }
                Err(_) => {
                    // The node has closed its stdin, or it has ended.
                    self.closed.push("stdin");
                    progress.next = Next::Finished(());
                    break;
                }
            }
        }
        self.reactor.apply(self.stdin, &progress);
        self.drop_finished();
    }

    fn drop_finished(&mut self) {
        while let Some(stream) = self.reactor.take_finished() {
            drop(stream);
        }
    }

    /// The node has ended by itself. A wrong line that it had written before is the better
    /// reason.
    fn ended(&mut self, ledger: &mut Ledger<'_>) -> Stop {
        let status = self.child.end();
        let now = self.clock.now();
        self.reactor.wait(Some(Duration::ZERO)).unwrap_or_default();
        for _ in 0..LAST_READS {
            while let Some((token, stream, readiness)) = self.reactor.next_ready() {
                let progress = match stream {
                    Stream::Stdout(pipe) => read(pipe, &mut self.lines, readiness),
                    Stream::Stderr(pipe) => read(pipe, &mut self.errors, readiness),
                    _ => used_up(readiness),
                };
                self.reactor.apply(token, &progress);
            }
            self.drop_finished();
            if let Err(stop) = take_lines(&mut self.lines, ledger, now) {
                return stop;
            }
            take_words(&mut self.errors, &mut self.last_words);
            self.reactor.wait(Some(Duration::ZERO)).unwrap_or_default();
        }
        self.blame(format!("it ended by itself, with {status}"))
    }

    /// A reason to stop, with what else is known about the node.
    pub(super) fn blame(&self, mut why: String) -> Stop {
        if !self.closed.is_empty() {
            why += &format!("; it has closed its {}", self.closed.join(" and "));
        }
        if !self.last_words.is_empty() {
            why += "; its last words on stderr:";
        }
        for words in &self.last_words {
            why += "\n    ";
            why += words;
        }
        Stop::Node(why)
    }
}

fn used_up(readiness: Readiness) -> Progress {
    Progress {
        used_up: readiness,
        ..Progress::idle(Next::Wait)
    }
}

/// Reads once. A short read proves that the pipe is empty, unless it was closed.
fn read(pipe: &Pipe, lines: &mut LineBuffer, readiness: Readiness) -> Progress {
    let space = lines.space();
    let room = space.len();
    let (count, next, used_up) = match pipe.read(space) {
        Ok(0) => (0, Next::Finished(()), Readiness::NONE),
        Ok(count) if count < room && !readiness.is_read_closed() => {
            (count, Next::Wait, Readiness::READABLE)
        }
        Ok(count) => (
            count,
            Next::CarryOver(Reason::BoundReached),
            Readiness::NONE,
        ),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            (0, Next::Wait, Readiness::READABLE)
        }
        Err(_) => (0, Next::Finished(()), Readiness::NONE),
    };
    lines.filled(count);
    Progress {
        received_bytes: count,
        used_up,
        next,
    }
}

fn take_lines(lines: &mut LineBuffer, ledger: &mut Ledger<'_>, now: Instant) -> Result<(), Stop> {
    while let Some(line) = lines.next_line() {
        let taken = match line {
            Line::Whole(line) => ledger.take(line, now),
            Line::TooLong { .. } => Err("a line of stdout is longer than 16 MiB".to_owned()),
        };
        taken.map_err(Stop::Node)?;
    }
    Ok(())
}

fn take_words(errors: &mut LineBuffer, words: &mut VecDeque<String>) {
    while let Some(Line::Whole(line) | Line::TooLong { excerpt: line }) = errors.next_line() {
        if words.len() >= LAST_WORDS_MAX {
            words.pop_front();
        }
        words.push_back(String::from_utf8_lossy(line).into_owned());
    }
}
