//! The clients of the echo server.
//!
//! Each sends bytes that no other client sends, and checks that the same come back.

use super::ledger::Ledger;
use super::plan::Manner;
use crate::lab::draw;
use crate::lab::kernel::{Actor, ActorId, FileId, Kernel, Received};
use crate::random::Random;
use crate::time::Instant;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// How long a client that does not read waits for room before it closes.
const ROOM_PATIENCE: Duration = Duration::from_millis(200);

/// The states of a client.
///
/// ```text
///   Waiting (for the port, then for its time) --> Connecting --> Connected --> Closed
/// ```
#[derive(Debug, Clone, Copy)]
enum State {
    Waiting,
    Connecting(FileId),
    Connected(FileId),
    Closed,
}

pub(super) struct Client {
    ledger: Rc<RefCell<Ledger>>,
    random: Random,
    number: usize,
    manner: Manner,
    /// The bytes to send. Each depends on the client and on its place.
    bytes: Vec<u8>,
    sent: usize,
    received: usize,
    state: State,
    has_ended: bool,
    starts: Option<Instant>,
    next_read: Instant,
    stuck_since: Option<Instant>,
}

impl Client {
    pub(super) fn new(
        random: Random,
        ledger: Rc<RefCell<Ledger>>,
        number: usize,
        (manner, total): (Manner, usize),
    ) -> Client {
        let byte = |at: usize| ((at * 31 + number * 101) ^ (at >> 7)) % 251;
        let bytes = (0..total).map(|at| u8::try_from(byte(at)).unwrap_or(0));
        Client {
            ledger,
            random,
            number,
            manner,
            bytes: bytes.collect(),
            sent: 0,
            received: 0,
            state: State::Waiting,
            has_ended: false,
            starts: None,
            next_read: Instant::ZERO,
            stuck_since: None,
        }
    }

    fn wait(&mut self, id: ActorId, kernel: &mut Kernel) {
        let now = kernel.now();
        let Some(port) = self.ledger.borrow().port else {
            return kernel.schedule(id, Duration::from_millis(20));
        };
        let starts = *self.starts.get_or_insert_with(|| {
            self.ledger.borrow_mut().clients += 1;
            now + Duration::from_micros(self.random.below(200_000))
        });
        if now < starts {
            return kernel.schedule(id, starts.since(now));
        }
        self.state = State::Connecting(kernel.peer_connect(port, id));
    }

    fn exchange(&mut self, file: FileId, id: ActorId, kernel: &mut Kernel) {
        let resets = self.sent == self.bytes.len() || self.random.chance(0.1);
        if self.manner == Manner::Resets && resets {
            kernel.peer_reset(file);
            return self.close();
        }
        let before = self.sent;
        self.send(file, kernel);
        if matches!(self.state, State::Closed) {
            return;
        }
        let sent_some = self.sent > before;
        match self.manner {
            Manner::Leaves if self.sent == self.bytes.len() => {
                kernel.peer_close(file);
                return self.close();
            }
            Manner::NeverReads | Manner::Leaves => {
                let now = kernel.now();
                let since = *self.stuck_since.get_or_insert(now);
                if now.since(since) > ROOM_PATIENCE {
                    kernel.peer_close(file);
                    return self.close();
                }
                kernel.schedule(id, ROOM_PATIENCE / 2);
            }
            Manner::Polite | Manner::Slow | Manner::Resets => self.receive(file, id, kernel),
        }
        if matches!(self.state, State::Connected(_)) && sent_some {
            let soon = Duration::from_micros(1 + self.random.below(300));
            kernel.schedule(id, soon);
        }
    }

    fn send(&mut self, file: FileId, kernel: &mut Kernel) {
        let most = draw::one_of(&mut self.random, [1, 100, 5_000, 60_000]);
        let until = self.bytes.len().min(self.sent + most);
        let chunk = &self.bytes[self.sent..until];
        if !chunk.is_empty() {
            match kernel.peer_write(file, chunk) {
                Ok(count) => {
                    self.sent += count;
                    self.stuck_since = None;
                }
                Err(rustix::io::Errno::AGAIN) => {}
                Err(errno) => return self.lost(&errno.to_string()),
            }
        }
        let polite = matches!(self.manner, Manner::Polite | Manner::Slow);
        if polite && self.sent == self.bytes.len() && !std::mem::replace(&mut self.has_ended, true)
        {
            kernel.peer_end(file);
        }
    }

    fn receive(&mut self, file: FileId, id: ActorId, kernel: &mut Kernel) {
        let now = kernel.now();
        if self.manner == Manner::Slow {
            if now < self.next_read {
                return kernel.schedule(id, self.next_read.since(now));
            }
            let pause = draw::one_of(&mut self.random, [100, 3_000, 40_000]);
            self.next_read = now + Duration::from_micros(self.random.below(pause));
            kernel.schedule(id, self.next_read.since(now));
        }
        let most = draw::one_of(&mut self.random, [10, 1_000, 30_000, 100_000]);
        match kernel.peer_read(file, 1 + draw::index(&mut self.random, most)) {
            Received::Bytes(bytes) => {
                let sent = &self.bytes[self.received..self.sent];
                if !sent.starts_with(&bytes) {
                    self.wrong("other bytes than were sent");
                    return self.close();
                }
                self.received += bytes.len();
                // More may be there already.
                kernel.schedule(id, Duration::from_nanos(self.random.below(50_000)));
            }
            Received::Nothing => {}
            Received::Reset => self.lost("reset"),
            Received::End => {
                if self.received < self.bytes.len() || !self.has_ended {
                    return self.lost("an end before everything was echoed");
                }
                kernel.peer_close(file);
                self.close();
            }
        }
    }

    /// The connection has ended before everything was sent and received.
    fn lost(&mut self, how: &str) {
        let ledger = self.ledger.borrow();
        let is_wrong = ledger.network_is_sound && !ledger.has_ended;
        drop(ledger);
        if is_wrong {
            self.wrong(how);
        }
        self.close();
    }

    fn wrong(&self, what: &str) {
        let (number, manner, received) = (self.number, self.manner, self.received);
        let (sent, total) = (self.sent, self.bytes.len());
        self.ledger.borrow_mut().error(format!(
            "client {number} ({manner:?}), {received} received, {sent} sent of {total}: {what}"
        ));
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.ledger.borrow_mut().clients -= 1;
    }
}

impl Actor for Client {
    fn act(&mut self, id: ActorId, kernel: &mut Kernel) {
        if self.ledger.borrow().has_ended && matches!(self.state, State::Waiting) {
            return;
        }
        match self.state {
            State::Waiting => self.wait(id, kernel),
            State::Connecting(file) => match kernel.peer_is_connected(file) {
                None => {}
                Some(true) => {
                    self.state = State::Connected(file);
                    self.exchange(file, id, kernel);
                }
                Some(false) => {
                    kernel.peer_close(file);
                    self.lost("the connection was refused");
                }
            },
            State::Connected(file) => self.exchange(file, id, kernel),
            State::Closed => {}
        }
    }
}
