//! The outcome of a scenario: how the process ended, and what came out of it.
//!
//! A bug is often seen outside of the process alone: a client that gets no answer, a
//! reader that gets half a message. So a recording may end with what the world has seen.

use super::sentence::thousands;
use crate::lab::scene::{FileId, Kernel, Received};
use crate::time::Instant;
use rustix::io::Errno;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many messages, and how many lines on stderr, are told one by one. Others are counted.
const TOLD_MAX: usize = 8;

/// How much of a line that is no message is told, in characters.
const EXCERPT_CHARS: usize = 24;

/// How a process ended.
pub(super) enum Ending {
    /// With status 0.
    Done,
    /// With status 1, because of this.
    Failed(io::Error),
    Panicked(String),
    /// It has not: nothing is left that would end its wait.
    Sleeps,
    /// It has not: the recording is over.
    GoesOn,
}

impl Ending {
    /// Runs a process. It answers whether it has ended.
    pub(super) fn of(process: impl FnOnce() -> io::Result<bool>) -> Ending {
        match catch_unwind(AssertUnwindSafe(process)) {
            Ok(Ok(true)) => Ending::Done,
            Ok(Ok(false)) => Ending::GoesOn,
            // The simulated kernel's answer to a wait that nothing will end.
            Ok(Err(error)) if Errno::from_io_error(&error) == Some(Errno::DEADLK) => Ending::Sleeps,
            Ok(Err(error)) => Ending::Failed(error),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                Ending::Panicked(text.unwrap_or_default())
            }
        }
    }

    /// Whether its descriptors are closed.
    pub(super) fn is_over(&self) -> bool {
        !matches!(self, Ending::Sleeps | Ending::GoesOn)
    }

    fn tell(&self, at: Instant) -> String {
        let at = millis(at);
        match self {
            Ending::Done => format!("The process has ended at {at}, with status 0."),
            Ending::Failed(error) => {
                format!("The process has ended at {at}, with status 1 and this error: {error}.")
            }
            Ending::Panicked(text) => format!("The process has died at {at} of a panic: {text}."),
            Ending::Sleeps => {
                "The process waits without a timeout, and nothing is on its way to it any more."
                    .to_owned()
            }
            Ending::GoesOn => "The process runs on; the recording is cut off here.".to_owned(),
        }
    }
}

/// The requests of the world, and its receipts.
#[derive(Default)]
pub(super) struct Outcome {
    /// A second descriptor of the file that stdin is, if a shell has one, and whether the
    /// file was in blocking mode at the start.
    pub(super) shell: Option<(RawFd, bool)>,
    /// The reader of stdout has gone.
    pub(super) reader_left: bool,
    lines: usize,
    /// The bytes that came out of stdout, and of stderr if that leads elsewhere.
    outputs: [Vec<u8>; 2],
    clients: BTreeMap<u8, Client>,
}

/// A client of the echo server.
#[derive(Default)]
pub(super) struct Client {
    pub(super) sent: usize,
    pub(super) has_ended: bool,
    pub(super) was_reset: bool,
    got: usize,
    /// When the last byte came.
    got_at: Instant,
    got_end: bool,
}

impl Client {
    /// Reads all that has arrived.
    pub(super) fn read(&mut self, file: FileId, kernel: &mut Kernel) {
        loop {
            match kernel.peer_read(file, 1 << 16) {
                Received::Bytes(bytes) => {
                    self.got += bytes.len();
                    self.got_at = kernel.now();
                }
                Received::Nothing => return,
                Received::End => return self.got_end = true,
                Received::Reset => return self.was_reset = true,
            }
        }
    }

    fn tell(&self, number: u8) -> String {
        let direction = if self.has_ended {
            " and then its end"
        } else {
            ""
        };
        let end = if self.was_reset {
            ", and then a reset"
        } else if self.got_end {
            ", and then the end"
        } else {
            ", and no end"
        };
        let last = match self.got {
            0 => String::new(),
            _ => format!(", the last one at {}", millis(self.got_at)),
        };
        format!(
            "Client {number} has sent {} bytes{direction}. It has got {} bytes{last}{end}.",
            thousands(self.sent as u64),
            thousands(self.got as u64),
        )
    }
}

