//! What a node does when the world around it misbehaves: it is stopped, given streams that do not work, or runs out of descriptors.

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

/// Holds that a process uses next to nothing of the processor for half a second.
/// That is a window to measure in, not a wait for something to happen: a loop
/// that spins would use fifty ticks of it.
#[track_caller]
fn assert_idle(process: Process) {
    const TICKS: u64 = 10;
    let before = process.cpu_ticks();
    std::thread::sleep(Duration::from_millis(500));
    let used = process.cpu_ticks() - before;
    assert!(used <= TICKS, "{used} ticks spent on waiting");
}

/// The rest of a reply, so that 600 of them need more than one read.
const PADDING: usize = 300;

/// Starts that many calls, stops the node, answers them all, and lets it go on
/// when their deadline has passed. False, and nothing is shown, if the machine
/// was so busy that the deadline passed before the node had been stopped.
#[track_caller]
fn answer_during_a_pause(calls: u64, timeout: Duration) -> bool {
    const FIRST: u64 = 100;
    let millis = u64::try_from(timeout.as_millis()).expect("a short time");
    // As large as Linux makes a pipe without privileges.
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
        return false;
    }

    let answer = |request: &Value| {
        let (id, padding) = (&request["body"]["msg_id"], "p".repeat(PADDING));
        let body = json!({"type": "read_ok", "in_reply_to": id, "value": padding});
        message("n2", &body.to_string()) + "\n"
    };
    let answers: String = requests.iter().map(answer).collect();
    node.write(answers.as_bytes());
    // No call was begun later than this.
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
    assert!(ended.into_iter().eq(FIRST..FIRST + calls), "each once");
    node.finish_quietly();
    true
}

#[track_caller]
fn assert_replies_beat_their_deadline(calls: u64) {
    // From 200 ms on; each try gives a busy machine twice as much.
    let timeouts = (0..8).map(|power| Duration::from_millis(200 << power));
    for timeout in timeouts {
        if answer_during_a_pause(calls, timeout) {
            return;
        }
    }
    panic!("the machine is too busy to stop a node in time");
}

// Who stops a node (a debugger, a laptop's lid, a nemesis) stops its clock in no
// way: on waking, every deadline has passed, and the replies are there too.
#[test]
fn a_reply_that_came_during_a_pause_beats_its_deadline() {
    assert_replies_beat_their_deadline(1);
}

// The same where one read does not fetch all replies: the last one stands a
// quarter of a megabyte behind the first.
#[test]
fn six_hundred_replies_that_came_during_a_pause_beat_their_deadline() {
    assert_replies_beat_their_deadline(600);
}

// A call's timer is due while only the reader of stdout is waited for; nobody
// looks at timers any more then, and they must not end the wait either.
#[test]
fn waiting_for_the_reader_of_stdout_at_the_end_uses_no_cpu() {
    const ECHOES: usize = 4;
    const TIMEOUT: Duration = Duration::from_millis(500);
    let mut node = Launch::new().rpc_timeout_ms(500).ready();
    let proxy = r#"{"type":"proxy","msg_id":2,"target":"n2","inner":{"type":"read"}}"#;
    // More than a pipe holds, and less than makes the node stop reading.
    let echo = format!(
        r#"{{"type":"echo","msg_id":3,"echo":"{}"}}"#,
        "y".repeat(50_000)
    );
    // The call comes last: its timer is armed just before the input ends.
    let input = (client(&echo) + "\n").repeat(ECHOES) + &client(proxy) + "\n";
    let taken = node.write_until_stalled(input.as_bytes());
    assert_eq!(taken, input.len(), "it reads everything");
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
    assert_eq!(count("read"), 1, "the request");
    assert_eq!(count("echo_ok"), ECHOES);
    assert!(ending.stdout.iter().all(|line| line.ends_with("}}")));
    assert!(ending.stderr.is_empty(), "{:?}", ending.stderr);
}

/// Runs the node with one of its streams redirected, and says init and an end.
fn redirected(redirection: &str) -> Ending {
    let launch = Launch::shell(&format!("exec \"$0\" {redirection}"));
    converse(launch.start())
}

fn converse(mut node: Node) -> Ending {
    node.write(format!("{INIT}\n").as_bytes());
    node.close_stdin();
    let ending = node.wait();
    let said = format!("{:?}{:?}", ending.stdout, ending.stderr);
    assert!(!said.contains("panicked"), "{said}");
    ending
}

/// Holds the status, and that one line tells people which stream is at fault.
#[track_caller]
fn assert_fails(ending: &Ending, status: i32, names: &str) {
    assert_eq!(ending.status.code(), Some(status), "{ending:?}");
    let [line] = &ending.stderr[..] else {
        panic!("one line, not {ending:?}");
    };
    assert!(line.starts_with("eddyline: "), "{line}");
    assert!(line.contains(names), "{line}");
}

// The status is all that is left to tell when stderr takes nothing.
#[test]
fn a_wrong_option_exits_with_2_even_if_stderr_is_full() {
    let ending = redirected("--no-such-option 2>/dev/full");
    assert_eq!(ending.status.code(), Some(2), "{ending:?}");
    assert!(ending.stdout.is_empty(), "{ending:?}");
    let told = redirected("--no-such-option");
    assert_fails(&told, 2, "--no-such-option");
}

// A disk that is full is no reader that has gone: replies are lost, and whoever
// started the node must learn of it.
#[test]
fn a_full_disk_as_stdout_exits_with_1_and_is_reported() {
    assert_fails(&redirected(">/dev/full"), 1, "stdout");
}

#[test]
fn a_directory_as_stdin_exits_with_1_and_is_reported() {
    assert_fails(&redirected("</"), 1, "stdin");
}

