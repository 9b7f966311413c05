//! Checks thousands of connections, and more connections than descriptors.

use crate::support::{Launch, affordable, wait_until};
use crate::{connect, exchange, listening, ping};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn eight_thousand_connections_echo_at_once_while_stdin_is_served() {
    let count = affordable(8_000);
    let (mut node, port) = listening(Launch::new());
    let mut crowd = Vec::with_capacity(count);
    for index in 0..count {
        let mut stream = connect(port);
        stream.write_all(word(index).as_bytes()).unwrap();
        crowd.push(stream);
        if index % 100 == 0 {
            node.check();
        }
    }
    for (index, stream) in crowd.iter_mut().enumerate() {
        let mut echo = vec![0; word(index).len()];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(echo, word(index).as_bytes());
        if index % 100 == 0 {
            node.check();
        }
    }
    // All are still open: each can send again.
    for (index, stream) in crowd.iter_mut().enumerate() {
        ping(stream, word(index).as_bytes());
    }
    drop(crowd);
    node.check();
    node.finish_quietly();
}

fn word(index: usize) -> String {
    format!("connection {index}")
}

#[test]
fn twenty_thousand_connections_one_after_another_leave_nothing_open() {
    affordable(1_000);
    let (mut node, port) = listening(Launch::new());
    assert_eq!(exchange(connect(port), b"first"), b"first");
    node.check();
    let before = open_files_at_rest(&node.process());
    for _ in 0..20_000 {
        assert_eq!(exchange(connect(port), b"x"), b"x");
    }
    wait_until("every connection is closed", || {
        node.process().open_files() == before
    });
    node.check();
    node.finish_quietly();
}

/// The number of open descriptors when the node waits. The node closes its end of a
/// connection after the client has read the end, and before it waits.
fn open_files_at_rest(process: &crate::support::Process) -> usize {
    wait_until("the node waits", || process.is_asleep());
    process.open_files()
}

#[test]
fn running_out_of_descriptors_neither_spins_nor_stops_the_node() {
    // The standard streams and the node's own descriptors are part of the 64, so not
    // all connections fit.
    const LIMIT: usize = 64;
    const SURELY_FIT: usize = 32;
    let script = format!("ulimit -n {LIMIT}; exec \"$0\"");
    let (mut node, port) = listening(Launch::shell(&script));
    let mut crowd: Vec<TcpStream> = (0..LIMIT).map(|_| connect(port)).collect();
    for stream in &mut crowd[..SURELY_FIT] {
        ping(stream, b"hello");
    }
    for stream in &mut crowd[SURELY_FIT..] {
        // An error is ignored: the node may have closed the connection.
        let _ = stream.write_all(b"hello");
    }
    node.check();

    // A window for the measurement, not a wait for an event.
    let window = Duration::from_secs(1);
    let (start, used_before) = (Instant::now(), node.process().cpu_ticks());
    std::thread::sleep(window);
    let used = node.process().cpu_ticks() - used_before;
    let ticks = start.elapsed().as_secs() * 100;
    assert!(
        used * 5 < ticks,
        "{used} of {ticks} ticks used while waiting"
    );
    node.check();
    for stream in &mut crowd[..SURELY_FIT] {
        ping(stream, b"still here");
    }

    crowd.drain(..SURELY_FIT);
    wait_until("a new connection is echoed", || is_echoed(port));
    node.check();
    assert!(node.finish().stdout.is_empty());
}

/// Whether a new connection is echoed, and not closed or reset.
fn is_echoed(port: u16) -> bool {
    let mut stream = connect(port);
    let mut echo = [0; 5];
    let result = stream
        .write_all(b"hello")
        .and_then(|()| stream.read_exact(&mut echo));
    result.is_ok() && &echo == b"hello"
}
