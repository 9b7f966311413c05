//! Checks the effects of SIGKILL on the real binary, at random moments: the output that
//! a killed node leaves, and the state of its standard streams.
//!
//! All nodes of a test run one after another on the same open file descriptions. `cat`
//! runs after each node. Its reads block, so it fails if a node has left O_NONBLOCK
//! set. Its output marks the end of the node's output.

mod support;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::net::{RecvFlags, recv};
use rustix::process::Signal;
use rustix::termios::{QueueSelector, tcflush, tcgetattr};
use std::fs::File;
use std::io::Seek;
use std::os::unix::fs::FileExt;
use std::process::Command;
use support::{Channel, INIT, Launch, Numbers, client, scratch_file, wait_until};

/// Kills in each of the five tests: 200 in total.
const KILLS: usize = 40;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// The longest echoed word. Several replies make a page, so kills hit every position.
const WORD_MAX: usize = 1_000;

/// Echo requests, and the expected replies byte for byte.
struct Flood {
    requests: String,
    replies: String,
}

impl Flood {
    fn new(numbers: &mut Numbers, echoes: usize) -> Flood {
        let mut flood = Flood {
            requests: String::new(),
            replies: String::new(),
        };
        for id in 1..=echoes {
            let word = "z".repeat(numbers.below(WORD_MAX));
            let request = format!(r#"{{"type":"echo","msg_id":{id},"echo":"{word}"}}"#);
            let reply = format!(
                r#"{{"src":"n1","dest":"c1","body":{{"type":"echo_ok","msg_id":{id},"in_reply_to":{id},"echo":"{word}"}}}}"#
            );
            flood.requests += &(client(&request) + "\n");
            flood.replies += &(reply + "\n");
        }
        flood
    }
}

/// Whether the last line of a killed node may be cut off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastLine {
    /// It must be whole: stdout had room all the time.
    Whole,
    /// It may be cut off: the reader was slow, or the kernel splits writes.
    MayBeCut,
}

/// The end of a killed node's output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    BetweenLines,
    InsideLine,
}

/// Checks the output up to the kill: the replies, in order and byte for byte.
#[track_caller]
fn assert_written(written: &str, flood: &Flood, last_line: LastLine) -> Cut {
    let common = written.bytes().zip(flood.replies.bytes());
    let same = common.take_while(|(a, b)| a == b).count();
    let context = |text: &str| text.get(same.saturating_sub(200)..).map(str::to_owned);
    assert!(
        same == written.len(),
        "byte {same} of {}: {:.400?} should be {:.400?}",
        written.len(),
        context(written),
        context(&flood.replies)
    );
    if written.is_empty() || written.ends_with('\n') {
        return Cut::BetweenLines;
    }
    assert!(
        last_line == LastLine::MayBeCut,
        "cut off at byte {same}: {:?}",
        context(written)
    );
    Cut::InsideLine
}

/// The state that a node shares with the next process.
#[derive(Debug, PartialEq, Eq)]
struct State {
    /// The status flags of stdin and stdout, such as O_NONBLOCK.
    flags: [OFlags; 2],
    terminal_modes: Option<String>,
}

/// When a node is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// After a random part of the input was written.
    ByInput,
    /// After a random number of bytes has appeared on stdout, which is not read. This
    /// is inside a flush, if a flush is more than one write. stdin and stdout must have
    /// room for a whole flood.
    ByOutput,
}

/// The standard streams of one node after another.
struct Streams {
    stdin: Channel,
    stdout: Channel,
    /// The file behind stdout, if it is one.
    file: Option<File>,
    last_line: LastLine,
    moment: Moment,
    /// The number of requests in each flood.
    echoes: usize,
}

impl Streams {
    fn launch(&self, launch: Launch) -> Launch {
        launch.stdin(self.stdin.again()).stdout(self.stdout.again())
    }

