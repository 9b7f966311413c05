//! The reactor: one epoll, a slab of sources, and what the turns before left over.
//!
//! Sources are registered once, edge-triggered, for all that will ever be wanted
//! of them. An edge sets a sticky flag at its source, so nothing is lost between
//! an edge and the read that it calls for, and no turn has to finish a source.
//!
//! ```text
//!                      wait                       next_ready
//!   edges ----------> +----------------------+ ----------------> the runtime
//!   carry-over list   | queue: each source   |                        |
//!        ^ ---------> | once; some in front  |                        |
//!        |            +----------------------+                        |
//!        +------------------- carry_over (work is left) <-------------+
//!                             clear (ran dry: wait for an edge) <-----+
//! ```
//!
//! Chosen after reading how others do it. The token with a generation is
//! calloop's; but a turn's events are merged into the slots first and served
//! from a queue, as async-io does with its wakers, so no borrow of the reactor is
//! alive while a source is served. redis registers and unregisters for write on
//! demand, which is level-triggered and costs an `epoll_ctl` whenever a peer is
//! slow; sticky flags cost a byte instead.
//!
//! Not here: timers (the wheel is the runtime's), callbacks, and anything that
//! knows what a source is. The payload is the caller's type; one index finds it.

mod poller;
mod readiness;
mod slot;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use mio::Interest;
pub(crate) use readiness::Readiness;
pub(crate) use token::Token;
/// What `lab::Poller` passes its calls on to.
#[cfg(any(test, feature = "lab"))]
pub(crate) use {poller::Poller as RealPoller, readiness::Signs};

#[cfg(any(test, feature = "lab"))]
use crate::lab::{Poller, Waker};
#[cfg(not(any(test, feature = "lab")))]
use mio::Waker;
#[cfg(not(any(test, feature = "lab")))]
use poller::Poller;
use slab::Slab;
use slot::{Mark, Slot};
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

/// Events that one `epoll_wait` can bring; a wait asks again while it brings so
/// many. 1024 take 12 KiB, and make the cost of the call itself vanish in a batch.
const EVENTS_PER_CALL: usize = 1024;

/// No source has this token: its index is one that `insert` never gives out.
const WAKE: mio::Token = mio::Token(usize::MAX);

/// Waits for many sources of type `S` at once. See the module's page.
#[derive(Debug)]
pub(crate) struct Reactor<S> {
    poller: Poller,
    slots: Slab<Slot<S>>,
    /// What this turn is yet to serve, oldest first.
    queue: VecDeque<Token>,
    /// What the next turn serves whether or not there is an edge.
    carried: Vec<Token>,
    /// The next source's generation. One counter for all slots, so that a vacant
    /// slot need not remember; each insert takes one.
    next_generation: NonZeroU32,
    /// What arrived for sources that were already gone.
    stale_events: u64,
    /// Made on demand, once: epoll needs only one, and a node may need none.
    waker: Option<Arc<Waker>>,
}

impl<S> Reactor<S> {
    pub(crate) fn new() -> io::Result<Reactor<S>> {
        Reactor::with_events_per_call(EVENTS_PER_CALL)
    }

    fn with_events_per_call(events: usize) -> io::Result<Reactor<S>> {
        Ok(Reactor {
            poller: Poller::new(events)?,
            slots: Slab::new(),
            queue: VecDeque::new(),
            carried: Vec::new(),
            next_generation: NonZeroU32::MIN,
            stale_events: 0,
            waker: None,
        })
    }

    /// What ends a wait from another thread. A wake queues no source: whoever
    /// wakes also leaves word of why, for the runtime to look at after each wait.
    pub(crate) fn waker(&mut self) -> io::Result<Arc<Waker>> {
        if let Some(waker) = &self.waker {
            return Ok(Arc::clone(waker));
        }
        let waker = Arc::new(self.poller.waker(WAKE)?);
        self.waker = Some(Arc::clone(&waker));
        Ok(waker)
    }

