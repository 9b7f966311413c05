//! Checks the real binary under faults of its environment: it is stopped, its streams
//! do not work or are slow, or it runs out of descriptors.

mod support;

use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::{
    Channel, Ending, INIT, Launch, Node, Numbers, PATIENCE, Process, client, message, number_after,
    wait_until,
};

/// Checks that a process uses almost no CPU for half a second. The half second is a
/// window for the measurement, in which a spinning loop would use fifty ticks.
#[track_caller]
fn assert_idle(process: Process) {
    const TICKS: u64 = 10;
    let before = process.cpu_ticks();
    std::thread::sleep(Duration::from_millis(500));
    let used = process.cpu_ticks() - before;
    assert!(used <= TICKS, "{used} ticks used while waiting");
}

/// Padding of a reply, so that 600 replies need more than one read.
const PADDING: usize = 300;

/// The result of [`answer_during_a_pause`].
#[derive(PartialEq, Eq)]
enum Pause {
    /// The node was stopped before the deadline, and the checks passed.
    InTime,
    /// The machine was so busy that the deadline passed before the node was stopped.
    /// Nothing was checked.
    TooLate,
}

/// Starts this number of calls, stops the node, answers them all, and continues the
/// node after their deadline. Checks that each call ends with its reply.
#[track_caller]
fn answer_during_a_pause(calls: u64, timeout: Duration) -> Pause {
    const FIRST: u64 = 100;
    let millis = u64::try_from(timeout.as_millis()).expect("a short time");
    // The largest pipe that Linux allows without privileges.
    let stdin = Channel::pipe_in().holding(1 << 20);
    let mut node = Launch::new().stdin(stdin).rpc_timeout_ms(millis).ready();
    let proxy = |id: u64| {
        let body = r#""target":"n2","inner":{"type":"read"}}"#;
        client(&format!(r#"{{"type":"proxy","msg_id":{id},{body}"#)) + "\n"
    };
    let begun = Instant::now();
    let proxies: String = (FIRST..FIRST + calls).map(proxy).collect();
    node.write(proxies.as_bytes());
    let requests: Vec<Value> = (0..calls).map(|_| node.reply()).collect();
    node.signal(Signal::STOP);
    wait_until("the node has stopped", || node.process().is_stopped());
    if begun.elapsed() >= timeout {
        return Pause::TooLate;
    }

    let answer = |request: &Value| {
        let (id, padding) = (&request["body"]["msg_id"], "p".repeat(PADDING));
        let body = json!({"type": "read_ok", "in_reply_to": id, "value": padding});
        message("n2", &body.to_string()) + "\n"
    };
    let answers: String = requests.iter().map(answer).collect();
    node.write(answers.as_bytes());
    // All calls began before now.
    let passed = Instant::now() + timeout;
    wait_until("the deadline has passed", || Instant::now() > passed);
    node.signal(Signal::CONT);

    let mut ended: Vec<u64> = (0..calls)
        .map(|_| {
            let reply = node.reply();
            assert_eq!(reply["body"]["type"], "proxy_ok", "{reply}");
            reply["body"]["in_reply_to"].as_u64().expect("an integer")
        })
        .collect();
    ended.sort_unstable();
    assert!(
        ended.into_iter().eq(FIRST..FIRST + calls),
        "a call did not end exactly once"
    );
    node.finish_quietly();
    Pause::InTime
}

#[track_caller]
fn assert_replies_beat_their_deadline(calls: u64) {
    // The first timeout is 200 ms. Each further try doubles it, for a busy machine.
    let timeouts = (0..8).map(|power| Duration::from_millis(200 << power));
    for timeout in timeouts {
        if answer_during_a_pause(calls, timeout) == Pause::InTime {
            return;
        }
    }
    panic!("the machine is too busy to stop a node in time");
}

// A stopped node's clock goes on. When the node continues, the deadlines have passed,
// and the replies are there too.
#[test]
fn a_reply_that_came_during_a_pause_beats_its_deadline() {
    assert_replies_beat_their_deadline(1);
}

// The same, but with more replies than one read returns: the last one is a quarter of
// a megabyte behind the first.
#[test]
fn six_hundred_replies_that_came_during_a_pause_beat_their_deadline() {
    assert_replies_beat_their_deadline(600);
}

// A call's timer is due while the node waits only for the reader of stdout. Timers are
// not fired in this state, so they must not end the wait either.
#[test]
fn waiting_for_the_reader_of_stdout_at_the_end_uses_no_cpu() {
    const ECHOES: usize = 4;
    const TIMEOUT: Duration = Duration::from_millis(500);
    let mut node = Launch::new().rpc_timeout_ms(500).ready();
    let proxy = r#"{"type":"proxy","msg_id":2,"target":"n2","inner":{"type":"read"}}"#;
    // Larger than a pipe, and too small to stop the node from reading.
    let echo = format!(
        r#"{{"type":"echo","msg_id":3,"echo":"{}"}}"#,
        "y".repeat(50_000)
    );
    // The call comes last: its timer is armed just before the input ends.
    let input = (client(&echo) + "\n").repeat(ECHOES) + &client(proxy) + "\n";
    let taken = node.write_until_stalled(input.as_bytes());
    assert_eq!(taken, input.len(), "the node stopped reading");
    node.close_stdin();
    let due = Instant::now() + TIMEOUT;
    wait_until("the call's deadline has passed", || Instant::now() > due);
    assert_idle(node.process());

    let ending = node.finish();
    let count = |kind: &str| {
        let kind = format!(r#""type":"{kind}""#);
        let lines = ending.stdout.iter();
        lines.filter(|line| line.contains(&kind)).count()
    };
    assert_eq!(count("read"), 1, "requests to n2");
    assert_eq!(count("echo_ok"), ECHOES);
    assert!(ending.stdout.iter().all(|line| line.ends_with("}}")));
    assert_eq!(ending.stderr, [support::unanswered(1)]);
}

/// Runs the node with one of its streams redirected. Its input is `init`.
fn redirected(redirection: &str) -> Ending {
    let launch = Launch::shell(&format!("exec \"$0\" {redirection}"));
    end_after_init(launch.start())
}

fn end_after_init(mut node: Node) -> Ending {
    node.write(format!("{INIT}\n").as_bytes());
    node.close_stdin();
    let ending = node.wait();
    let output = format!("{:?}{:?}", ending.stdout, ending.stderr);
    assert!(!output.contains("panicked"), "{output}");
    ending
}

/// Checks the exit status, and that one line on stderr contains `names`.
#[track_caller]
fn assert_fails(ending: &Ending, status: i32, names: &str) {
    assert_eq!(ending.status.code(), Some(status), "{ending:?}");
    let [line] = &ending.stderr[..] else {
        panic!("expected one line, not {ending:?}");
    };
    assert!(line.starts_with("eddyline: "), "{line}");
    assert!(line.contains(names), "{line}");
}

// If stderr cannot be written, only the exit status reports the error.
#[test]
fn a_wrong_option_exits_with_2_even_if_stderr_is_full() {
    let ending = redirected("--no-such-option 2>/dev/full");
    assert_eq!(ending.status.code(), Some(2), "{ending:?}");
    assert!(ending.stdout.is_empty(), "{ending:?}");
    let reported = redirected("--no-such-option");
    assert_fails(&reported, 2, "--no-such-option");
}

// A full disk differs from a closed reader: replies are lost, so it must be an error.
#[test]
fn a_full_disk_as_stdout_exits_with_1_and_is_reported() {
    assert_fails(&redirected(">/dev/full"), 1, "stdout");
}

#[test]
fn a_directory_as_stdin_exits_with_1_and_is_reported() {
    assert_fails(&redirected("</"), 1, "stdin");
}

// First a device, whose descriptor is used directly; then a pipe, which would be
// reopened.
#[test]
fn a_write_only_stdin_exits_with_1_and_is_reported() {
    assert_fails(&redirected("0>/dev/null"), 1, "standard input");
    let ending = end_after_init(Launch::new().stdin(Channel::pipe_out()).start());
    assert_fails(&ending, 1, "standard input");
}

/// A node with this limit of open files that runs TCP echo, and its port.
fn listening(files: usize) -> (Node, u16) {
    let launch = Launch::shell(&format!("ulimit -n {files}; exec \"$0\""));
    let mut node = launch.ready();
    let reply = node.ask(&client(r#"{"type":"tcp_echo_start","msg_id":2,"port":0}"#));
    let port = reply["body"]["port"].as_u64().expect("a port");
    (node, u16::try_from(port).expect("a port fits into 16 bits"))
}

/// Connects a TCP client, whose reads have a timeout.
fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends four bytes and waits for their echo, so that the server has accepted the
/// client.
#[track_caller]
fn ping(mut stream: &TcpStream) {
    stream.write_all(b"ping").expect("write");
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).expect("the echo");
    assert_eq!(&echo, b"ping");
}

// Each client that leaves makes room for one other, and the server is full again. A
// line for each time would repeat the same fact as long as clients wait.
#[test]
fn a_full_server_is_reported_once_and_does_not_spin() {
    const LIMIT: usize = 40;
    const CLIENTS: usize = 120;
    const LEAVE: usize = 60;
    const AT_ONCE: usize = 10;
    let (mut node, port) = listening(LIMIT);
    let fit = LIMIT - node.process().open_files();
    assert!(LEAVE + fit < CLIENTS, "the queue would become empty");
    let mut crowd: Vec<Option<TcpStream>> = (0..CLIENTS).map(|_| Some(connect(port))).collect();
    let line = node.stderr_line();
    assert!(line.contains("accepts no connections"), "{line}");
    assert_idle(node.process());

    let enters = |crowd: &[Option<TcpStream>], index: usize| {
        let stream = crowd[index + fit].as_ref();
        ping(stream.expect("it has not left yet"));
    };
    for index in 0..LEAVE / 2 {
        crowd[index] = None;
        enters(&crowd, index);
    }
    for first in (LEAVE / 2..LEAVE).step_by(AT_ONCE) {
        crowd[first..first + AT_ONCE].fill_with(|| None);
        (first..first + AT_ONCE).for_each(|index| enters(&crowd, index));
    }
    assert_idle(node.process());
    node.check();
    // Clients still wait, and there was no second line.
    node.finish_quietly();
}

// Five times, clients fill the server and then leave.
#[test]
fn a_server_that_fills_up_repeatedly_is_reported_once() {
    const LIMIT: usize = 40;
    let (mut node, port) = listening(LIMIT);
    let rest = node.process().open_files();
    for _ in 0..5 {
        let crowd: Vec<TcpStream> = (0..LIMIT).map(|_| connect(port)).collect();
        crowd.iter().take(LIMIT - rest).for_each(ping);
        // After another turn, the node has tried in vain to accept the other clients.
        node.check();
        drop(crowd);
        wait_until("all connections are closed", || {
            node.process().open_files() == rest
        });
    }
    let ending = node.finish();
    assert_eq!(ending.stderr.len(), 1, "{ending:?}");
}

// If stdout and stderr are different pipes, a slow reader of stdout must not delay the
// lines on stderr, which may explain the problem.
#[test]
fn diagnostics_are_written_while_stdout_is_blocked_inside_a_line() {
    let mut node = Launch::new().ready();
    // One line, longer than the pipe.
    let word = "y".repeat(200_000);
    let echo = format!(r#"{{"type":"echo","msg_id":3,"echo":"{word}"}}"#);
    let mut input = client(&echo) + "\n";
    assert_eq!(node.write_until_stalled(input.as_bytes()), input.len());
    node.wait_until_input_is_read();
    wait_until("the node waits", || node.process().is_asleep());
    input = "nonsense\n".to_owned();
    assert_eq!(node.write_until_stalled(input.as_bytes()), input.len());
    let line = node.stderr_line_with_stdout_unread();
    assert!(line.contains("nonsense"), "{line}");
    let reply = node.reply();
    assert!(reply["body"]["echo"] == word, "the echo differs");
    node.check();
    node.finish_quietly();
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// An echo request with `length` bytes of data, and its newline.
fn echo_request(id: u64, length: usize) -> String {
    let word = "z".repeat(length);
    let body = format!(r#"{{"type":"echo","msg_id":{id},"echo":"{word}"}}"#);
    client(&body) + "\n"
}

// `2>&1 | slow`: the pipe is full many times, at every position within a line. A
// diagnostic in the middle of a message would break two lines.
#[test]
fn gotcha_2_on_one_slow_pipe_every_line_is_whole() {
    const ECHOES: u64 = 3_000;
    let mut numbers = Numbers(SEED);
    // The smallest possible pipe: one page.
    let stdout = Channel::pipe_out().holding(4096);
    let mut node = Launch::new().stdout(stdout).merge_stderr().ready();
    let mut input = String::new();
    for id in 0..ECHOES {
        // Every thirtieth is longer than the pipe.
        let longest = if id % 30 == 0 { 20_000 } else { 500 };
        input += &echo_request(id, numbers.below(longest));
        input += &format!("bad line {id} {}\n", "b".repeat(numbers.below(300)));
    }
    // The pipe is full before the test reads, and often again after that.
    let taken = node.write_until_stalled(&input.as_bytes()[..input.len() / 2]);
    node.write(&input.as_bytes()[taken..]);
    let ending = node.finish();

    let (messages, others): (Vec<&String>, Vec<&String>) = ending
        .stdout
        .iter()
        .partition(|line| serde_json::from_str::<Value>(line).is_ok());
    for line in others {
        assert!(line.starts_with("eddyline: "), "{line:.300}");
        // There is no part of a message in the diagnostic.
        assert!(!line.contains("echo_ok"), "{line:.300}");
    }
    let ids = messages
        .iter()
        .map(|line| number_after(line, "in_reply_to"));
    assert!(
        ids.eq((0..ECHOES).map(Some)),
        "a reply is missing or out of order"
    );
}

// The slowest possible reader: it takes one byte at a time.
#[test]
fn a_reader_that_takes_a_byte_at_a_time_gets_every_line() {
    const ECHOES: u64 = 200;
    let stdout = Channel::pipe_out().holding(4096);
    let Channel { theirs, ours, end } = stdout;
    let reader = ours.expect("a pipe has two ends");
    let channel = Channel {
        theirs,
        ours: None,
        end,
    };
    let mut node = Launch::new().stdout(channel).start();
    let mut numbers = Numbers(SEED);
    let mut input = INIT.to_owned() + "\n";
    for id in 0..ECHOES {
        input += &echo_request(id, numbers.below(200));
    }
    node.write(input.as_bytes());
    node.close_stdin();
    let mut output = Vec::new();
    let mut byte = [0];
    while rustix::io::read(&reader, &mut byte).expect("read") == 1 {
        output.push(byte[0]);
    }
    let output = String::from_utf8(output).expect("UTF-8");
    assert!(output.ends_with('\n'));
    let ids = output.lines().skip(1);
    let ids = ids.map(|line| number_after(line, "in_reply_to"));
    assert!(
        ids.eq((0..ECHOES).map(Some)),
        "a reply is missing or out of order"
    );
    assert_eq!(node.wait().status.code(), Some(0));
}