    fn is_terminal(&self) -> bool {
        tcgetattr(&self.stdin.theirs).is_ok()
    }

    fn state(&self) -> State {
        let flags = |channel: &Channel| fcntl_getfl(&channel.theirs).expect("F_GETFL");
        State {
            flags: [flags(&self.stdin), flags(&self.stdout)],
            terminal_modes: tcgetattr(&self.stdin.theirs)
                .ok()
                .map(|modes| format!("{modes:?}")),
        }
    }

    /// Runs a node, kills it during a flood, and checks the output and the state of the
    /// streams.
    #[track_caller]
    fn kill_one(&self, numbers: &mut Numbers) -> Cut {
        let before = self.state();
        let flood = Flood::new(numbers, self.echoes);
        let mut node = self.launch(Launch::new()).start();
        node.send(INIT);
        let input = &flood.requests.as_bytes()[..numbers.below(flood.requests.len())];
        match self.moment {
            Moment::ByOutput => assert_eq!(node.write_until_stalled(input), input.len()),
            Moment::ByInput => node.write(input),
        }
        // A reply is longer than its request, so this much output is certain, even if
        // the last request is cut off.
        let answered = input.len().saturating_sub(2 * WORD_MAX);
        let until = numbers.below(answered + 1);
        if self.moment == Moment::ByOutput {
            wait_until("enough output is written", || {
                self.written() >= until as u64
            });
        }
        node.signal(Signal::KILL);
        let ending = node.wait();
        assert_eq!(
            ending.status.code(),
            None,
            "not ended by a signal: {ending:?}"
        );
        // On a terminal a node says that it waits, and how to begin, unless the kill came
        // before.
        let hint = match self.is_terminal() {
            true => ["eddyline: stdin is a terminal: ", "{\"src\":\"c0\","].as_slice(),
            false => &[],
        };
        let is_hint = |(line, begin): (&String, &&str)| line.starts_with(*begin);
        assert!(
            ending.stderr.len() <= hint.len() && ending.stderr.iter().zip(hint).all(is_hint),
            "{:?}",
            ending.stderr
        );

        assert_eq!(self.state(), before);
        self.drop_input();
        let written = text_of(&ending.stdout) + &self.run_cat();
        let (init_ok, written) = match written.split_once('\n') {
            Some((init_ok, rest)) => (init_ok, rest),
            // The node was killed before the end of its first line.
            None => (&*written, ""),
        };
        assert!(INIT_OK.starts_with(init_ok), "{init_ok}");
        assert_written(written, &flood, self.last_line)
    }

    /// The number of unread bytes on stdout.
    fn written(&self) -> u64 {
        match (&self.file, &self.stdout.ours) {
            (Some(file), _) => file.metadata().expect("metadata").len(),
            (None, Some(ours)) => rustix::io::ioctl_fionread(ours).expect("FIONREAD"),
            (None, None) => unreachable!("stdout is a file or has another end"),
        }
    }

    /// Discards the input that the node has not read.
    fn drop_input(&self) {
        let fd = &self.stdin.theirs;
        let mut buffer = vec![0; 64 << 10];
        if let Some(ours) = self.stdin.ours.as_ref().filter(|_| self.is_terminal()) {
            // First the bytes on their way to the terminal, then those in its queue.
            tcflush(ours, QueueSelector::OFlush).expect("tcflush");
            tcflush(fd, QueueSelector::IFlush).expect("tcflush");
            return;
        }
        while recv(fd, &mut buffer, RecvFlags::DONTWAIT).is_ok() {}
        while rustix::io::ioctl_fionread(fd).is_ok_and(|count| count > 0) {
            rustix::io::read(fd, &mut buffer).expect("read");
        }
    }

