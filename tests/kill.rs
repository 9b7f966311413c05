//! kill -9 at any moment: what the node leaves on its stdout, and in what state
//! it leaves what it ran on.
//!
//! All nodes of a test run on the same descriptions, one after another, with
//! `cat` in between: it blocks in its reads, so that it fails where a node had
//! left O_NONBLOCK behind, and what it writes marks where the node's bytes end.

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

/// Of each of the five tests here: 200 in all.
const KILLS: usize = 40;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// The longest word that is echoed: replies of one page, more and less.
const WORD_MAX: usize = 1_000;

/// Echo requests and the replies to them, byte for byte.
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

/// May the last line that a killed node has written be cut off?
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastLine {
    /// Not where stdout always had room.
    Whole,
    /// Its reader was behind, or the kernel splits writes.
    MayBeCut,
}

/// Holds what was found on stdout: the replies in their order, each byte of them,
/// up to the kill. Returns whether the last line was cut off.
#[track_caller]
fn assert_written(written: &str, flood: &Flood, last_line: LastLine) -> bool {
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
    let is_cut = !written.is_empty() && !written.ends_with('\n');
    assert!(
        !is_cut || last_line == LastLine::MayBeCut,
        "cut off at byte {same}: {:?}",
        context(written)
    );
    is_cut
}

/// What the node shares with whoever runs after it.
#[derive(Debug, PartialEq, Eq)]
struct State {
    /// Of the descriptions: O_NONBLOCK is among them.
    flags: [OFlags; 2],
    terminal_modes: Option<String>,
}

/// One way in and one way out, for one node after another.
struct Ground {
    stdin: Channel,
    stdout: Channel,
    /// What stdout leads to, if that is a file.
    file: Option<File>,
    last_line: LastLine,
    /// stdin takes a whole flood at once and stdout all replies, so that the kill
    /// can come as soon as so many bytes have appeared there: inside a flush, if
    /// that was not one write. Elsewhere it comes when so much was asked.
    nobody_reads: bool,
    /// Requests of each flood.
    echoes: usize,
}

impl Ground {
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

    /// Runs a node, kills it somewhere in a flood, and holds what is left. Returns
    /// whether its last line was cut off.
    #[track_caller]
    fn kill_one(&self, numbers: &mut Numbers) -> bool {
        let before = self.state();
        let flood = Flood::new(numbers, self.echoes);
        let mut node = self.launch(Launch::new()).start();
        node.send(INIT);
        let input = &flood.requests.as_bytes()[..numbers.below(flood.requests.len())];
        if self.nobody_reads {
            assert_eq!(node.write_until_stalled(input), input.len());
        } else {
            node.write(input);
        }
        // All but a last request that is cut off, whose reply is longer than it.
        let answered = input.len().saturating_sub(2 * WORD_MAX);
        let until = numbers.below(answered + 1);
        if self.nobody_reads {
            wait_until("so much is written", || self.written() >= until as u64);
        }
        node.signal(Signal::KILL);
        let ending = node.wait();
        assert_eq!(ending.status.code(), None, "a signal ended it: {ending:?}");
        assert!(ending.stderr.is_empty(), "{:?}", ending.stderr);

        assert_eq!(self.state(), before);
        self.drop_input();
        let written = text_of(&ending.stdout) + &self.pass_on();
        let (init_ok, written) = match written.split_once('\n') {
            Some((init_ok, rest)) => (init_ok, rest),
            // Killed before its first line, or inside it.
            None => (&*written, ""),
        };
        assert!(INIT_OK.starts_with(init_ok), "{init_ok}");
        assert_written(written, &flood, self.last_line)
    }

    /// Bytes on stdout that nobody has read.
    fn written(&self) -> u64 {
        match (&self.file, &self.stdout.ours) {
            (Some(file), _) => file.metadata().expect("metadata").len(),
            (None, Some(ours)) => rustix::io::ioctl_fionread(ours).expect("FIONREAD"),
            (None, None) => unreachable!("a file, or our end of something else"),
        }
    }

