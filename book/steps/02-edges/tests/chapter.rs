//! A test and its server take turns on one thread: the test sends, lets the server
//! make a few turns, and reads. So a run does not depend on the scheduler.

use edges::{CHUNK_BYTES, Server};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

/// Runs a test on a thread of its own, so that a loop that is stuck fails the test.
fn within_a_limit(test: fn()) {
    let (done, end) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        _ = done.send(());
    });
    let ended = end.recv_timeout(Duration::from_secs(10));
    assert!(
        ended != Err(mpsc::RecvTimeoutError::Timeout),
        "the loop is stuck: after 10 s, a turn has not come to its end"
    );
    if let Err(panic) = thread.join() {
        // The panic has written its message already.
        std::panic::resume_unwind(panic);
    }
}

fn server() -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (Server::new(listener).unwrap(), address)
}

/// A server whose sockets have small buffers, so that they are full soon.
fn narrow_server() -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Accepted sockets inherit both sizes.
    set_socket_send_buffer_size(&listener, 32 << 10).unwrap();
    set_socket_recv_buffer_size(&listener, 32 << 10).unwrap();
    let address = listener.local_addr().unwrap();
    (Server::new(listener).unwrap(), address)
}

/// Lets the server make turns until `done` holds, or until nothing goes on any more.
#[track_caller]
fn turns_until(server: &mut Server, mut done: impl FnMut(&Server) -> bool) {
    let mut quiet_turns = 0;
    for _ in 0..20_000 {
        if done(server) {
            return;
        }
        if server.turn(Some(Duration::from_millis(10))).unwrap() == 0 {
            quiet_turns += 1;
        }
        assert!(
            quiet_turns < 100,
            "the server finds nothing to do, and this line still waits for the server"
        );
    }
    panic!("this line has waited for 20,000 turns of the server");
}

#[track_caller]
fn connect(server: &mut Server, address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_nonblocking(true).unwrap();
    // Without this, the kernel holds small pieces back for up to 40 ms.
    client.set_nodelay(true).unwrap();
    let before = server.clients();
    turns_until(server, |server| server.clients() > before);
    client
}

