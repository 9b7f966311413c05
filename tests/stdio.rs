//! Checks the real binary with each kind of file as standard input and output. Also
//! checks that it does not change open file descriptions that it shares.

mod support;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use support::{Channel, INIT, Launch, Node, client, scratch_file};

const ECHO: &str = r#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":2,"echo":"hi"}}"#;

/// init and an echo, as a whole input.
fn conversation() -> String {
    format!("{INIT}\n{ECHO}\n")
}

/// Checks that `lines` are the replies to [`conversation`].
#[track_caller]
fn assert_replies<S: AsRef<str>>(lines: &[S]) {
    let types: Vec<String> = lines
        .iter()
        .map(|line| {
            let line = line.as_ref();
            let message: Value = serde_json::from_str(line).expect(line);
            message["body"]["type"].as_str().expect(line).to_owned()
        })
        .collect();
    assert_eq!(types, ["init_ok", "echo_ok"]);
}

/// The content of a file. Its offset is not changed.
fn content(file: &File) -> String {
    let length = file.metadata().expect("metadata").len();
    let mut bytes = vec![0; usize::try_from(length).expect("a small file")];
    file.read_exact_at(&mut bytes, 0).expect("read");
    String::from_utf8(bytes).expect("UTF-8")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pipe,
    File,
    Null,
    Terminal,
    Socket,
}

const KINDS: [Kind; 5] = [
    Kind::Pipe,
    Kind::File,
    Kind::Null,
    Kind::Terminal,
    Kind::Socket,
];

/// A short conversation from one kind of file to another.
#[track_caller]
fn converse(input: Kind, output: Kind) {
    let file = scratch_file(false);
    let stdin = match input {
        Kind::Pipe => Channel::pipe_in(),
        Kind::File => Channel::file_of(&conversation()),
        Kind::Null => Channel::null(),
        Kind::Terminal => Channel::terminal(),
        Kind::Socket => Channel::socket(),
    };
    let stdout = match output {
        Kind::Pipe => Channel::pipe_out(),
        Kind::File => Channel::file(&file),
        Kind::Null => Channel::null(),
        Kind::Terminal => Channel::terminal(),
        Kind::Socket => Channel::socket(),
    };
    let mut node = Launch::new().stdin(stdin).stdout(stdout).start();
    if matches!(input, Kind::Pipe | Kind::Terminal | Kind::Socket) {
        node.write(conversation().as_bytes());
    }
    let ending = node.finish();
    match input {
        Kind::Terminal => assert_invited(&ending.stderr),
        _ => assert!(
            ending.stderr.is_empty(),
            "{input:?} to {output:?}: {ending:?}"
        ),
    }
    let lines = match output {
        Kind::File => content(&file).lines().map(str::to_owned).collect(),
        _ => ending.stdout,
    };
    match (input, output) {
        (Kind::Null, _) | (_, Kind::Null) => assert!(lines.is_empty(), "{lines:?}"),
        _ => assert_replies(&lines),
    }
}

#[track_caller]
fn converse_with_each_output(input: Kind) {
    for output in KINDS {
        converse(input, output);
    }
}

#[test]
fn stdin_may_be_a_pipe() {
    converse_with_each_output(Kind::Pipe);
}

#[test]
fn stdin_may_be_a_regular_file_which_epoll_refuses() {
    converse_with_each_output(Kind::File);
}

#[test]
fn stdin_may_be_dev_null_which_epoll_refuses() {
    converse_with_each_output(Kind::Null);
}

#[test]
fn stdin_may_be_a_terminal() {
    converse_with_each_output(Kind::Terminal);
}

#[test]
fn stdin_may_be_a_socket() {
    converse_with_each_output(Kind::Socket);
}

#[test]
fn stdin_and_stdout_may_be_the_same_socket() {
    let mut node = Launch::new().both(Channel::socket()).start();
    node.write(conversation().as_bytes());
    assert_replies(&node.finish().stdout);
}

#[test]
fn stdin_and_stdout_may_be_the_same_terminal() {
    let mut node = Launch::new().both(Channel::terminal()).start();
    node.write(conversation().as_bytes());
    assert_replies(&[node.line(), node.line()]);
    let ending = node.finish();
    assert!(ending.stdout.is_empty(), "{ending:?}");
    assert_invited(&ending.stderr);
}

/// Checks that stderr has the invitation, and nothing else.
#[track_caller]
fn assert_invited(stderr: &[String]) {
    assert_eq!(stderr.len(), 2, "{stderr:?}");
    assert!(stderr[0].contains("stdin is a terminal"), "{stderr:?}");
    assert!(stderr[1].starts_with('{'), "{stderr:?}");
}

