//! A level-triggered reactor: the kernel tells again and again which sources are ready.

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use slab::Slab;
use std::os::fd::{AsFd, OwnedFd};
use std::{io, time::Duration};

/// The name of one source, and of no later source in the same slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    generation: u32,
    index: u32,
}

/// The directions that the kernel has found ready, in this turn. Nothing keeps them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Readiness {
    pub readable: bool,
    pub writable: bool,
}

/// The directions about which a source wants to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interest {
    pub read: bool,
    pub write: bool,
}

/// The next thing that happens to a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It is served in each turn in which one of these directions is ready.
    Wait(Interest),
    /// It is closed at the end of this turn.
    Finish,
}

struct Slot<S> {
    generation: u32,
    /// The kernel's copy of the source's last answer.
    interest: Interest,
    is_finished: bool,
    source: S,
}

pub struct Reactor<S> {
    epoll: OwnedFd,
    /// The sources that this turn serves, from `served` on.
    events: Vec<Event>,
    served: usize,
    slots: Slab<Slot<S>>,
    /// Sources that are closed at the end of this turn.
    finished: Vec<Token>,
    /// The generation of the next source.
    generation: u32,
    /// How many calls have told the kernel of a changed interest.
    pub changed_interests: usize,
}

impl Token {
    fn to_data(self) -> EventData {
        EventData::new_u64(u64::from(self.generation) << 32 | u64::from(self.index))
    }

    fn from_data(data: EventData) -> Token {
        Token {
            generation: (data.u64() >> 32) as u32,
            index: data.u64() as u32,
        }
    }
}

impl Interest {
    pub const READ: Interest = Interest {
        read: true,
        write: false,
    };

    fn flags(self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, self.read);
        flags.set(EventFlags::OUT, self.write);
        flags
    }
}

impl<S: AsFd> Reactor<S> {
    pub fn new() -> io::Result<Reactor<S>> {
        Ok(Reactor {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(256),
            served: 0,
            slots: Slab::new(),
            finished: Vec::new(),
            generation: 0,
            changed_interests: 0,
        })
    }

    /// Takes a source in. It waits for input.
    pub fn insert(&mut self, source: S) -> io::Result<Token> {
        let entry = self.slots.vacant_entry();
        let token = Token {
            generation: self.generation,
            index: u32::try_from(entry.key()).expect("fewer than 2^32 sources"),
        };
        let interest = Interest::READ;
        epoll::add(&self.epoll, &source, token.to_data(), interest.flags())?;
        entry.insert(Slot {
            generation: token.generation,
            interest,
            is_finished: false,
            source,
        });
        self.generation = self.generation.wrapping_add(1);
        Ok(token)
    }

    /// Waits until a source is ready. Whatever the last turn has left is told again.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(|time| Timespec::try_from(time).expect("a short time"));
        self.events.clear();
        self.served = 0;
        epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            timeout.as_ref(),
        )?;
        Ok(())
    }

    /// The next source that is to be served, with the directions that are ready.
    pub fn next_ready(&mut self) -> Option<(Token, &mut S, Readiness)> {
        loop {
            let event = *self.events.get(self.served)?;
            self.served += 1;
            let (token, flags) = (Token::from_data(event.data), event.flags);
            // After a hang-up or an error, the next call tells more.
            let broken = EventFlags::HUP | EventFlags::ERR;
            let readiness = Readiness {
                readable: flags.intersects(EventFlags::IN | broken),
                writable: flags.intersects(EventFlags::OUT | broken),
            };
            if find(&mut self.slots, token).is_some_and(|slot| !slot.is_finished) {
                let slot = find(&mut self.slots, token)?;
                return Some((token, &mut slot.source, readiness));
            }
        }
    }

    /// Does what a source has answered. A changed interest costs a system call.
    pub fn apply(&mut self, token: Token, next: Next) -> io::Result<()> {
        let Some(slot) = find(&mut self.slots, token) else {
            return Ok(());
        };
        match next {
            Next::Wait(interest) if interest == slot.interest => {}
            Next::Wait(interest) => {
                slot.interest = interest;
                self.changed_interests += 1;
                let flags = interest.flags();
                epoll::modify(&self.epoll, &slot.source, token.to_data(), flags)?;
            }
            Next::Finish => {
                slot.is_finished = true;
                self.finished.push(token);
            }
        }
        Ok(())
    }

    /// The last step of a turn: takes finished sources out of epoll, then drops them.
    pub fn close_finished(&mut self) -> io::Result<()> {
        for token in self.finished.drain(..) {
            if find(&mut self.slots, token).is_some() {
                let slot = self.slots.remove(token.index as usize);
                epoll::delete(&self.epoll, &slot.source)?;
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