/// Reads what has arrived.
fn received(client: &mut TcpStream, bytes: &mut Vec<u8>) {
    let mut chunk = [0; 65536];
    loop {
        match client.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[track_caller]
fn exchange(server: &mut Server, client: &mut TcpStream, bytes: &[u8]) {
    client.write_all(bytes).unwrap();
    let mut echo = Vec::new();
    turns_until(server, |_| {
        received(client, &mut echo);
        echo.len() >= bytes.len()
    });
    assert!(echo == bytes, "the echo differs from what was sent");
}

/// Bytes that differ at each place, so that a lost or repeated byte is found.
fn pattern(start: usize, count: usize) -> Vec<u8> {
    let byte = |place: usize| (place.wrapping_mul(2_654_435_761) >> 13) as u8;
    (start..start + count).map(byte).collect()
}

/// How long a turn waits while nothing can be sent. Ten of them last longer than a kernel
/// holds back the acknowledgement of bytes, 40 ms: then no room comes any more.
const QUIET_TURN: Duration = Duration::from_millis(5);

/// Sends and does not read, until no more can be sent.
#[track_caller]
fn fill(server: &mut Server, client: &mut TcpStream) {
    let mut sent = 0;
    let mut quiet_turns = 0;
    while quiet_turns < 10 {
        let chunk = pattern(sent, CHUNK_BYTES);
        let wait = match client.write(&chunk) {
            Ok(count) => {
                sent += count;
                quiet_turns = 0;
                Duration::ZERO
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                quiet_turns += 1;
                QUIET_TURN
            }
            Err(error) => panic!("{error}"),
        };
        server.turn(Some(wait)).unwrap();
        assert!(sent < 64 << 20, "the server takes bytes without end");
    }
}

#[test]
fn the_echo_is_what_was_sent() {
    within_a_limit(|| {
        let (mut server, address) = server();
        let mut client = connect(&mut server, address);
        exchange(&mut server, &mut client, b"a line\n");
        exchange(&mut server, &mut client, &pattern(0, CHUNK_BYTES / 2));
    });
}

#[test]
fn a_silent_client_does_not_stop_another() {
    within_a_limit(|| {
        let (mut server, address) = server();
        let _silent = connect(&mut server, address);
        let mut second = connect(&mut server, address);
        exchange(&mut server, &mut second, b"hello");
    });
}

#[test]
fn a_client_that_does_not_read_stops_only_itself() {
    within_a_limit(|| {
        let (mut server, address) = narrow_server();
        let mut late = connect(&mut server, address);
        set_socket_recv_buffer_size(&late, 32 << 10).unwrap();
        let mut second = connect(&mut server, address);
        fill(&mut server, &mut late);
        let held = server.held_bytes();
        assert!(held <= CHUNK_BYTES, "the server holds {held} bytes for it");
        exchange(&mut server, &mut second, b"hello");
    });
}

#[test]
fn a_rest_is_sent_when_there_is_room_again() {
    within_a_limit(|| {
        let (mut server, address) = narrow_server();
        let mut late = connect(&mut server, address);
        set_socket_recv_buffer_size(&late, 32 << 10).unwrap();
        let mut sent = Vec::new();
        // One piece at a time, until the server cannot write one back.
        while server.held_bytes() == 0 {
            let piece = pattern(sent.len(), CHUNK_BYTES / 2);
            late.write_all(&piece).unwrap();
            sent.extend(piece);
            assert!(sent.len() < 64 << 20, "the server takes bytes without end");
            for _ in 0..3 {
                server.turn(Some(Duration::ZERO)).unwrap();
            }
        }
        let mut echo = Vec::new();
        turns_until(&mut server, |_| {
            received(&mut late, &mut echo);
            echo.len() >= sent.len()
        });
        assert!(echo == sent, "the echo differs from what was sent");
    });
}

#[test]
fn a_client_that_has_ended_is_forgotten() {
    within_a_limit(|| {
        let (mut server, address) = server();
        let client = connect(&mut server, address);
        client.shutdown(Shutdown::Write).unwrap();
        turns_until(&mut server, |server| server.clients() == 0);
    });
}

#[test]
fn a_client_that_breaks_off_does_not_end_the_server() {
    within_a_limit(|| {
        let (mut server, address) = server();
        let mut first = connect(&mut server, address);
        let mut second = connect(&mut server, address);
        first
            .write_all(b"the answer to this is never read")
            .unwrap();
        turns_until(&mut server, |_| first.peek(&mut [0]).is_ok());
        drop(first);
        turns_until(&mut server, |server| server.clients() == 1);
        exchange(&mut server, &mut second, b"hello");
    });
}

#[test]
fn an_idle_server_has_nothing_to_do() {
    within_a_limit(|| {
        let (mut server, address) = server();
        let mut client = connect(&mut server, address);
        exchange(&mut server, &mut client, b"hello");
        let ready = server.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(ready, 0, "sources were ready, and there was nothing to do");
    });
}

#[test]
fn input_of_many_reads_with_one_edge_comes_back_whole() {
    within_a_limit(|| {
        let (mut server, address) = server();
        let mut client = connect(&mut server, address);
        exchange(&mut server, &mut client, &pattern(0, 5 * CHUNK_BYTES + 5));
    });
}

#[test]
fn clients_that_come_together_are_all_accepted() {
    within_a_limit(|| {
        let (mut server, address) = server();
        let clients = [(); 3].map(|()| TcpStream::connect(address).unwrap());
        turns_until(&mut server, |server| server.clients() == clients.len());
    });
}

#[test]
fn bytes_and_end_with_one_edge_are_both_seen() {
    within_a_limit(|| {
        let (mut server, address) = server();
        let mut client = connect(&mut server, address);
        client.write_all(b"bye").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        turns_until(&mut server, |server| server.clients() == 0);
        let mut echo = Vec::new();
        received(&mut client, &mut echo);
        assert_eq!(echo, b"bye", "the bytes came with the end, in one edge");
    });
}
