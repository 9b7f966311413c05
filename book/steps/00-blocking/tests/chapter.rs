//! The server runs on a thread of its own. Each read of a test's client has a limit
//! of ten seconds, so a server that is stuck fails the test.

use blocking::{CHUNK_BYTES, serve_one};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Starts a server, and returns its address.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || while serve_one(&listener).is_ok() {});
    address
}

fn client(server: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(server).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    client
}

/// Sends bytes, and waits until all of them have come back.
fn exchange(client: &mut TcpStream, bytes: &[u8]) {
    client.write_all(bytes).unwrap();
    let mut echo = vec![0; bytes.len()];
    client.read_exact(&mut echo).unwrap();
    assert!(echo == bytes, "the echo differs from what was sent");
}

#[test]
fn the_echo_is_what_was_sent() {
    let mut client = client(server());
    exchange(&mut client, b"a line\n");
    let long: Vec<u8> = (0..3 * CHUNK_BYTES + 5).map(|i| i as u8).collect();
    exchange(&mut client, &long);
    exchange(&mut client, b"another line\n");
}

#[test]
fn the_end_of_a_client_frees_the_server_for_the_next() {
    let server = server();
    let mut first = client(server);
    exchange(&mut first, b"first");
    first.shutdown(Shutdown::Write).unwrap();
    first.read_to_end(&mut Vec::new()).unwrap();
    exchange(&mut client(server), b"second");
}

#[test]
fn a_client_that_breaks_off_does_not_end_the_server() {
    let server = server();
    let mut first = client(server);
    first
        .write_all(b"the answer to this is never read")
        .unwrap();
    first.peek(&mut [0]).unwrap();
    // Input is left unread, so the kernel does not end the connection but resets it.
    drop(first);
    exchange(&mut client(server), b"second");
}

/// This is what the next chapter is about.
#[test]
fn a_silent_client_stops_all_others() {
    let server = server();
    let mut silent = client(server);
    let mut second = client(server);
    second.write_all(b"is there anybody?").unwrap();
    // The server is at work, but not for the client that asked first.
    exchange(&mut silent, b"here I am");
    second.set_nonblocking(true).unwrap();
    let answer = second.read(&mut [0; 32]);
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::WouldBlock);
}