    /// Runs `cat` on the same open file descriptions with one word as input. Returns
    /// the output before this word.
    #[track_caller]
    fn run_cat(&self) -> String {
        const WORD: &str = "the next process works";
        let mut next = self.launch(Launch::command(Command::new("cat"))).start();
        next.send(WORD);
        let mut text = String::new();
        match &self.file {
            Some(file) => {
                wait_until("cat has written the word", || {
                    text = content(file);
                    text.ends_with(&format!("{WORD}\n"))
                });
                file.set_len(0).expect("truncate");
                let mut shared: &File = file;
                shared.rewind().expect("seek");
                text.truncate(text.len() - 1);
            }
            None => {
                while !text.ends_with(WORD) {
                    text += if text.is_empty() { "" } else { "\n" };
                    text += &next.line();
                }
            }
        }
        text.truncate(text.len() - WORD.len());
        text
    }
}

const INIT_OK: &str =
    r#"{"src":"n1","dest":"c0","body":{"type":"init_ok","msg_id":0,"in_reply_to":1}}"#;

/// The text of lines, the last of which may have no newline.
fn text_of(lines: &[String]) -> String {
    let with_end = |line: &String| match line.strip_suffix("<no newline>") {
        Some(rest) => rest.to_owned(),
        None => format!("{line}\n"),
    };
    lines.iter().map(with_end).collect()
}

/// The content of a file. Its offset is not changed.
fn content(file: &File) -> String {
    let length = file.metadata().expect("metadata").len();
    let mut bytes = vec![0; usize::try_from(length).expect("a small file")];
    file.read_exact_at(&mut bytes, 0).expect("read");
    String::from_utf8(bytes).expect("UTF-8")
}

#[track_caller]
fn kill_many(streams: &Streams) {
    let mut numbers = Numbers(SEED);
    let cut = (0..KILLS)
        .filter(|_| streams.kill_one(&mut numbers) == Cut::InsideLine)
        .count();
    eprintln!("{cut} of {KILLS} kills cut off the last line");
    if streams.file.is_none() {
        streams.launch(Launch::new()).ready().check();
    }
}

/// The largest capacity of a pipe without privileges.
const PIPE: usize = 1 << 20;

// The pipe has room for all output, so no line may be cut off.
#[test]
fn a_kill_leaves_whole_lines_in_a_pipe_that_has_room() {
    kill_many(&Streams {
        stdin: Channel::pipe_in().holding(PIPE),
        stdout: Channel::pipe_out().holding(PIPE),
        file: None,
        last_line: LastLine::Whole,
        moment: Moment::ByOutput,
        // Half of the capacity, because pages of a pipe are not always filled.
        echoes: PIPE / 2 / WORD_MAX,
    });
}

#[test]
fn a_kill_leaves_whole_lines_in_a_pipe_that_is_full() {
    kill_many(&Streams {
        stdin: Channel::pipe_in(),
        stdout: Channel::pipe_out().holding(4096),
        file: None,
        last_line: LastLine::MayBeCut,
        moment: Moment::ByInput,
        echoes: 250,
    });
}

#[test]
fn a_kill_leaves_whole_lines_in_a_socket() {
    let socket = Channel::socket();
    kill_many(&Streams {
        stdin: socket.again(),
        stdout: socket,
        file: None,
        last_line: LastLine::MayBeCut,
        moment: Moment::ByInput,
        echoes: 250,
    });
}

#[test]
fn a_kill_leaves_whole_lines_on_a_terminal_and_its_modes() {
    let terminal = Channel::terminal();
    kill_many(&Streams {
        stdin: terminal.again(),
        stdout: terminal,
        file: None,
        last_line: LastLine::MayBeCut,
        moment: Moment::ByInput,
        echoes: 250,
    });
}

#[test]
fn a_kill_leaves_whole_lines_in_a_file() {
    let file = scratch_file(false);
    kill_many(&Streams {
        stdin: Channel::pipe_in().holding(PIPE),
        stdout: Channel::file(&file),
        file: Some(file),
        last_line: LastLine::MayBeCut,
        moment: Moment::ByOutput,
        echoes: 250,
    });
}
