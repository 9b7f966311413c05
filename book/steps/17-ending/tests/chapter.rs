//! The end of a node: the phases as a table, the loop on a kernel that a test plays, and
//! the whole node on real pipes and files.

use rustix::pipe::pipe;
use small_node::real::Real;
use small_node::{Edges, Facts, Kernel, LAST_TURNS, Loop, Phase};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::time::Duration;

/// Runs a test on a thread of its own, so that a node that waits for ever fails the test.
fn within_a_limit(test: fn()) {
    let (done, end) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        _ = done.send(());
    });
    let ended = end.recv_timeout(Duration::from_secs(20));
    assert!(
        ended != Err(mpsc::RecvTimeoutError::Timeout),
        "after 20 s, the node has not ended"
    );
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// No input, no tasks, no output, and a reader.
const NOTHING: Facts = Facts {
    has_input_ended: true,
    has_ready_tasks: false,
    has_tasks: false,
    has_output: false,
    has_lost_its_reader: false,
};

#[test]
fn a_node_serves_until_its_input_ends() {
    let facts = Facts {
        has_input_ended: false,
        ..NOTHING
    };
    assert_eq!(Phase::Serving.next(facts), Phase::Serving);
    assert_eq!(Phase::Serving.next(NOTHING), Phase::Draining);
}

#[test]
fn tasks_that_are_ready_run_before_any_is_given_up() {
    let facts = Facts {
        has_ready_tasks: true,
        has_tasks: true,
        ..NOTHING
    };
    assert_eq!(Phase::Draining.next(facts), Phase::Draining);
    let turns_left = LAST_TURNS;
    assert_eq!(
        Phase::Draining.next(NOTHING),
        Phase::GivingUp { turns_left }
    );
}

#[test]
fn handlers_get_a_bounded_number_of_last_turns() {
    let facts = Facts {
        has_tasks: true,
        has_output: true,
        ..NOTHING
    };
    let giving_up = |turns_left| Phase::GivingUp { turns_left };
    assert_eq!(giving_up(9).next(facts), giving_up(8));
    assert_eq!(giving_up(0).next(facts), Phase::Flushing);
    let no_task = Facts {
        has_tasks: false,
        ..facts
    };
    assert_eq!(giving_up(9).next(no_task), Phase::Flushing);
}

#[test]
fn the_output_is_written_before_the_end() {
    let facts = Facts {
        has_output: true,
        ..NOTHING
    };
    assert_eq!(Phase::Flushing.next(facts), Phase::Flushing);
    assert_eq!(Phase::Flushing.next(NOTHING), Phase::Ended);
}

#[test]
fn without_a_reader_every_phase_ends() {
    let facts = Facts {
        has_input_ended: false,
        has_ready_tasks: true,
        has_tasks: true,
        has_output: true,
        has_lost_its_reader: true,
    };
    let turns_left = 9;
    for phase in [
        Phase::Serving,
        Phase::Draining,
        Phase::GivingUp { turns_left },
        Phase::Flushing,
    ] {
        assert_eq!(phase.next(facts), Phase::Ended, "{phase:?}");
    }
}

/// A kernel with its whole input at once, and a reader that takes a little in each wait.
struct Play {
    input: Vec<u8>,
    read: usize,
    room: usize,
    room_per_wait: usize,
    written: Vec<u8>,
    has_reader: bool,
    now: Duration,
    waits: usize,
    /// A write has found no room, so an edge will come.
    was_full: bool,
}

impl Play {
    fn new(input: &str) -> Play {
        Play {
            input: input.as_bytes().to_vec(),
            read: 0,
            room: 10_000,
            room_per_wait: 10_000,
            written: Vec::new(),
            has_reader: true,
            now: Duration::ZERO,
            waits: 0,
            was_full: false,
        }
    }

    /// Runs a node to its end. Returns its result, and the time and output by then.
    fn run(self) -> (io::Result<()>, Duration, String) {
        let mut node = Loop::new(self);
        let result = node.run();
        let output = String::from_utf8(node.kernel.written).unwrap();
        (result, node.kernel.now, output)
    }
}

impl Kernel for Play {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Edges> {
        self.waits += 1;
        assert!(self.waits < 10_000, "the node does not end");
        // Its reader takes something only while the node really waits.
        let writable = timeout.is_none() && std::mem::take(&mut self.was_full);
        assert!(
            timeout.is_some() || writable || self.waits == 1,
            "the node waits for ever: nothing will come"
        );
        if timeout.is_none() {
            self.room = self.room_per_wait;
        }
        self.now += timeout.unwrap_or(Duration::from_millis(1));
        Ok(Edges {
            readable: self.waits == 1,
            writable,
        })
    }