// No line has been written yet: the invitation does not wait for one. Any other kind of
// stdin gets none, as the tests above check.
#[test]
fn on_a_terminal_the_node_says_what_it_waits_for_and_its_line_works_when_pasted() {
    let identity = ["--node", "a\"b", "--nodes", "a\"b,n2"];
    for (args, node_id) in [(&[][..], "n1"), (&identity[..], "a\"b")] {
        let channel = Channel::terminal();
        let mut node = Launch::new().args(args).stdin(channel).start();
        assert!(node.stderr_line().contains("waits for messages"));
        let to_paste = node.stderr_line();
        let reply = node.ask(&to_paste);
        assert_eq!(reply["src"], node_id, "{reply}");
        assert_eq!(reply["body"]["type"], "init_ok", "{reply}");
        node.finish_quietly();
    }
}

#[test]
fn a_terminal_that_hangs_up_ends_the_input() {
    let mut channel = Channel::terminal();
    let ours = channel.ours.take().expect("our side");
    let mut node = Launch::new().stdin(channel).start();
    let mut terminal = File::from(ours);
    terminal.write_all(conversation().as_bytes()).unwrap();
    assert_replies(&[node.line(), node.line()]);
    drop(terminal);
    let ending = node.wait();
    assert_eq!(ending.status.code(), Some(0), "{ending:?}");
    assert!(ending.stdout.is_empty());
}

#[test]
fn stdout_and_stderr_may_be_the_same_pipe() {
    let mut node = Launch::new().merge_stderr().start();
    node.write(format!("{INIT}\nnonsense\n{ECHO}\n").as_bytes());
    let lines = node.finish().stdout;
    let (messages, diagnostics): (Vec<String>, Vec<String>) =
        lines.into_iter().partition(|line| line.starts_with('{'));
    assert_replies(&messages);
    assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    assert!(diagnostics[0].contains("nonsense"), "{diagnostics:?}");
}

/// A copy of the node's end of a channel, with the same open file description.
fn shared(channel: &Channel) -> OwnedFd {
    channel.theirs.try_clone().expect("dup")
}

/// Checks that the flags of shared open file descriptions are the same before the node
/// starts, while it runs, and after it was killed.
#[track_caller]
fn assert_flags_stay(mut launch: Launch, copies: &[OwnedFd]) {
    let flags = || -> Vec<OFlags> {
        let read = |fd| fcntl_getfl(fd).expect("F_GETFL");
        copies.iter().map(read).collect()
    };
    let before = flags();
    launch = launch.rpc_timeout_ms(60_000);
    let mut node = launch.ready();
    node.check();
    assert_eq!(flags(), before, "while the node runs");
    node.kill();
    assert_eq!(flags(), before, "after the kill");
}

#[test]
fn o_nonblock_of_a_shared_pipe_stays_as_it_was() {
    let (stdin, stdout) = (Channel::pipe_in(), Channel::pipe_out());
    let copies = [shared(&stdin), shared(&stdout)];
    assert_flags_stay(Launch::new().stdin(stdin).stdout(stdout), &copies);
}

#[test]
fn o_nonblock_of_a_shared_terminal_stays_as_it_was() {
    let terminal = Channel::terminal();
    let copies = [shared(&terminal)];
    assert_flags_stay(Launch::new().both(terminal), &copies);
}

#[test]
fn o_nonblock_of_a_shared_socket_stays_as_it_was() {
    let socket = Channel::socket();
    let copies = [shared(&socket)];
    assert_flags_stay(Launch::new().both(socket), &copies);
}

#[test]
fn a_description_that_is_non_blocking_already_works_and_stays_so() {
    let (stdin, stdout) = (Channel::pipe_in(), Channel::pipe_out());
    let copies = [shared(&stdin), shared(&stdout)];
    for fd in &copies {
        let flags = fcntl_getfl(fd).unwrap();
        fcntl_setfl(fd, flags | OFlags::NONBLOCK).unwrap();
    }
    assert_flags_stay(Launch::new().stdin(stdin).stdout(stdout), &copies);
}

#[test]
fn o_nonblock_of_shared_files_stays_as_it_was() {
    let input = scratch_file(false);
    input.write_all_at(conversation().as_bytes(), 0).unwrap();
    let output = scratch_file(true);
    let before = [fcntl_getfl(&input), fcntl_getfl(&output)];
    let launch = Launch::new().stdin(Channel::file(&input));
    let node = launch.stdout(Channel::file(&output)).start();
    node.finish_quietly();
    assert_eq!([fcntl_getfl(&input), fcntl_getfl(&output)], before);
    assert_replies(&content(&output).lines().collect::<Vec<_>>());
}

