//! Checks many sends of the node to itself: with few descriptors, with a full server,
//! and from several senders.

use crate::support::{Channel, Launch, Node, client, message, wait_until};
use crate::{connect, listening, ping};
use rustix::process::Signal;
use serde_json::Value;
use std::net::TcpStream;
use std::ops::Range;

fn send(id: u64) -> String {
    let body = format!(r#"{{"type":"tcp_echo_send","msg_id":{id},"data":"echo {id}"}}"#);
    client(&body) + "\n"
}

/// Requests these sends in one write. Returns their replies.
fn ask_for_sends(node: &mut Node, ids: Range<u64>) -> Vec<Value> {
    let lines: String = ids.clone().map(send).collect();
    node.write(lines.as_bytes());
    ids.map(|_| node.reply()).collect()
}

/// The numbers of the sends that were echoed, sorted.
fn echoed(replies: &[Value]) -> Vec<u64> {
    let echoed = |reply: &&Value| reply["body"]["type"] == "tcp_echo_send_ok";
    let id = |reply: &Value| {
        let id = reply["body"]["in_reply_to"].as_u64().expect("an integer");
        assert_eq!(reply["body"]["echoed"], format!("echo {id}"));
        id
    };
    let mut ids: Vec<u64> = replies.iter().filter(echoed).map(id).collect();
    ids.sort_unstable();
    ids
}

fn limited(files: usize) -> Launch {
    Launch::shell(&format!("ulimit -n {files}; exec \"$0\""))
}

// Both ends of each connection are in the same process. If the clients took all
// descriptors, the server would have none to accept them.
#[test]
fn two_hundred_sends_at_once_share_a_few_descriptors() {
    let mut served = false;
    for files in (9..17).chain([24, 32, 40, 64]) {
        let (mut node, _) = listening(limited(files));
        let rest = node.process().open_files();
        let ids = 100..300;
        let replies = ask_for_sends(&mut node, ids.clone());
        let echoed = echoed(&replies);
        if !served && echoed.is_empty() {
            // With less than two free descriptors, every send is refused.
            let refused = |reply: &Value| reply["body"]["code"] == 11;
            assert!(replies.iter().all(refused), "{files}: {replies:?}");
        } else {
            served = true;
            assert!(echoed.into_iter().eq(ids), "{files}: {replies:?}");
        }
        node.check();
        wait_until("all sockets are closed", || {
            node.process().open_files() == rest
        });
        let ending = node.finish();
        assert!(ending.stdout.is_empty(), "{files}: {ending:?}");
        assert!(ending.stderr.len() <= 1, "{files}: {ending:?}");
    }
    assert!(served, "sixty-four descriptors are not enough");
}

// Silent clients use the other descriptors.
#[test]
fn sends_make_progress_with_the_descriptors_that_a_crowd_leaves() {
    const LIMIT: usize = 100;
    const LEFT: usize = 23;
    let (mut node, port) = listening(limited(LIMIT));
    let fit = LIMIT - node.process().open_files() - LEFT;
    let mut crowd: Vec<TcpStream> = (0..fit).map(|_| connect(port)).collect();
    crowd.iter_mut().for_each(|stream| ping(stream, b"here"));
    let ids = 100..200;
    let replies = ask_for_sends(&mut node, ids.clone());
    assert!(echoed(&replies).into_iter().eq(ids), "{replies:?}");
    node.finish();
}

// The server accepts 64 clients a turn, and may release the reserved descriptor for the
// next client. A send that is requested before the next turn may then take it.
#[test]
fn a_descriptor_released_at_the_end_of_a_turn_is_reserved_again() {
    const SENDS: usize = 20;
    const TURN: usize = 64;
    let rest = listening(Launch::new()).0.process().open_files();
    for spare in 30..33 {
        let files = rest + TURN + 2 * SENDS + spare;
        let stdin = Channel::pipe_in().holding(1 << 20);
        let (mut node, port) = listening(limited(files).stdin(stdin));
        node.signal(Signal::STOP);
        wait_until("the node has stopped", || node.process().is_stopped());
        let crowd: Vec<_> = (0..TURN + 16 + spare).map(|_| connect(port)).collect();
        let ids = 100..121;
        let mut lines: Vec<String> = ids.clone().map(send).collect();
        // The last send is read a turn later.
        let long = "e".repeat(1 << 16);
        let echo = format!(r#"{{"type":"echo","msg_id":3,"echo":"{long}"}}"#);
        lines.insert(SENDS, client(&echo) + "\n");
        node.write(lines.concat().as_bytes());
        node.signal(Signal::CONT);
        let mut replies: Vec<Value> = (0..lines.len()).map(|_| node.reply()).collect();
        replies.retain(|reply| reply["body"]["in_reply_to"] != 3);
        assert!(echoed(&replies).into_iter().eq(ids), "{spare}: {replies:?}");
        drop(crowd);
        node.finish();
    }
}

// The server has room for one client, and a silent client uses it. The send in flight
// ends at its deadline, the waiting ones end with error 11, and stats wait for neither.
#[test]
fn sends_to_a_full_server_end_in_time_and_do_not_delay_stats() {
    const SENDS: u64 = 1_000;
    const FIRST: u64 = 100;
    let (mut node, port) = listening(Launch::new().args(["--tcp-connections-max", "1"]));
    let mut silent = connect(port);
    ping(&mut silent, b"here");
    let mut lines: String = (FIRST..FIRST + SENDS).map(send).collect();
    lines += &(message("c2", r#"{"type":"tcp_echo_stats","msg_id":3}"#) + "\n");
    node.write(lines.as_bytes());
    let stats = node.reply();
    assert_eq!(stats["body"]["in_reply_to"], 3, "before any send: {stats}");
    assert_eq!(stats["body"]["total_connections"], 1, "{stats}");
    // Every send is answered, also at the end of the input.
    let ending = node.finish();
    let mut codes: Vec<u64> = Vec::new();
    for line in &ending.stdout {
        let reply: Value = serde_json::from_str(line).expect("JSON");
        codes.push(reply["body"]["code"].as_u64().expect("a code"));
    }
    codes.sort_unstable();
    let count = usize::try_from(SENDS).expect("a count");
    let mut expected = vec![11; count];
    expected[0] = 0;
    assert_eq!(codes, expected, "only the send in flight ends with error 0");
}

#[test]
fn the_sends_of_one_sender_do_not_delay_those_of_another() {
    const SENDS: u64 = 10_000;
    let (mut node, _) = listening(Launch::new());
    let mut lines: String = (100..100 + SENDS).map(send).collect();
    let body = r#"{"type":"tcp_echo_send","msg_id":3,"data":"other"}"#;
    lines += &(message("c2", body) + "\n");
    node.write(lines.as_bytes());
    let behind = (0..=SENDS).map(|_| node.reply());
    let behind = behind.skip_while(|reply| reply["dest"] != "c2").count();
    assert!(
        behind > 1_000,
        "only {behind} of {SENDS} were answered after it"
    );
    node.finish();
}
