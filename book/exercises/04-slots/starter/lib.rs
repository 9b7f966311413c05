//! A reactor: it waits for many sources at once, and tells which are ready.

#![forbid(unsafe_code)]
// The starter does not use everything yet. Take this line out at the end.
#![allow(unused)]

pub mod echo;

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
        let both = Interest::READABLE | Interest::WRITABLE;
        todo!(
            "take a vacant slot, make its token, register the descriptor under the token, fill the slot"
        )
    }

    /// Waits for edges, and queues the sources that are to be served. It does not wait
    /// if a source was carried over.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        todo!(
            "poll; then queue carried sources, and sources with events, each once; set their flags"
        )
    }

    /// The next source that is to be served, with its flags.
    pub fn next_ready(&mut self) -> Option<(Token, &mut S, Readiness)> {
        todo!("the next token of the queue whose source is still there and has not finished")
    }

    /// Does what a source has answered.
    pub fn apply(&mut self, token: Token, progress: Progress) {
        todo!("clear the flags that are used up; carry over or finish")
    }

    /// Marks a source: it is not served again, and is closed at the end of the turn.
    pub fn finish(&mut self, token: Token) {
        todo!("mark the source, and put it on the list")
    }

    /// The last step of a turn: takes finished sources out of epoll, then drops them.
    pub fn close_finished(&mut self) -> io::Result<()> {
        todo!("take each finished source out of its slot and out of epoll, then drop it")
    }

    /// How many sources are registered.
    pub fn sources(&self) -> usize {
        self.slots.len()
    }
}

/// The slot of a source, if the source is still in it.
fn find<S>(slots: &mut Slab<Slot<S>>, token: Token) -> Option<&mut Slot<S>> {
    todo!("compare generations")
}