    fn now(&mut self) -> Duration {
        self.now
    }

    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let count = chunk.len().min(self.input.len() - self.read);
        chunk[..count].copy_from_slice(&self.input[self.read..][..count]);
        self.read += count;
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.has_reader {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(self.room);
        if count == 0 {
            self.was_full = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room -= count;
        self.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

fn echo(number: u64) -> String {
    format!(r#"{{"src":"c1","body":{{"type":"echo","msg_id":{number},"echo":"hello"}}}}"#)
}

const PROXY: &str =
    r#"{"src":"c1","body":{"type":"proxy","msg_id":7,"target":"n2","inner":{"type":"echo"}}}"#;

#[test]
fn a_slow_reader_gets_every_answer() {
    let input: String = (1..=50).map(|number| echo(number) + "\n").collect();
    let mut play = Play::new(&input);
    (play.room, play.room_per_wait) = (0, 10);
    let (result, _, output) = play.run();
    result.unwrap();
    assert_eq!(output.lines().count(), 50, "answers");
}

#[test]
fn the_last_line_needs_no_newline() {
    let (_, _, output) = Play::new(&format!("{}\n{}", echo(1), echo(2))).run();
    assert_eq!(output.lines().count(), 2, "answers: {output}");
}

#[test]
fn a_call_that_can_get_no_reply_is_given_up_at_once() {
    let (_, now, output) = Play::new(&format!("{PROXY}\n")).run();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 2, "the call, and the answer: {output}");
    assert!(lines[1].contains(r#""code":0"#), "{output}");
    assert!(
        now < Duration::from_millis(500),
        "it has waited until {now:?}"
    );
}

#[test]
fn a_reader_that_is_gone_is_no_error() {
    let mut play = Play::new(&format!("{}\n", echo(1)));
    play.has_reader = false;
    let (result, _, output) = play.run();
    assert!(result.is_ok() && output.is_empty());
}

/// The answers of a node on the real kernel.
#[track_caller]
fn answers(input: impl AsFd, output: impl AsFd + Send + 'static, mut reader: impl Read) -> String {
    let kernel = Real::new(input.as_fd(), output.as_fd()).unwrap();
    let thread = std::thread::spawn(move || {
        let result = Loop::new(kernel).run();
        drop(output); // the last writer of a pipe
        result
    });
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    thread.join().unwrap().unwrap();
    text
}

#[test]
fn a_node_on_real_pipes_ends_when_its_input_does() {
    within_a_limit(|| {
        let (input, writer) = pipe().unwrap();
        let (reader, output) = pipe().unwrap();
        let mut writer = File::from(writer);
        write!(writer, "{}\n{}\n", echo(1), echo(2)).unwrap();
        drop(writer);
        let answers = answers(input, output, File::from(reader));
        assert_eq!(answers.lines().count(), 2, "{answers}");
    });
}

#[test]
fn a_real_call_times_out_while_the_node_serves() {
    within_a_limit(|| {
        let (input, writer) = pipe().unwrap();
        let (reader, output) = pipe().unwrap();
        let mut writer = File::from(writer);
        writeln!(writer, "{PROXY}").unwrap();
        // The input stays open until the timeout has come.
        struct Until(File, Option<File>);
        impl Read for Until {
            fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
                let count = self.0.read(chunk)?;
                if String::from_utf8_lossy(&chunk[..count]).contains("\"code\":0") {
                    self.1 = None;
                }
                Ok(count)
            }
        }
        let answers = answers(input, output, Until(File::from(reader), Some(writer)));
        assert_eq!(answers.lines().count(), 2, "{answers}");
    });
}

#[test]
fn a_node_reads_and_writes_files() {
    within_a_limit(|| {
        let path = |name| std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let file = |name| {
            let path = path(name);
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(true);
            let file = options.open(&path).unwrap();
            std::fs::remove_file(path).unwrap();
            file
        };
        let (mut input, output) = (file("node-input"), file("node-output"));
        writeln!(input, "{}", echo(1)).unwrap();
        input.rewind().unwrap();
        let kernel = Real::new(input.as_fd(), output.as_fd()).unwrap();
        Loop::new(kernel).run().unwrap();
        let (mut output, mut text) = (output, String::new());
        output.rewind().unwrap();
        output.read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
    });
}
