//! A connection of the echo server, and a client of any kind.

use super::input::Input;
use super::watched::{Peer, Watched, pair};
use crate::tcp::Connection;

/// The most that a client sends.
const TOTAL_BYTES_MAX: usize = 48 << 10;

/// Reads that one call may make.
const CALLS: usize = 4;

pub(super) fn check(input: &mut Input<'_>) {
    let (fd, peer) = pair();
    let watched = Watched::new(&fd);
    let room = input.one_of(&[64, 7, 300, 1_000, 5_000, 65_536]);
    let mut run = Run {
        connection: Connection::new(fd),
        watched,
        peer,
        scratch: vec![0; room],
        received: 0,
        ending: None,
    };
    while let Some(step) = input.step() {
        match step % 16 {
            0..4 => {
                let room = TOTAL_BYTES_MAX.saturating_sub(run.peer.written);
                let count = usize::from(step) * usize::from(input.byte());
                run.peer.write(count.min(room));
            }
            4..7 => _ = run.peer.read(usize::from(step) * usize::from(input.byte())),
            7 => run.peer.shut_down(),
            8 if step > 0x80 => run.peer.go(),
            8 => run.watched.pretend(input),
            9..12 => run.watched.collect(&run.peer),
            _ => {
                run.watched.collect(&run.peer);
                run.serve();
            }
        }
    }
    run.finish();
}

struct Run {
    connection: Connection,
    watched: Watched,
    peer: Peer,
    scratch: Vec<u8>,
    /// Bytes that the connection said it has received.
    received: usize,
    /// How it ended. The type has no name out here, and a name is all it is.
    ending: Option<String>,
}

impl Run {
    fn serve(&mut self) {
        if !self.watched.is_due() || self.ending.is_some() {
            return;
        }
        let held_before = self.held();
        let (connection, scratch) = (&mut self.connection, &mut self.scratch);
        let (received, ending) = self
            .watched
            .serve(|readiness| connection.ready(readiness, scratch));
        self.received += received;
        self.ending = ending.map(|ending| format!("{ending:?}"));
        assert!(received <= CALLS * self.scratch.len(), "a turn is bounded");
        assert!(self.received <= self.peer.written, "more than was sent");
        match self.ending.as_deref() {
            Some("EndOfFile") => {
                assert!(
                    self.peer.has_shut_down || self.peer.is_gone(),
                    "no end came"
                );
                assert_eq!(self.held(), 0, "ended without echoing everything");
                let is_all = self.received == self.peer.written;
                assert!(is_all || self.peer.is_gone(), "ended without reading all");
            }
            Some(_) => assert!(self.peer.is_gone(), "it was not reset"),
            None => {
                assert!(
                    self.held() <= self.scratch.len(),
                    "holds more than one read"
                );
                // While the peer does not read, neither do we.
                let is_stuck = held_before > 0 && self.held() == held_before + received;
                assert!(!is_stuck || received == 0, "reads on while it holds a rest");
            }
        }
    }

    /// The bytes that were received and have not left. Unknown once the peer is gone.
    fn held(&self) -> usize {
        if self.peer.is_gone() {
            return 0;
        }
        let echoed = self.peer.read + self.peer.waiting();
        self.received
            .checked_sub(echoed)
            .expect("echoed more than came")
    }

    /// The client reads everything and half-closes: then it must be over.
    fn finish(mut self) {
        // Each round moves a byte or uses readiness up.
        for _ in 0..4 * TOTAL_BYTES_MAX {
            if self.ending.is_some() {
                break;
            }
            let read = self.peer.read(TOTAL_BYTES_MAX);
            let was_open = !self.peer.has_shut_down;
            self.peer.shut_down();
            self.watched.collect(&self.peer);
            let is_due = self.watched.is_due();
            assert!(is_due || read > 0 || was_open, "an edge was lost");
            self.serve();
        }
        assert!(self.ending.is_some(), "it never ends");
        drop(self.connection);
        while self.peer.read(TOTAL_BYTES_MAX) > 0 {}
        if !self.peer.is_gone() {
            assert_eq!(
                self.peer.read, self.peer.written,
                "not everything came back"
            );
        }
    }
}
