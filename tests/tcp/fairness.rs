//! Nobody waits for everybody: how much work of the connections the node does
//! before it comes to stdin. (The other way about is a test of `runtime/stdin.rs`.)
//!
//! The node is stopped while the work piles up, so that all of it is there when
//! it goes on, whatever the machine. What it has done by the time it answers is
//! counted in its own `total_bytes`.

use crate::support::{Launch, Node, affordable, client, number_after, wait_until};
use crate::{connect, listening, ping};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;

/// `SOURCES_PER_TURN` and `SOCKET_BYTES_PER_TURN` of the runtime.
const SOURCES: usize = 256;
const BYTES: usize = 1 << 20;

const STATS: &str = r#"{"type":"tcp_echo_stats","msg_id":3}"#;

/// Bytes that the server has received so far.
fn total_bytes(node: &mut Node) -> usize {
    let reply = node.ask(&client(STATS));
    let total = reply["body"]["total_bytes"].as_u64();
    usize::try_from(total.expect("a number")).expect("few bytes")
}

/// Stops the node while it waits for news.
fn stop(node: &Node) {
    wait_until("the node rests", || node.process().is_asleep());
    node.signal(Signal::STOP);
    wait_until("the node has stopped", || node.process().is_stopped());
}

/// Everybody writes as much, then stdin asks. Returns how much of it the node had
/// received when it answered.
fn served_before_stdin(node: &mut Node, crowd: &mut [TcpStream], bytes: usize) -> usize {
    let before = total_bytes(node);
    stop(node);
    let message = vec![b'x'; bytes];
    for stream in &mut *crowd {
        stream.write_all(&message).expect("the kernel holds it");
    }
    node.send(&client(STATS));
    node.signal(Signal::CONT);
    let served = number_after(&node.line(), "total_bytes").expect("a number");
    let mut echo = message;
    for stream in crowd {
        stream.read_exact(&mut echo).expect("the echo");
    }
    usize::try_from(served).expect("few bytes") - before
}

// A turn's worth, of the turn in which stdin is served: not the whole crowd's.
#[test]
fn gotcha_12_stdin_does_not_wait_for_eight_thousand_connections() {
    const MESSAGE: usize = 64;
    let count = affordable(8_000);
    let (mut node, port) = listening(Launch::new());
    let mut crowd: Vec<TcpStream> = (0..count).map(|_| connect(port)).collect();
    // The last of them is in, and so are those before it.
    ping(crowd.last_mut().expect("somebody"), b"in");
    let served = served_before_stdin(&mut node, &mut crowd, MESSAGE);
    assert!(served <= SOURCES * MESSAGE, "{served} bytes came first");
    node.finish_quietly();
}

#[test]
fn gotcha_12_stdin_does_not_wait_for_connections_that_send_much() {
    // What the sockets' buffers hold for each of them.
    const MESSAGE: usize = 128 << 10;
    let (mut node, port) = listening(Launch::new());
    let mut crowd: Vec<TcpStream> = (0..64).map(|_| connect(port)).collect();
    ping(crowd.last_mut().expect("somebody"), b"in");
    let served = served_before_stdin(&mut node, &mut crowd, MESSAGE);
    assert!(served <= BYTES + MESSAGE, "{served} bytes came first");
    node.finish_quietly();
}
