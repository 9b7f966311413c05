//! Checks outside clients that half-close, reset, do not read, or stay silent.

use crate::support::{Launch, Node, wait_until};
use crate::{connect, exchange, listening, ping};
use rustix::net::sockopt::set_socket_linger;
use rustix::process::Signal;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// Bytes without repetition, so that a missing, doubled or moved piece is found.
fn pattern(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let step = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(step).take(length).collect()
}

#[test]
fn a_client_that_half_closes_gets_every_byte_and_then_the_end() {
    let (node, port) = listening(Launch::new());
    for length in [0, 1, 4096, 65_536, 200_001] {
        let data = pattern(length);
        let reader = connect(port);
        assert!(exchange(reader, &data) == data, "{length} bytes");
    }
    node.finish_quietly();
}

#[test]
fn data_and_half_close_may_arrive_together() {
    let (node, port) = listening(Launch::new());
    // If the node is busy in between, it gets both as one event. This happens in some
    // of the many tries.
    for _ in 0..200 {
        assert_eq!(exchange(connect(port), b"last words"), b"last words");
    }
    node.finish_quietly();
}

#[test]
fn a_client_may_send_many_times() {
    let (mut node, port) = listening(Launch::new());
    let mut stream = connect(port);
    for round in 0..200 {
        ping(&mut stream, format!("round {round}").as_bytes());
    }
    node.check();
    assert_eq!(exchange(stream, b"bye"), b"bye");
    node.finish_quietly();
}

#[test]
fn a_client_that_does_not_read_takes_bounded_memory_and_delays_no_other() {
    const PLENTY: usize = 64 * MIB;
    let (mut node, port) = listening(Launch::new());
    let data = pattern(PLENTY);
    let mut stream = connect(port);
    let sent = write_until_stalled(&node, &mut stream, &data);
    assert!(
        sent < PLENTY,
        "the node reads on from a client that does not read"
    );
    node.check();
    ping(&mut connect(port), b"the next client");
    let peak = node.process().peak_memory();
    assert!(peak < 32 * MIB, "{peak} bytes");
    // Now the client reads. No byte is lost.
    stream.set_nonblocking(false).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut echo = Vec::new();
    stream.read_to_end(&mut echo).unwrap();
    assert!(echo == data[..sent], "{} of {sent} bytes", echo.len());
    let peak = node.process().peak_memory();
    assert!(peak < 32 * MIB, "{peak} bytes");
    node.finish_quietly();
}

/// Writes until the node has stopped reading this connection: no byte fits, and the
/// node waits.
fn write_until_stalled(node: &Node, stream: &mut TcpStream, data: &[u8]) -> usize {
    stream.set_nonblocking(true).expect("non-blocking");
    let mut sent = 0;
    wait_until("the node stops reading", || {
        loop {
            let asleep = node.process().is_asleep();
            match stream.write(&data[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return asleep,
                Err(error) => panic!("{error}"),
            }
            if sent == data.len() {
                return true;
            }
        }
    });
    sent
}

#[test]
fn a_client_that_resets_does_no_harm() {
    let (mut node, port) = listening(Launch::new());
    let before = node.process().open_files();
    let mut neighbour = connect(port);
    for unread in [0, 1, 100_000] {
        let mut stream = connect(port);
        stream.write_all(&pattern(unread)).unwrap();
        // With a linger time of zero, closing sends a reset (RST) and no FIN.
        set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        drop(stream);
        ping(&mut neighbour, b"well");
        node.check();
    }
    drop(neighbour);
    wait_until("every connection is closed", || {
        node.process().open_files() == before
    });
    node.finish_quietly();
}

#[test]
fn a_client_that_closes_with_unread_echoes_does_no_harm() {
    let (mut node, port) = listening(Launch::new());
    let before = node.process().open_files();
    for _ in 0..20 {
        let mut stream = connect(port);
        stream.write_all(&pattern(50_000)).unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
    }
    node.check();
    wait_until("every connection is closed", || {
        node.process().open_files() == before
    });
    node.finish_quietly();
}

#[test]
fn a_client_that_stays_silent_costs_nothing() {
    let (mut node, port) = listening(Launch::new());
    let silent = connect(port);
    ping(&mut connect(port), b"the next client");
    node.check();
    assert_eq!(exchange(silent, b"at last"), b"at last");
    node.finish_quietly();
}

#[test]
fn a_client_that_sends_and_takes_a_byte_at_a_time_gets_them_all() {
    let (mut node, port) = listening(Launch::new());
    let data = pattern(5_000);
    let mut stream = connect(port);
    stream.set_nodelay(true).unwrap();
    for byte in &data {
        stream.write_all(&[*byte]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    node.check();
    let mut byte = [0];
    for expected in &data {
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], *expected);
    }
    assert_eq!(stream.read(&mut byte).unwrap(), 0);
    node.finish_quietly();
}

// The kernel completes connections before `accept`. So a client can connect and
// close, with FIN or RST, before the node accepts it.
#[test]
fn clients_that_are_gone_before_they_are_accepted_do_no_harm() {
    let (mut node, port) = listening(Launch::new());
    let before = node.process().open_files();
    node.signal(Signal::STOP);
    wait_until("the node has stopped", || node.process().is_stopped());
    for index in 0..30 {
        let mut stream = connect(port);
        if index % 3 > 0 {
            stream.write_all(b"hello").unwrap();
        }
        if index % 2 > 0 {
            set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        }
    }
    node.signal(Signal::CONT);
    ping(&mut connect(port), b"the next client");
    node.check();
    wait_until("every connection is closed", || {
        node.process().open_files() == before
    });
    node.finish_quietly();
}
