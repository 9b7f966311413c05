//! The level-triggered loop. A test and its server take turns on one thread, as in
//! chapter 7.

use level::reactor::{Interest, Next, Readiness};
use level::server::Server;
use level::{Connection, State};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const READABLE: Readiness = Readiness {
    readable: true,
    writable: false,
};

const BOTH: Readiness = Readiness {
    readable: true,
    writable: true,
};

fn pair() -> (Connection<UnixStream>, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    (Connection::new(ours), peer)
}

fn interest(next: Next) -> Interest {
    match next {
        Next::Wait(interest) => interest,
        Next::Finish => panic!("the connection has finished"),
    }
}

/// Reads what has arrived.
fn received(peer: &mut impl Read, bytes: &mut Vec<u8>) {
    let mut chunk = [0; 65536];
    loop {
        match peer.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("the peer: {error}"),
        }
    }
}

struct Pair {
    server: Server,
    client: TcpStream,
    heard: Vec<u8>,
}

impl Pair {
    fn new() -> Pair {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = Server::new(listener).unwrap();
        let client = TcpStream::connect(address).unwrap();
        client.set_nonblocking(true).unwrap();
        client.set_nodelay(true).unwrap();
        server.turn(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(server.clients(), 1);
        let heard = Vec::new();
        Pair {
            server,
            client,
            heard,
        }
    }

    /// Makes turns until the client has heard as many bytes.
    #[track_caller]
    fn hears(&mut self, count: usize) {
        let mut quiet_turns = 0;
        while self.heard.len() < count {
            let served = self.server.turn(Some(Duration::from_millis(10))).unwrap();
            quiet_turns += usize::from(served == 0);
            assert!(quiet_turns < 100, "the server finds nothing to do");
            received(&mut self.client, &mut self.heard);
        }
    }

    /// Writes lines and reads nothing, until neither side takes any more. Returns how
    /// many bytes are in whole lines.
    fn says_until_full(&mut self) -> usize {
        let chunk = [&[b'x'; 1023][..], b"\n"].concat().repeat(8);
        let mut said = 0;
        let mut quiet_turns = 0;
        for _ in 0..20_000 {
            if quiet_turns == 5 {
                return said - said % 1024;
            }
            if let Ok(count) = self.client.write(&chunk[said % chunk.len()..]) {
                (said, quiet_turns) = (said + count, 0);
            }
            let served = self.server.turn(Some(Duration::from_millis(10))).unwrap();
            quiet_turns += usize::from(served == 0);
        }
        panic!("the server serves a client for ever that does not read");
    }
}

#[test]
fn a_connection_without_output_asks_for_input_only() {
    let (mut connection, mut peer) = pair();
    assert_eq!(interest(connection.serve(BOTH)), Interest::READ);
    peer.write_all(b"one\n").unwrap();
    assert_eq!(interest(connection.serve(READABLE)), Interest::READ);
    let mut heard = Vec::new();
    received(&mut peer, &mut heard);
    assert_eq!(heard, b"one\n", "the answer is written without a question");
}

#[test]
fn a_connection_that_says_bye_asks_for_input_until_the_peer_ends() {
    let (mut connection, mut peer) = pair();
    peer.write_all(b"bye\n").unwrap();
    assert!(interest(connection.serve(READABLE)).read);
    assert_eq!(connection.state(), State::Lingering);
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(connection.serve(READABLE), Next::Finish);
}

#[test]
fn input_that_one_turn_leaves_behind_is_told_again() {
    let mut pair = Pair::new();
    let lines = b"a line\n".repeat(20_000);
    pair.client.set_nonblocking(false).unwrap();
    pair.client.write_all(&lines).unwrap();
    pair.client.shutdown(Shutdown::Write).unwrap();
    pair.client.set_nonblocking(true).unwrap();
    pair.hears(lines.len());
    assert!(pair.heard == lines, "the echo differs from what was sent");
}

#[test]
fn an_idle_server_has_nothing_to_do() {
    let mut pair = Pair::new();
    pair.client.write_all(b"one\n").unwrap();
    pair.hears(4);
    for _ in 0..3 {
        assert_eq!(pair.server.turn(Some(Duration::ZERO)).unwrap(), 0);
    }
}

#[test]
fn an_interest_is_told_only_when_it_changes() {
    let mut pair = Pair::new();
    pair.client.write_all(b"one\ntwo\n").unwrap();
    pair.hears(8);
    assert_eq!(pair.server.changed_interests(), 0);
}

#[test]
fn a_client_that_does_not_read_costs_no_turns_and_is_read_again() {
    let mut pair = Pair::new();
    let said = pair.says_until_full();
    assert_eq!(pair.server.turn(Some(Duration::ZERO)).unwrap(), 0);
    pair.hears(said);
}