    /// Takes out of stdin what the node has not read.
    fn drop_input(&self) {
        let fd = &self.stdin.theirs;
        let mut buffer = vec![0; 64 << 10];
        if let Some(ours) = self.stdin.ours.as_ref().filter(|_| self.is_terminal()) {
            // What is on its way to the terminal, then what has reached it.
            tcflush(ours, QueueSelector::OFlush).expect("tcflush");
            tcflush(fd, QueueSelector::IFlush).expect("tcflush");
            return;
        }
        while recv(fd, &mut buffer, RecvFlags::DONTWAIT).is_ok() {}
        while rustix::io::ioctl_fionread(fd).is_ok_and(|count| count > 0) {
            rustix::io::read(fd, &mut buffer).expect("read");
        }
    }

    /// Runs `cat` on the same descriptions, which has to pass a word on. Returns
    /// what comes out before it.
    #[track_caller]
    fn pass_on(&self) -> String {
        const WORD: &str = "the next process works";
        let mut next = self.launch(Launch::command(Command::new("cat"))).start();
        next.send(WORD);
        let mut text = String::new();
        match &self.file {
            Some(file) => {
                wait_until("it has passed the word on", || {
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

/// Lines as they came, the last one perhaps without a newline.
fn text_of(lines: &[String]) -> String {
    let as_it_came = |line: &String| match line.strip_suffix("<no newline>") {
        Some(rest) => rest.to_owned(),
        None => format!("{line}\n"),
    };
    lines.iter().map(as_it_came).collect()
}

/// Everything in a file, without moving its offset.
fn content(file: &File) -> String {
    let length = file.metadata().expect("metadata").len();
    let mut bytes = vec![0; usize::try_from(length).expect("a small file")];
    file.read_exact_at(&mut bytes, 0).expect("read");
    String::from_utf8(bytes).expect("UTF-8")
}

#[track_caller]
fn kill_many(ground: &Ground) {
    let mut numbers = Numbers(SEED);
    let cut = (0..KILLS).filter(|_| ground.kill_one(&mut numbers)).count();
    eprintln!("{cut} of {KILLS} kills cut the last line off");
    if ground.file.is_none() {
        ground.launch(Launch::new()).ready().check();
    }
}

/// As much as a pipe holds without privileges.
const PIPE: usize = 1 << 20;

// There is room for everything: no line may be cut off, whenever the kill comes.
#[test]
fn a_kill_leaves_whole_lines_in_a_pipe_that_has_room() {
    kill_many(&Ground {
        stdin: Channel::pipe_in().holding(PIPE),
        stdout: Channel::pipe_out().holding(PIPE),
        file: None,
        last_line: LastLine::Whole,
        nobody_reads: true,
        // Half of what the pipe holds: pages are not always filled.
        echoes: PIPE / 2 / WORD_MAX,
    });
}

#[test]
fn a_kill_leaves_whole_lines_in_a_pipe_that_is_full() {
    kill_many(&Ground {
        stdin: Channel::pipe_in(),
        stdout: Channel::pipe_out().holding(4096),
        file: None,
        last_line: LastLine::MayBeCut,
        nobody_reads: false,
        echoes: 250,
    });
}

#[test]
fn a_kill_leaves_whole_lines_in_a_socket() {
    let socket = Channel::socket();
    kill_many(&Ground {
        stdin: socket.again(),
        stdout: socket,
        file: None,
        last_line: LastLine::MayBeCut,
        nobody_reads: false,
        echoes: 250,
    });
}

#[test]
fn a_kill_leaves_whole_lines_on_a_terminal_and_its_modes() {
    let terminal = Channel::terminal();
    kill_many(&Ground {
        stdin: terminal.again(),
        stdout: terminal,
        file: None,
        last_line: LastLine::MayBeCut,
        nobody_reads: false,
        echoes: 250,
    });
}

#[test]
fn a_kill_leaves_whole_lines_in_a_file() {
    let file = scratch_file(false);
    kill_many(&Ground {
        stdin: Channel::pipe_in().holding(PIPE),
        stdout: Channel::file(&file),
        file: Some(file),
        last_line: LastLine::MayBeCut,
        nobody_reads: true,
        echoes: 250,
    });
}
