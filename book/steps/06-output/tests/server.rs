//! The server on the buffers.
//!
//! A test and its server take turns on one thread: the test sends, lets the server
//! make a few turns, and reads. So a run does not depend on the scheduler.

use outputs::server::{HIGH_BYTES, Server};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
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

/// Lines that differ, so that a lost or repeated one is found.
fn numbered(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|number| format!("line {number}\n").into_bytes())
        .collect()
}

#[test]
fn each_line_comes_back() {
    within_a_limit(|| {
        let (mut server, address) = server();
        let mut client = connect(&mut server, address);
        exchange(&mut server, &mut client, b"a line\n");
        exchange(&mut server, &mut client, &numbered(100));
    });
}

#[test]
fn a_client_that_does_not_read_stops_only_itself_and_is_read_again() {
    within_a_limit(|| {
        let (mut server, address) = server();
        let mut greedy = connect(&mut server, address);
        let mut other = connect(&mut server, address);
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let lines = line.repeat(256);
        // Until neither side takes any more. Ten waits last longer than a kernel holds back the
        // acknowledgement of bytes, 40 ms.
        let (mut sent, mut waits) = (0, 0);
        while waits < 10 {
            match greedy.write(&lines[sent % lines.len()..]) {
                Ok(count) => (sent, waits) = (sent + count, 0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => waits += 1,
                Err(error) => panic!("{error}"),
            }
            server.turn(Some(Duration::from_millis(5))).unwrap();
        }
        exchange(&mut server, &mut other, b"hello\n");
        let whole = sent / line.len() * line.len();
        assert!(whole > HIGH_BYTES, "the watermark was not reached");
        let mut echo = Vec::new();
        turns_until(&mut server, |_| {
            received(&mut greedy, &mut echo);
            echo.len() >= whole
        });
    });
}
