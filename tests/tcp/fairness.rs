//! Checks how much the node reads from TCP connections before it serves stdin. (The
//! opposite direction is tested in `runtime/stdin.rs`.)
//!
//! The node is stopped by SIGSTOP while the input arrives, so all of it is there when
//! the node continues, on any machine. The node's own `total_bytes` shows how much it
//! has read when it answers.

use crate::support::{Launch, Node, affordable, client, number_after, wait_until};
use crate::{connect, listening, ping};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;

/// `SOURCES_PER_TURN` and `SOCKET_BYTES_PER_TURN` of the runtime.
const SOURCES: usize = 256;
const BYTES: usize = 1 << 20;

const STATS: &str = r#"{"type":"tcp_echo_stats","msg_id":3}"#;

/// The number of bytes that the server has received.
fn total_bytes(node: &mut Node) -> usize {
    let reply = node.ask(&client(STATS));
    let total = reply["body"]["total_bytes"].as_u64();
    usize::try_from(total.expect("a number")).expect("few bytes")
}

/// Stops the node while it waits for events.
fn stop(node: &Node) {
    wait_until("the node waits", || node.process().is_asleep());
    node.signal(Signal::STOP);
    wait_until("the node has stopped", || node.process().is_stopped());
}

/// Each client writes `bytes`, then a request for stats comes on stdin. Returns how many
/// of these bytes the node had received when it answered.
fn served_before_stdin(node: &mut Node, crowd: &mut [TcpStream], bytes: usize) -> usize {
    let before = total_bytes(node);
    stop(node);
    let message = vec![b'x'; bytes];
    for stream in &mut *crowd {
        stream
            .write_all(&message)
            .expect("it fits into the buffers");
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

// At most one turn's sources are served before stdin, not all 8,000.
#[test]
fn gotcha_12_stdin_does_not_wait_for_eight_thousand_connections() {
    const MESSAGE: usize = 64;
    let count = affordable(8_000);
    let (mut node, port) = listening(Launch::new());
    let mut crowd: Vec<TcpStream> = (0..count).map(|_| connect(port)).collect();
    // If the last client is accepted, all others are.
    ping(crowd.last_mut().expect("a client"), b"in");
    let served = served_before_stdin(&mut node, &mut crowd, MESSAGE);
    assert!(served <= SOURCES * MESSAGE, "{served} bytes came first");
    node.finish_quietly();
}

#[test]
fn gotcha_12_stdin_does_not_wait_for_connections_that_send_much() {
    // As much as the socket buffers take for each client.
    const MESSAGE: usize = 128 << 10;
    let (mut node, port) = listening(Launch::new());
    let mut crowd: Vec<TcpStream> = (0..64).map(|_| connect(port)).collect();
    ping(crowd.last_mut().expect("a client"), b"in");
    let served = served_before_stdin(&mut node, &mut crowd, MESSAGE);
    assert!(served <= BYTES + MESSAGE, "{served} bytes came first");
    node.finish_quietly();
}
