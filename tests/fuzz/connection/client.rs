//! An exchange, and an echo server that may be none.

use super::input::Input;
use super::watched::{Peer, Watched, bytes_at, pair};
use crate::tcp::{Exchange, ExchangeError};
use std::net::{Ipv4Addr, SocketAddr};

/// Bytes that one call may read, and write.
const TURN_BYTES: usize = 4 * (64 << 10);

/// Rounds that no exchange here needs: each moves a byte at least.
const ROUNDS_MAX: usize = 1 << 18;

pub(super) fn check(input: &mut Input<'_>) {
    let (fd, peer) = pair();
    let watched = Watched::new(&fd);
    let expected = input.word() >> input.below(16);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 7));
    let mut run = Run {
        exchange: Exchange::over(fd, address, bytes_at(0, expected)),
        watched,
        peer,
        expected,
        received: 0,
        outcome: None,
    };
    while let Some(step) = input.step() {
        let count = |input: &mut Input<'_>| usize::from(step) * usize::from(input.byte());
        match step % 16 {
            0..3 => _ = run.peer.read(count(input)),
            // An echo: no more than was read.
            3..6 => {
                let room = run.peer.read.saturating_sub(run.peer.written);
                run.peer.write(count(input).min(room));
            }
            // Bytes that the exchange has not sent yet, and perhaps never will.
            6 if step > 0xc0 => _ = run.peer.write(count(input)),
            7 if step > 0x80 => run.peer.shut_down(),
            8 if step > 0xc0 => run.peer.go(),
            6..9 => run.watched.pretend(input),
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
    exchange: Exchange,
    watched: Watched,
    peer: Peer,
    expected: usize,
    received: usize,
    outcome: Option<Result<Vec<u8>, ExchangeError>>,
}

impl Run {
    fn serve(&mut self) {
        if !self.watched.is_due() || self.outcome.is_some() {
            return;
        }
        let exchange = &mut self.exchange;
        let (received, outcome) = self.watched.serve(|readiness| exchange.ready(readiness));
        self.received += received;
        assert!(received <= TURN_BYTES, "a turn is bounded");
        assert!(self.received <= self.peer.written, "more than was sent");
        assert!(
            self.received <= self.expected + 1,
            "holds more than it sent"
        );
        if let Some(outcome) = outcome {
            self.judge(&outcome);
            self.outcome = Some(outcome);
        }
    }

    fn judge(&self, outcome: &Result<Vec<u8>, ExchangeError>) {
        let has_ended = self.peer.has_shut_down || self.peer.is_gone();
        match outcome {
            Ok(echoed) => {
                assert!(has_ended, "no end came");
                assert!(*echoed == bytes_at(0, self.expected), "another echo");
            }
            Err(ExchangeError::TooMuch { .. }) => assert!(self.peer.written > self.expected),
            Err(ExchangeError::CutShort {
                expected, received, ..
            }) => {
                assert!(has_ended, "no end came");
                assert_eq!((*expected, *received), (self.expected, self.received));
                assert!(received < expected);
            }
            Err(ExchangeError::Send { .. } | ExchangeError::Receive { .. }) => {
                assert!(self.peer.is_gone(), "it was not reset");
            }
            Err(error @ (ExchangeError::Connect { .. } | ExchangeError::TimedOut { .. })) => {
                panic!("cannot be: {error}");
            }
        }
    }

    /// The server reads to the end, echoes what is left, and half-closes.
    fn finish(mut self) {
        for _ in 0..ROUNDS_MAX {
            if self.outcome.is_some() {
                return;
            }
            let read = self.peer.read(1 << 16);
            let echoed = self
                .peer
                .write(self.peer.read.saturating_sub(self.peer.written));
            let is_ending =
                self.peer.at_end && self.peer.written >= self.peer.read && !self.peer.has_shut_down;
            if is_ending {
                assert_eq!(self.peer.read, self.expected, "half-closed too early");
                self.peer.shut_down();
            }
            self.watched.collect(&self.peer);
            let is_due = self.watched.is_due();
            assert!(is_due || read + echoed > 0 || is_ending, "an edge was lost");
            self.serve();
        }
        panic!("it never ends");
    }
}