/// Checks that a node whose stdout is closed ends quietly, although its stdin is open.
#[track_caller]
fn assert_ends_without_a_reader(stdout: Channel) {
    let mut node = Launch::new().stdout(stdout).ready();
    node.close_stdout();
    node.send(ECHO);
    let ending = node.wait();
    assert_eq!(ending.status.code(), Some(0), "{ending:?}");
    let errors = ending.stderr.join("\n");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
fn a_closed_reader_of_stdout_ends_the_node_quietly() {
    assert_ends_without_a_reader(Channel::pipe_out());
    assert_ends_without_a_reader(Channel::socket());
    assert_ends_without_a_reader(Channel::terminal());
}

#[test]
fn a_last_line_without_a_newline_is_processed() {
    let mut node = Launch::new().start();
    node.write(conversation().trim_end().as_bytes());
    assert_replies(&node.finish().stdout);
}

#[test]
fn a_last_line_that_is_cut_off_is_reported() {
    let mut node = Launch::new().start();
    node.write(conversation().as_bytes());
    node.write(&ECHO.as_bytes()[..30]);
    let ending = node.finish();
    assert_replies(&ending.stdout);
    assert_eq!(ending.stderr.len(), 1, "{:?}", ending.stderr);
}

#[test]
fn empty_input_ends_the_node_quietly() {
    Launch::new().start().finish_quietly();
}

#[test]
fn output_to_a_file_in_append_mode_keeps_what_was_there() {
    let mut output = scratch_file(true);
    output.write_all(b"kept\n").unwrap();
    output.rewind().unwrap();
    run_between_files(&output);
    let content = content(&output);
    let replies = content.strip_prefix("kept\n").expect(&content);
    assert_replies(&replies.lines().collect::<Vec<_>>());
}

#[test]
fn output_to_a_file_continues_at_the_shared_offset() {
    let mut output = scratch_file(false);
    output.write_all(b"before\n").unwrap();
    run_between_files(&output);
    output.write_all(b"after\n").unwrap();
    let content = content(&output);
    let replies = content.strip_prefix("before\n").expect(&content);
    let replies = replies.strip_suffix("after\n").expect(&content);
    assert_replies(&replies.lines().collect::<Vec<_>>());
}

fn run_between_files(output: &File) {
    let launch = Launch::new().stdin(Channel::file_of(&conversation()));
    let node = launch.stdout(Channel::file(output)).start();
    node.finish_quietly();
}

#[test]
fn input_from_a_file_starts_at_the_shared_offset() {
    let mut input = scratch_file(false);
    write!(input, "a header that is already read..\n{}", conversation()).unwrap();
    input.rewind().unwrap();
    let mut header = [0; 32];
    input.read_exact(&mut header).unwrap();
    assert!(header.ends_with(b"\n"));
    let ending = Launch::new().stdin(Channel::file(&input)).start().finish();
    assert_replies(&ending.stdout);
    assert!(ending.stderr.is_empty(), "{ending:?}");
    let end = input.metadata().unwrap().len();
    assert_eq!(input.stream_position().unwrap(), end);
}

#[test]
fn every_line_of_a_large_file_is_answered() {
    const LINES: u64 = 50_000;
    let mut text = INIT.to_owned() + "\n";
    for id in 0..LINES {
        text += &client(&format!(r#"{{"type":"echo","msg_id":{id},"echo":1}}"#));
        text += "\n";
    }
    let output = scratch_file(false);
    let launch = Launch::new().stdin(Channel::file_of(&text));
    let node = launch.stdout(Channel::file(&output)).start();
    node.finish_quietly();
    let content = content(&output);
    let ids = content.lines().skip(1);
    let ids = ids.map(|line| support::number_after(line, "in_reply_to"));
    assert!(
        ids.eq((0..LINES).map(Some)),
        "a reply is missing or out of order"
    );
}

/// Runs the conversation with some of the standard streams closed at the start.
fn run_shell(redirection: &str) -> support::Ending {
    let script = format!("exec \"$0\" {redirection}");
    let mut node: Node = Launch::shell(&script).start();
    node.write(conversation().as_bytes());
    node.finish()
}

#[test]
fn a_closed_stdin_is_an_end_of_input() {
    assert!(run_shell("<&-").stdout.is_empty());
}

#[test]
fn a_closed_stdout_ends_the_node_quietly() {
    let ending = run_shell(">&-");
    assert!(ending.stdout.is_empty());
    let errors = ending.stderr.join("\n");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
fn a_closed_stderr_does_not_stop_the_node() {
    assert_replies(&run_shell("2>&-").stdout);
    let mut node = Launch::shell("exec \"$0\" 2>&-").ready();
    node.send("a malformed line that cannot be reported");
    node.check();
    node.finish_quietly();
}

#[test]
fn with_all_streams_closed_the_node_ends_quietly() {
    let ending = run_shell("<&- >&- 2>&-");
    assert!(ending.stdout.is_empty());
}