// A device, which is used as it is, and a pipe, which would be opened anew.
#[test]
fn a_write_only_stdin_exits_with_1_and_is_reported() {
    assert_fails(&redirected("0>/dev/null"), 1, "standard input");
    let ending = converse(Launch::new().stdin(Channel::pipe_out()).start());
    assert_fails(&ending, 1, "standard input");
}

/// A node that may have so many files open and listens, and its port.
fn listening(files: usize) -> (Node, u16) {
    let launch = Launch::shell(&format!("ulimit -n {files}; exec \"$0\""));
    let mut node = launch.ready();
    let reply = node.ask(&client(r#"{"type":"tcp_echo_start","msg_id":2,"port":0}"#));
    let port = reply["body"]["port"].as_u64().expect("a port");
    (node, u16::try_from(port).expect("a port fits into 16 bits"))
}

/// Connects as any TCP client would. It waits, but not for ever.
fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Waits until the server has taken a client in.
#[track_caller]
fn ping(mut stream: &TcpStream) {
    stream.write_all(b"ping").expect("write");
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).expect("the echo");
    assert_eq!(&echo, b"ping");
}

// Each client that leaves lets one in, and the server is full again: a line for
// each would say the same thing for as long as the crowd lasts.
#[test]
fn a_full_server_is_reported_once_and_does_not_spin() {
    const LIMIT: usize = 40;
    const CLIENTS: usize = 120;
    const LEAVE: usize = 60;
    const AT_ONCE: usize = 10;
    let (mut node, port) = listening(LIMIT);
    let fit = LIMIT - node.process().open_files();
    assert!(LEAVE + fit < CLIENTS, "the queue is never empty");
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
    // The crowd is still there: nothing more was said.
    node.finish_quietly();
}

// A crowd that comes and goes fills the server each time.
#[test]
fn a_server_that_fills_up_repeatedly_is_reported_once() {
    const LIMIT: usize = 40;
    let (mut node, port) = listening(LIMIT);
    let rest = node.process().open_files();
    for _ in 0..5 {
        let crowd: Vec<TcpStream> = (0..LIMIT).map(|_| connect(port)).collect();
        crowd.iter().take(LIMIT - rest).for_each(ping);
        // After another turn it has tried in vain to accept the others.
        node.check();
        drop(crowd);
        wait_until("all have gone", || node.process().open_files() == rest);
    }
    let ending = node.finish();
    assert_eq!(ending.stderr.len(), 1, "{ending:?}");
}

// Where stdout and stderr are not the same pipe, a reader who is behind on one
// must not keep people from reading the other; it may be what they look for.
#[test]
fn diagnostics_are_written_while_stdout_is_blocked_inside_a_line() {
    let mut node = Launch::new().ready();
    // One line, longer than the pipe.
    let word = "y".repeat(200_000);
    let echo = format!(r#"{{"type":"echo","msg_id":3,"echo":"{word}"}}"#);
    let mut input = client(&echo) + "\n";
    assert_eq!(node.write_until_stalled(input.as_bytes()), input.len());
    node.wait_until_input_is_read();
    wait_until("the node rests", || node.process().is_asleep());
    input = "nonsense\n".to_owned();
    assert_eq!(node.write_until_stalled(input.as_bytes()), input.len());
    let line = node.stderr_line_with_stdout_unread();
    assert!(line.contains("nonsense"), "{line}");
    let reply = node.reply();
    assert!(reply["body"]["echo"] == word, "not the same text");
    node.check();
    node.finish_quietly();
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// An echo request and its newline. Its reply carries `length` bytes and more.
fn echo_request(id: u64, length: usize) -> String {
    let word = "z".repeat(length);
    let body = format!(r#"{{"type":"echo","msg_id":{id},"echo":"{word}"}}"#);
    client(&body) + "\n"
}

// `2>&1 | slow`: the pipe is full again and again, at every place of a line. A
// diagnostic in the middle of a message would break two lines.
#[test]
fn gotcha_2_on_one_slow_pipe_every_line_is_whole() {
    const ECHOES: u64 = 3_000;
    let mut numbers = Numbers(SEED);
    // The smallest pipe there is: a page.
    let stdout = Channel::pipe_out().holding(4096);
    let mut node = Launch::new().stdout(stdout).merge_stderr().ready();
    let mut input = String::new();
    for id in 0..ECHOES {
        // Every thirtieth is longer than the pipe.
        let longest = if id % 30 == 0 { 20_000 } else { 500 };
        input += &echo_request(id, numbers.below(longest));
        input += &format!("bad line {id} {}\n", "b".repeat(numbers.below(300)));
    }
    // Behind from the start, and then never far ahead.
    let taken = node.write_until_stalled(&input.as_bytes()[..input.len() / 2]);
    node.write(&input.as_bytes()[taken..]);
    let ending = node.finish();

    let (messages, others): (Vec<&String>, Vec<&String>) = ending
        .stdout
        .iter()
        .partition(|line| serde_json::from_str::<Value>(line).is_ok());
    for line in others {
        assert!(line.starts_with("eddyline: "), "{line:.300}");
        // Its own end, and nothing else's beginning.
        assert!(!line.contains("echo_ok"), "{line:.300}");
    }
    let ids = messages
        .iter()
        .map(|line| number_after(line, "in_reply_to"));
    assert!(ids.eq((0..ECHOES).map(Some)), "all, and in order");
}

// The slowest reader there is: after each byte the pipe has room for one more.
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
    assert!(ids.eq((0..ECHOES).map(Some)), "all, and in order");
    assert_eq!(node.wait().status.code(), Some(0));
}
