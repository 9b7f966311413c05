//! A reactor: it waits for many sources at once, and tells which are ready.

use mio::{Events, Interest, Poll, unix::SourceFd};
use slab::Slab;
use std::{collections::VecDeque, io, os::fd::AsRawFd, time::Duration};

/// The name of one source, and of no later source in the same slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    generation: u32,
    index: u32,
}

/// The sticky flags of a source.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Readiness {
    pub readable: bool,
    pub writable: bool,
}

/// The next thing that happens to a source.
pub enum Next {
    /// It is served after its next edge.
    Wait,
    /// It is served in the next turn, without an edge.
    CarryOver,
    /// It is closed at the end of this turn.
    Finish,
}

/// The answer of a source that was served.
pub struct Progress {
    /// The flags that `EAGAIN` has proved wrong.
    pub used_up: Readiness,
    pub next: Next,
}

struct Slot<S> {
    generation: u32,
    readiness: Readiness,
    /// It stands in the queue or in the carry-over list.
    is_queued: bool,
    is_finished: bool,
    source: S,
}

pub struct Reactor<S> {
    poll: Poll,
    events: Events,
    slots: Slab<Slot<S>>,
    /// Sources that this turn has still to serve.
    queue: VecDeque<Token>,
    /// Sources that the next turn serves without an edge.
    carried: Vec<Token>,
    /// Sources that are closed at the end of this turn.
    finished: Vec<Token>,
    /// The generation of the next source.
    generation: u32,
    /// How many events came for sources that had been closed.
    pub stale_events: usize,
}

impl Token {
    fn to_mio(self) -> mio::Token {
        mio::Token((self.generation as usize) << 32 | self.index as usize)
    }

    fn from_mio(token: mio::Token) -> Token {
        Token {
            generation: (token.0 >> 32) as u32,
            index: token.0 as u32,
        }
    }
}

impl<S: AsRawFd> Reactor<S> {
    pub fn new() -> io::Result<Reactor<S>> {
        Ok(Reactor {
            poll: Poll::new()?,
            events: Events::with_capacity(256),
            slots: Slab::new(),
            queue: VecDeque::new(),
            carried: Vec::new(),
            finished: Vec::new(),
            generation: 0,
            stale_events: 0,
        })
    }

    /// Takes a source in. mio registers it edge-triggered.
    pub fn insert(&mut self, source: S) -> io::Result<Token> {
        let entry = self.slots.vacant_entry();
        let token = Token {
            generation: self.generation,
            index: u32::try_from(entry.key()).expect("fewer than 2^32 sources"),
        };
        let both = Interest::READABLE | Interest::WRITABLE;
        let (registry, fd) = (self.poll.registry(), source.as_raw_fd());
        registry.register(&mut SourceFd(&fd), token.to_mio(), both)?;
        entry.insert(Slot {
            generation: token.generation,
            readiness: Readiness::default(),
            is_queued: false,
            is_finished: false,
            source,
        });
        self.generation = self.generation.wrapping_add(1);
        Ok(token)
    }

    /// Waits for edges, and queues the sources that are to be served. It does not wait
    /// if a source was carried over.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = match self.carried.is_empty() {
            true => timeout,
            false => Some(Duration::ZERO),
        };
        self.poll.poll(&mut self.events, timeout)?;
        self.queue.extend(self.carried.drain(..));
        for event in &self.events {
            let token = Token::from_mio(event.token());
            let Some(slot) = find(&mut self.slots, token) else {
                self.stale_events += 1;
                continue;
            };
            // After a hang-up or an error, the next call tells more.
            slot.readiness.readable |= event.is_readable() || event.is_read_closed();
            slot.readiness.writable |= event.is_writable() || event.is_write_closed();
            if !std::mem::replace(&mut slot.is_queued, true) {
                self.queue.push_back(token);
            }
        }
        Ok(())
    }

    /// The next source that is to be served, with its flags.
    pub fn next_ready(&mut self) -> Option<(Token, &mut S, Readiness)> {
        loop {
            let token = self.queue.pop_front()?;
            if find(&mut self.slots, token).is_some_and(|slot| !slot.is_finished) {
                let slot = find(&mut self.slots, token)?;
                slot.is_queued = false;
                return Some((token, &mut slot.source, slot.readiness));
            }
        }
    }

    /// Does what a source has answered.
    pub fn apply(&mut self, token: Token, progress: Progress) {
        let Some(slot) = find(&mut self.slots, token) else {
            return;
        };
        slot.readiness.readable &= !progress.used_up.readable;
        slot.readiness.writable &= !progress.used_up.writable;
        match progress.next {
            Next::Wait => {}
            Next::CarryOver => {
                slot.is_queued = true;
                self.carried.push(token);
            }
            Next::Finish => self.finish(token),
        }
    }

    /// Marks a source: it is not served again, and is closed at the end of the turn.
    pub fn finish(&mut self, token: Token) {
        if let Some(slot) = find(&mut self.slots, token) {
            slot.is_finished = true;
            self.finished.push(token);
        }
    }

    /// The last step of a turn: takes finished sources out of epoll, then drops them.
    pub fn close_finished(&mut self) -> io::Result<()> {
        for token in self.finished.drain(..) {
            if find(&mut self.slots, token).is_some() {
                let slot = self.slots.remove(token.index as usize);
                let fd = slot.source.as_raw_fd();
                self.poll.registry().deregister(&mut SourceFd(&fd))?;
            }
        }
        Ok(())
    }

    /// How many sources are registered.
    pub fn sources(&self) -> usize {
        self.slots.len()
    }
}

/// The slot of a source, if the source is still in it.
fn find<S>(slots: &mut Slab<Slot<S>>, token: Token) -> Option<&mut Slot<S>> {
    let slot = slots.get_mut(token.index as usize)?;
    (slot.generation == token.generation).then_some(slot)
}
