//! What a node does when the world around it misbehaves: it is stopped, killed,
//! given streams that do not work, or runs out of descriptors.

mod support;

use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::{Channel, Ending, INIT, Launch, Node, Process, client, message, wait_until};

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
fn a_node_that_waits_for_its_last_reader_uses_no_processor() {
    const ECHOES: usize = 4;
    const TIMEOUT: Duration = Duration::from_millis(100);
    let mut node = Launch::new().rpc_timeout_ms(100).ready();
    let proxy = r#"{"type":"proxy","msg_id":2,"target":"n2","inner":{"type":"read"}}"#;
    // More than a pipe holds, and less than makes the node stop reading.
    let echo = format!(
        r#"{{"type":"echo","msg_id":3,"echo":"{}"}}"#,
        "y".repeat(50_000)
    );
    let input = client(proxy) + "\n" + &(client(&echo) + "\n").repeat(ECHOES);
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
fn a_wrong_option_ends_with_2_though_stderr_takes_nothing() {
    let ending = redirected("--no-such-option 2>/dev/full");
    assert_eq!(ending.status.code(), Some(2), "{ending:?}");
    assert!(ending.stdout.is_empty(), "{ending:?}");
    let told = redirected("--no-such-option");
    assert_fails(&told, 2, "--no-such-option");
}

// A disk that is full is no reader that has gone: replies are lost, and whoever
// started the node must learn of it.
#[test]
fn a_stdout_without_room_ends_with_1_and_is_named() {
    assert_fails(&redirected(">/dev/full"), 1, "stdout");
}

#[test]
fn a_stdin_that_is_a_directory_ends_with_1_and_is_named() {
    assert_fails(&redirected("</"), 1, "stdin");
}

// A device, which is used as it is, and a pipe, which would be opened anew.
#[test]
fn a_stdin_that_is_open_for_writing_only_ends_with_1_and_is_named() {
    assert_fails(&redirected("0>/dev/null"), 1, "standard input");
    let ending = converse(Launch::new().stdin(Channel::pipe_out()).start());
    assert_fails(&ending, 1, "standard input");
}