impl Outcome {
    /// A line was given to stdin's writer.
    pub(super) fn asked(&mut self, _line: &str) {
        self.lines += 1;
    }

    /// Bytes came out of stdout (0) or stderr (1).
    pub(super) fn output(&mut self, place: usize, bytes: &[u8]) {
        self.outputs[place].extend_from_slice(bytes);
    }

    pub(super) fn client(&mut self, number: u8) -> &mut Client {
        self.clients.entry(number).or_default()
    }

    /// All of it, in sentences.
    pub(super) fn tell(
        &self,
        ending: &Ending,
        failure: Option<String>,
        at: Instant,
        kernel: &Kernel,
    ) -> Vec<String> {
        let mut told = vec![ending.tell(at)];
        if let (Ending::Failed(_) | Ending::Panicked(_), Some(failure)) = (ending, failure) {
            told.push(format!("Before that the kernel has answered {failure}."));
        }
        let lines = self.lines;
        let reader = if self.reader_left {
            ", whose reader has left before the end,"
        } else {
            ""
        };
        let plural = if lines == 1 { "" } else { "s" };
        told.push(format!(
            "The world wrote {lines} line{plural} to stdin. From stdout{reader} came {}.",
            messages(&self.outputs[0])
        ));
        let stderr = String::from_utf8_lossy(&self.outputs[1]);
        told.extend(
            stderr
                .lines()
                .take(TOLD_MAX)
                .map(|line| format!("On stderr stands: {line}")),
        );
        told.extend(
            self.clients
                .iter()
                .map(|(number, client)| client.tell(*number)),
        );
        if let Some((fd, did_block)) = self.shell {
            told.push(shell(did_block, kernel.blocks(fd)));
        }
        told
    }
}

fn millis(at: Instant) -> String {
    format!("{:.3} ms", at.since(Instant::ZERO).as_secs_f64() * 1e3)
}

/// The state in which the process leaves the stdin of its shell.
fn shell(did_block: bool, blocks: bool) -> String {
    let mode = |blocks: bool| if blocks { "in" } else { "not in" };
    let next = if blocks {
        "waits for its user"
    } else {
        "fails with EAGAIN, and the shell ends"
    };
    format!(
        "The shell that started the process has the same stdin. It was {} blocking mode before, and is {} blocking mode now: the shell's next read {next}.",
        mode(did_block),
        mode(blocks),
    )
}

/// The messages in an output, and the lines that are none.
fn messages(output: &[u8]) -> String {
    let lines = output.split_inclusive(|&byte| byte == b'\n');
    let told: Vec<String> = lines.map(message).collect();
    if told.is_empty() {
        return "nothing".to_owned();
    }
    let (first, rest) = told.split_at(told.len().min(TOLD_MAX));
    let mut text = first.join(", ");
    if !rest.is_empty() {
        text = format!("{text}, and {} more", rest.len());
    }
    format!(
        "{} in {} bytes: {text}",
        count(told.len()),
        thousands(output.len() as u64)
    )
}

fn count(lines: usize) -> String {
    match lines {
        1 => "1 line".to_owned(),
        many => format!("{many} lines"),
    }
}

/// One line of an output.
fn message(line: &[u8]) -> String {
    let size = thousands(line.len() as u64);
    let text = String::from_utf8_lossy(line);
    let whole = text.ends_with('\n');
    let parsed: Option<Value> = serde_json::from_str(text.trim_end()).ok();
    match parsed.as_ref().map(|message| &message["body"]) {
        Some(body) if whole => {
            let kind = body["type"].as_str().unwrap_or("?").to_owned();
            match body["text"].as_str() {
                Some(text) if kind == "error" => format!("{kind} {} ({text})", body["code"]),
                _ => kind,
            }
        }
        _ => {
            let excerpt: String = text.chars().take(EXCERPT_CHARS).collect();
            let excerpt = excerpt.trim_end();
            format!("a line of {size} bytes that is no message, {excerpt:?}…")
        }
    }
}
