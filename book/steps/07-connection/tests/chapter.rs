//! One connection and its peer, on a pair of sockets in one process. Such a pair has no
//! delays: what one end has sent is there when the other one reads.

use connection::reactor::{Next, Readiness};
use connection::{Connection, Ending, HIGH_BYTES, State};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

const BOTH: Readiness = Readiness {
    readable: true,
    writable: true,
};

struct Pair {
    connection: Connection<UnixStream>,
    peer: UnixStream,
    /// The bytes that the peer has read.
    heard: Vec<u8>,
    /// The peer has read the end.
    has_heard_end: bool,
}

impl Pair {
    fn new() -> Pair {
        let (ours, peer) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        peer.set_nonblocking(true).unwrap();
        Pair {
            connection: Connection::new(ours),
            peer,
            heard: Vec::new(),
            has_heard_end: false,
        }
    }

    fn says(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).unwrap();
    }

    /// Serves the connection as often as it asks for it. Returns whether it has finished.
    #[track_caller]
    fn serve(&mut self) -> bool {
        for _ in 0..10_000 {
            match self.connection.serve(BOTH).next {
                Next::CarryOver => {}
                Next::Wait => return false,
                Next::Finish => return true,
            }
        }
        panic!("the connection is carried over for ever");
    }

    /// The peer reads what is there.
    fn hears(&mut self) {
        let mut chunk = [0; 65536];
        loop {
            match self.peer.read(&mut chunk) {
                Ok(0) => return self.has_heard_end = true,
                Ok(count) => self.heard.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the peer: {error}"),
            }
        }
    }
}

#[test]
fn each_line_is_answered() {
    let mut pair = Pair::new();
    pair.says(b"one\ntwo\nthr");
    assert!(!pair.serve(), "the peer has not ended");
    pair.hears();
    assert_eq!(pair.heard, b"one\ntwo\n");
    assert_eq!(pair.connection.state(), State::Open);
}

#[test]
fn an_idle_connection_waits_for_an_edge() {
    let mut pair = Pair::new();
    let progress = pair.connection.serve(BOTH);
    assert!(matches!(progress.next, Next::Wait));
    assert!(progress.used_up.readable, "the read has said EAGAIN");
    assert!(!progress.used_up.writable, "no write has said EAGAIN");
}

#[test]
fn lines_that_come_with_the_end_are_answered() {
    let mut pair = Pair::new();
    pair.says(b"one\ntwo\n");
    pair.peer.shutdown(Shutdown::Write).unwrap();
    assert!(pair.serve(), "all is sent, and the peer has ended");
    pair.hears();
    assert_eq!(pair.heard, b"one\ntwo\n");
    assert_eq!(pair.connection.state(), State::Closed(Ending::Complete));
}

#[test]
fn the_last_line_needs_no_newline() {
    let mut pair = Pair::new();
    pair.says(b"one\ntwo");
    pair.peer.shutdown(Shutdown::Write).unwrap();
    assert!(pair.serve());
    pair.hears();
    assert_eq!(pair.heard, b"one\ntwo\n");
}

#[test]
fn a_peer_that_does_not_read_is_not_read() {
    let mut pair = Pair::new();
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    let mut waits = 0;
    // Until neither side takes any more.
    while waits < 10 {
        waits += 1;
        while pair.peer.write(&line).is_ok() {
            waits = 0;
        }
        pair.serve();
        let unsent = pair.connection.unsent_bytes();
        let most = HIGH_BYTES + 8 * line.len();
        assert!(
            unsent <= most,
            "{unsent} bytes wait; the mark is {HIGH_BYTES}"
        );
    }
    assert!(
        pair.connection.unsent_bytes() > HIGH_BYTES,
        "the mark was reached"
    );
}

/// A connection that owes its peer more than the kernel takes, and the bytes that the
/// peer has said.
fn with_a_rest() -> (Pair, usize) {
    let mut pair = Pair::new();
    let mut said = 0;
    while pair.connection.unsent_bytes() == 0 {
        pair.says(&[&[b'x'; 4095][..], b"\n"].concat());
        said += 4096;
        pair.serve();
    }
    (pair, said)
}

#[test]
fn the_rest_is_sent_after_the_end_of_the_peer() {
    let (mut pair, said) = with_a_rest();
    pair.peer.shutdown(Shutdown::Write).unwrap();
    assert!(!pair.serve(), "it has finished, and owes its peer bytes");
    assert_eq!(pair.connection.state(), State::PeerEnded);
    for _ in 0..1000 {
        pair.hears();
        if pair.serve() {
            break;
        }
    }
    pair.hears();
    assert_eq!(pair.heard.len(), said, "bytes came back");
    assert_eq!(pair.connection.state(), State::Closed(Ending::Complete));
}

#[test]
fn bye_is_answered_and_then_comes_the_end() {
    let mut pair = Pair::new();
    pair.says(b"one\nbye\n");
    pair.serve();
    pair.hears();
    assert_eq!(pair.heard, b"one\nbye\n");
    assert!(pair.has_heard_end, "our direction has ended");
}

#[test]
fn lines_after_bye_are_not_answered() {
    let mut pair = Pair::new();
    pair.says(b"bye\nmore\n");
    pair.serve();
    pair.hears();
    assert_eq!(pair.heard, b"bye\n");
}

#[test]
fn input_after_bye_is_taken_and_thrown_away() {
    let mut pair = Pair::new();
    pair.says(b"bye\n");
    assert!(
        !pair.serve(),
        "it closes, and the peer may still be writing"
    );
    for _ in 0..100 {
        pair.says(b"I have not heard the end yet\n");
        assert!(!pair.serve(), "it closes, and the peer has not ended");
    }
    pair.peer.shutdown(Shutdown::Write).unwrap();
    assert!(pair.serve());
    assert_eq!(pair.connection.state(), State::Closed(Ending::Complete));
}

#[test]
fn bye_and_the_end_in_one_edge_are_both_seen() {
    let mut pair = Pair::new();
    pair.says(b"bye\n");
    pair.peer.shutdown(Shutdown::Write).unwrap();
    // No further edge will come. So each answer but the last must be to carry it over.
    assert!(
        pair.serve(),
        "the end of the peer was there, and was not read"
    );
}

#[test]
fn a_peer_that_breaks_off_ends_the_connection() {
    let (pair, _said) = with_a_rest();
    let Pair {
        mut connection,
        peer,
        ..
    } = pair;
    drop(peer);
    assert!(matches!(connection.serve(BOTH).next, Next::Finish));
    assert_eq!(connection.state(), State::Closed(Ending::Broken));
}