    /// Registers `fd`, once and for good, on behalf of `source`, which owns it.
    ///
    /// What is ready by now is the next wait's news, so there is no gap between
    /// opening a descriptor and watching it. Where epoll refuses the descriptor
    /// (EPERM: a regular file, /dev/null) it is ready for `interest` for ever and
    /// stands in the carry-over list for the next turn; having no edges, it comes
    /// again only when whoever leaves work also carries it over. On any other
    /// error the source is dropped.
    pub(crate) fn insert(&mut self, fd: RawFd, interest: Interest, source: S) -> io::Result<Token> {
        let entry = self.slots.vacant_entry();
        let index = u32::try_from(entry.key())
            .ok()
            .filter(|&index| index < u32::MAX)
            .ok_or_else(|| io::Error::other("no slot is left for another source; close some"))?;
        let generation = self.next_generation;
        let token = Token::new(generation, index);
        let mut slot = Slot::new(generation, source);
        match self.poller.register(fd, token.to_mio(), interest) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                slot.mark(Mark::AlwaysReady);
                slot.mark(Mark::Carried);
                slot.merge(readiness_wanted(interest));
                self.carried.push(token);
            }
            Err(error) => {
                let message = format!("cannot watch file descriptor {fd} with epoll: {error}");
                return Err(io::Error::new(error.kind(), message));
            }
        }
        entry.insert(slot);
        self.next_generation = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        Ok(token)
    }

    /// From now on the source stands in front of all others whenever it is ready,
    /// of those too that earlier turns left in the queue.
    pub(crate) fn serve_first(&mut self, token: Token) {
        if let Some(slot) = slot_mut(&mut self.slots, token) {
            slot.mark(Mark::First);
        }
    }

    /// Takes a source out. Deregisters first, which is why the caller passes the
    /// descriptor and closes it only afterwards: a close alone leaves a
    /// descriptor in epoll for as long as a duplicate of it is open anywhere.
    pub(crate) fn remove(&mut self, token: Token, fd: RawFd) -> Option<S> {
        let is_always_ready = self.slot(token)?.is(Mark::AlwaysReady);
        if !is_always_ready {
            // It can fail only for an fd that is closed or another than the one
            // registered; then its events, if any, are stale and are dropped.
            let _ = self.poller.deregister(fd);
        }
        Some(self.slots.remove(token.index()).source)
    }

    pub(crate) fn get(&self, token: Token) -> Option<&S> {
        Some(&self.slot(token)?.source)
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut S> {
        Some(&mut slot_mut(&mut self.slots, token)?.source)
    }

    /// What the source is ready for; nothing, if it is gone.
    pub(crate) fn readiness(&self, token: Token) -> Readiness {
        self.slot(token).map_or(Readiness::NONE, Slot::readiness)
    }

    /// The source ran dry: from now on only an edge makes it ready for that again.
    /// Without effect on a source that is always ready.
    pub(crate) fn clear(&mut self, token: Token, readiness: Readiness) {
        if let Some(slot) = slot_mut(&mut self.slots, token)
            && !slot.is(Mark::AlwaysReady)
        {
            slot.clear(readiness);
        }
    }

    /// Work is left, and no edge will tell: serve the source next turn, too, and
    /// do not wait until then.
    pub(crate) fn carry_over(&mut self, token: Token) {
        if let Some(slot) = slot_mut(&mut self.slots, token)
            && slot.mark(Mark::Carried)
        {
            self.carried.push(token);
        }
    }

    /// Whether the next wait will not wait.
    pub(crate) fn has_carried_over(&self) -> bool {
        !self.carried.is_empty() || !self.queue.is_empty()
    }

    /// Step 1 of the turn: waits for an edge, a wake or `timeout` (none: for
    /// ever), not at all if anything was carried over, and queues what is ready.
    ///
    /// mio rounds the timeout up to whole milliseconds. A signal ends the wait
    /// early. What a turn did not fetch from the
    /// queue is not lost: it comes first in the next one.
    ///
    /// Everything that is ready by now is queued, however many sources that are:
    /// the kernel's own list is first come first served, and whoever is to be
    /// served first would have to wait in it for all others.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.has_carried_over() {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        self.ask(timeout)?;
        for token in self.carried.drain(..) {
            // A carried source that was removed since is no event gone stale.
            if let Some(slot) = slot_mut(&mut self.slots, token) {
                slot.unmark(Mark::Carried);
                enqueue(&mut self.queue, token, slot);
            }
        }
        // Once round the kernel's list, and not for ever: a source that is ready
        // again stands at its end again.
        let mut calls = 0;
        while self.queue_events() && calls < self.slots.len() / self.poller.events_per_wait() {
            self.ask(Some(Duration::ZERO))?;
            calls += 1;
        }
        Ok(())
    }

    /// Asks the kernel once.
    fn ask(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut polled = self.poller.wait(timeout);
        while let Err(error) = &polled
            && error.kind() == io::ErrorKind::Interrupted
        {
            // The wait is over, but not the look: after a pause (SIGSTOP) replies
            // wait in the pipe, and must not find their deadlines expired first.
            polled = self.poller.wait(Some(Duration::ZERO));
        }
        polled
    }

    /// Queues whom the kernel's answer names. Whether there may be more.
    fn queue_events(&mut self) -> bool {
        let mut count = 0;
        for (token, readiness) in self.poller.events() {
            count += 1;
            if token == WAKE {
                continue;
            }
            let token = Token::from_mio(token);
            let slot = token.and_then(|token| slot_mut(&mut self.slots, token));
            let (Some(token), Some(slot)) = (token, slot) else {
                self.stale_events += 1;
                continue;
            };
            slot.merge(readiness);
            enqueue(&mut self.queue, token, slot);
        }
        self.poller.clear();
        count == self.poller.events_per_wait()
    }

    /// The next source that was ready when the wait returned; each once a wait.
    pub(crate) fn next_ready(&mut self) -> Option<Token> {
        while let Some(token) = self.queue.pop_front() {
            if let Some(slot) = slot_mut(&mut self.slots, token) {
                slot.unmark(Mark::Queued);
                return Some(token);
            }
            // Removed on behalf of a source served before it.
            self.stale_events += 1;
        }
        None
    }

    /// Readiness that came for a source already removed, and was dropped.
    #[cfg(any(test, feature = "lab"))]
    pub(crate) fn stale_events(&self) -> u64 {
        self.stale_events
    }

    /// How many sources are registered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    fn slot(&self, token: Token) -> Option<&Slot<S>> {
        self.slots
            .get(token.index())
            .filter(|slot| slot.generation == token.generation())
    }
}

/// As `Reactor::slot`, but borrows the slots alone.
fn slot_mut<S>(slots: &mut Slab<Slot<S>>, token: Token) -> Option<&mut Slot<S>> {
    slots
        .get_mut(token.index())
        .filter(|slot| slot.generation == token.generation())
}

/// Puts a source into the queue, unless it stands there.
fn enqueue<S>(queue: &mut VecDeque<Token>, token: Token, slot: &mut Slot<S>) {
    if !slot.mark(Mark::Queued) {
        return;
    }
    if slot.is(Mark::First) {
        queue.push_front(token);
    } else {
        queue.push_back(token);
    }
}

fn readiness_wanted(interest: Interest) -> Readiness {
    let mut wanted = Readiness::NONE;
    if interest.is_readable() {
        wanted = wanted | Readiness::READABLE;
    }
    if interest.is_writable() {
        wanted = wanted | Readiness::WRITABLE;
    }
    wanted
}
