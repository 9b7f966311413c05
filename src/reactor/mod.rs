//! The reactor: one epoll, a slab of sources, and three lists of tokens.
//!
//! Each source is registered once, edge-triggered, for every direction that it will
//! ever need. An edge sets a sticky flag at its source. So nothing is lost between an
//! edge and the read that it calls for, and no turn has to finish a source.
//!
//! ```text
//!                      wait                       next_ready
//!   edges ----------> +----------------------+ ----------------> the loop serves it
//!   carry-over list   | queue: each source   |                        |
//!        ^ ---------> | once; some in front  |                        | Progress
//!        |            +----------------------+                        v
//!        +------------- carry over <------------------------------ apply
//!                       Next::Wait: used-up flags are cleared, <-----+
//!                       the next edge sets them again                |
//!   closed in step 7 <- finished list <------ finished <-------------+
//! ```
//!
//! # Invariants
//! - A source stands in each of the three lists at most once; it stands there if and
//!   only if it has the mark of that list (`Mark`).
//! - A token in a list may be stale, because its source was removed. It is skipped.
//! - A source is carried over for one turn: `wait` moves it to the queue.
//! - A source that epoll refused is ready for its interest until it is removed.
//! - An edge sets a flag, or `insert` for a descriptor that epoll refused. Only
//!   [`apply`](Reactor::apply) clears one.
//!
//! # Where this comes from
//! The token with a generation is calloop's. A turn's events are first merged into
//! the slots and then served from a queue, as async-io does with its wakers. So no
//! borrow of the reactor is alive while a source is served. redis adds and removes
//! the interest in writing on demand, which is level-triggered and costs an
//! `epoll_ctl` whenever a peer is slow; a sticky flag costs a bit instead.
//!
//! The reactor has no timers (the wheel belongs to the session) and no callbacks,
//! and it does not know what a source is: the payload is the caller's type.
//!
//! Read next: `source.rs`, the contract; `worked_example.rs`, a new kind of source;
//! `tests.rs`, one test for each rule.

mod poller;
mod slot;
#[cfg(any(test, feature = "microscope"))]
mod snapshot;
#[cfg(test)]
mod tests;
mod token;
#[cfg(test)]
mod worked_example;

#[doc(no_inline)]
pub(crate) use mio::Interest;
/// `lab::Poller` passes its calls on to them.
#[cfg(any(test, feature = "lab"))]
pub(crate) use poller::{Poller as RealPoller, Signs};
#[cfg(any(test, feature = "microscope"))]
pub(crate) use snapshot::{ReactorSnapshot, reason_words, words};
pub(crate) use token::Token;

#[cfg(any(test, feature = "lab"))]
use crate::lab::{Poller, Waker};
use crate::source::{Next, Progress, Readiness, Reason};
#[cfg(not(any(test, feature = "lab")))]
use mio::Waker;
#[cfg(not(any(test, feature = "lab")))]
use poller::Poller;
use slab::Slab;
use slot::{Mark, Slot};
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

/// How many events one `epoll_wait` can bring: 1024, which take 12 KiB. In a batch
/// of that size the cost of the call itself does not matter. A call that brings so
/// many is followed by another.
const EVENTS_PER_CALL: usize = 1024;

/// The token of wakes. No source has it: `insert` never gives out its index.
const WAKE: mio::Token = mio::Token(usize::MAX);

/// Waits for many sources of type `S` at once. See the module's page.
#[derive(Debug)]
pub(crate) struct Reactor<S> {
    poller: Poller,
    slots: Slab<Slot<S>>,
    /// The sources that this turn has still to serve, oldest first.
    queue: VecDeque<Token>,
    /// The sources that the next turn serves without an edge, each with the reason.
    carried: Vec<(Token, Reason)>,
    /// The sources that are taken out at the end of this turn.
    finished: VecDeque<Token>,
    /// The generation of the next source. One counter serves all slots, so that a
    /// vacant slot need not remember one.
    next_generation: NonZeroU32,
    /// How many events and places in the queue belonged to removed sources.
    stale_events: u64,
    /// Made on demand. epoll needs only one, and a node may need none.
    waker: Option<Arc<Waker>>,
}

impl<S: AsRawFd> Reactor<S> {
    pub(crate) fn new() -> io::Result<Reactor<S>> {
        Reactor::with_events_per_call(EVENTS_PER_CALL)
    }

    fn with_events_per_call(events: usize) -> io::Result<Reactor<S>> {
        Ok(Reactor {
            poller: Poller::new(events)?,
            slots: Slab::new(),
            queue: VecDeque::new(),
            carried: Vec::new(),
            finished: VecDeque::new(),
            next_generation: NonZeroU32::MIN,
            stale_events: 0,
            waker: None,
        })
    }

    /// A waker that ends a wait from another thread.
    ///
    /// A wake queues no source. The caller of `wake` leaves its reason elsewhere,
    /// and the loop looks there after each wait. A wake that comes before the wait
    /// ends the next one.
    pub(crate) fn waker(&mut self) -> io::Result<Arc<Waker>> {
        if let Some(waker) = &self.waker {
            return Ok(Arc::clone(waker));
        }
        let waker = Arc::new(self.poller.waker(WAKE)?);
        self.waker = Some(Arc::clone(&waker));
        Ok(waker)
    }

    /// Registers a source by its descriptor, once for its whole life.
    ///
    /// The next wait reports what is ready by now. So there is no gap between opening
    /// a descriptor and watching it. On an error the source is dropped.
    ///
    /// epoll refuses some descriptors (EPERM: a regular file, /dev/null). Such a
    /// source is ready for `interest` until it is removed. It is carried over to the
    /// next turn. After that, its own answers carry it over: it has no edges.
    pub(crate) fn insert(&mut self, source: S, interest: Interest) -> io::Result<Token> {
        let fd = source.as_raw_fd();
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
                self.carried.push((token, Reason::NoEdges));
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

    /// From now on the source enters the queue in front of all others, including
    /// those that earlier turns left there.
    pub(crate) fn serve_first(&mut self, token: Token) {
        if let Some(slot) = slot_mut(&mut self.slots, token) {
            slot.mark(Mark::First);
        }
    }

    /// Takes a source out. The caller closes its descriptor only afterwards: after a
    /// close alone, a descriptor stays in epoll while a duplicate of it is open in
    /// any process.
    fn remove(&mut self, token: Token) -> Option<S> {
        let slot = self.slot(token)?;
        if !slot.is(Mark::AlwaysReady) {
            // Fails only if the source no longer holds the descriptor that was
            // registered. Events of that one are then stale, and are dropped.
            let _ = self.poller.deregister(slot.source.as_raw_fd());
        }
        Some(self.slots.remove(token.index()).source)
    }

    pub(crate) fn get(&self, token: Token) -> Option<&S> {
        Some(&self.slot(token)?.source)
    }

    /// The readiness of a source; none if it was removed.
    pub(crate) fn readiness(&self, token: Token) -> Readiness {
        self.slot(token).map_or(Readiness::NONE, Slot::readiness)
    }

    /// Applies the answer of a source that was served: clears what it used up, then
    /// carries it over or lists it as finished, if it asks for that.
    #[inline(always)] // it runs for each source that is served; the rest of it rarely
    pub(crate) fn apply(&mut self, token: Token, progress: &Progress) {
        let Some(slot) = slot_mut(&mut self.slots, token) else {
            return;
        };
        debug_assert!(
            slot.readiness().contains(progress.used_up),
            "a source used up more than it was told"
        );
        slot.clear(progress.used_up);
        match progress.next {
            Next::Wait => {}
            Next::CarryOver(reason) => self.carry_over(token, reason),
            Next::Finished(()) => self.finish(token),
        }
    }

    /// Serves the source in the next turn without an edge. For its owner, which may
    /// learn by other means that the source has work: a timer, a reader that has
    /// caught up.
    #[inline(never)]
    pub(crate) fn carry_over(&mut self, token: Token, reason: Reason) {
        if let Some(slot) = slot_mut(&mut self.slots, token)
            && slot.mark(Mark::Carried)
        {
            self.carried.push((token, reason));
        }
    }

    /// Lists the source as finished. For its owner, whose deadline may end it.
    #[inline(never)]
    pub(crate) fn finish(&mut self, token: Token) {
        if let Some(slot) = slot_mut(&mut self.slots, token)
            && slot.mark(Mark::Finished)
        {
            self.finished.push_back(token);
        }
    }

    /// Step 7 of the turn: takes the next finished source out, to be closed.
    #[inline(always)] // asked in each turn, and mostly answered with None
    pub(crate) fn take_finished(&mut self) -> Option<S> {
        let token = self.finished.pop_front()?;
        let source = self.remove(token);
        debug_assert!(source.is_some(), "a finished source was removed before");
        source
    }

    /// Whether the next wait returns at once.
    pub(crate) fn has_carried_over(&self) -> bool {
        !self.carried.is_empty() || !self.queue.is_empty()
    }

    /// Step 1 of the turn: waits for an edge, a wake or the timeout (`None`: for
    /// ever), and queues the sources that are ready. It does not wait if a source was
    /// carried over.
    ///
    /// mio rounds the timeout up to whole milliseconds. A signal ends the wait early.
    /// Sources that the last turn left in the queue stay in front of new ones.
    ///
    /// All sources that are ready by now are queued, even if one call to the kernel
    /// cannot report them all. The kernel's list is first come first served, so a
    /// source that is to be served first might stand behind all others there.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.has_carried_over() {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        self.ask(timeout)?;
        for (token, _reason) in self.carried.drain(..) {
            // A carried source that was removed since is no stale event.
            if let Some(slot) = slot_mut(&mut self.slots, token) {
                slot.unmark(Mark::Carried);
                enqueue(&mut self.queue, token, slot);
            }
        }
        // A source that becomes ready again goes to the end of the kernel's list.
        // After so many calls every source has been seen once; without this bound
        // busy sources could keep the loop here for ever.
        let mut calls = 0;
        while self.queue_events() && calls < self.slots.len() / self.poller.events_per_wait() {
            self.ask(Some(Duration::ZERO))?;
            calls += 1;
        }
        Ok(())
    }

    /// Asks the kernel once.
    #[inline(always)] // each wait of each reactor has its own copy
    fn ask(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut polled = self.poller.wait(timeout);
        while let Err(error) = &polled
            && error.kind() == io::ErrorKind::Interrupted
        {
            // A signal ended the wait, but events must still be collected. After a
            // pause (SIGSTOP) replies are in the pipe, and the loop has to read them
            // before it looks at their deadlines.
            polled = self.poller.wait(Some(Duration::ZERO));
        }
        polled
    }

    /// Queues the sources that the kernel has reported. Returns whether there may be
    /// more.
    fn queue_events(&mut self) -> bool {
        let mut count = 0;
        for (token, readiness) in self.poller.events() {
            count += 1;
            if token == WAKE {
                look!(crate::microscope::woken());
                continue;
            }
            let token = Token::from_mio(token);
            let slot = token.and_then(|token| slot_mut(&mut self.slots, token));
            let (Some(token), Some(slot)) = (token, slot) else {
                self.stale_events += 1;
                continue;
            };
            look!(crate::microscope::edge(token.index(), readiness));
            slot.merge(readiness);
            enqueue(&mut self.queue, token, slot);
        }
        self.poller.clear();
        count == self.poller.events_per_wait()
    }

    /// The next source that was ready when the wait returned, and its readiness. Each
    /// source is returned once a wait.
    #[inline]
    pub(crate) fn next_ready(&mut self) -> Option<(Token, &mut S, Readiness)> {
        let token = self.next_queued()?;
        let slot = slot_mut(&mut self.slots, token)?;
        debug_assert!(!slot.is(Mark::Finished), "it is closed first");
        slot.unmark(Mark::Queued);
        let readiness = slot.readiness();
        Some((token, &mut slot.source, readiness))
    }

    /// Takes the next token from the queue, unless its source was removed.
    #[inline]
    fn next_queued(&mut self) -> Option<Token> {
        while let Some(token) = self.queue.pop_front() {
            if self.slot(token).is_some() {
                return Some(token);
            }
            self.stale_events += 1;
        }
        None
    }

    /// How much readiness came for sources that were removed by then.
    #[cfg(any(test, feature = "lab"))]
    pub(crate) fn stale_events(&self) -> u64 {
        self.stale_events
    }

    /// How many sources are registered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Checks the invariants that the module's page states.
    #[cfg(any(test, feature = "lab"))]
    pub(crate) fn assert_invariants(&self) {
        use std::collections::HashSet;
        let carried: VecDeque<Token> = self.carried.iter().map(|&(token, _)| token).collect();
        for (mark, list) in [
            (Mark::Queued, &self.queue),
            (Mark::Carried, &carried),
            (Mark::Finished, &self.finished),
        ] {
            let listed: HashSet<Token> = list.iter().copied().collect();
            assert_eq!(
                listed.len(),
                list.len(),
                "{mark:?}: a source is in it twice"
            );
            for (index, slot) in &self.slots {
                let index = u32::try_from(index).expect("insert checks it");
                let token = Token::new(slot.generation, index);
                assert_eq!(
                    slot.is(mark),
                    listed.contains(&token),
                    "{mark:?}: {token:?}"
                );
            }
        }
        for (_, slot) in &self.slots {
            let is_ready = slot.readiness() != Readiness::NONE;
            assert!(is_ready || !slot.is(Mark::AlwaysReady), "for ever");
        }
        for &(token, reason) in &self.carried {
            let has_edges = |slot: &Slot<S>| !slot.is(Mark::AlwaysReady);
            let is_refused = reason == Reason::NoEdges;
            assert!(!is_refused || !self.slot(token).is_some_and(has_edges));
        }
    }

    fn slot(&self, token: Token) -> Option<&Slot<S>> {
        self.slots
            .get(token.index())
            .filter(|slot| slot.generation == token.generation())
    }
}

/// Like `Reactor::slot`, but borrows the slots alone.
fn slot_mut<S>(slots: &mut Slab<Slot<S>>, token: Token) -> Option<&mut Slot<S>> {
    slots
        .get_mut(token.index())
        .filter(|slot| slot.generation == token.generation())
}

/// Puts a source into the queue, unless it stands there already.
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
        wanted |= Readiness::READABLE;
    }
    if interest.is_writable() {
        wanted |= Readiness::WRITABLE;
    }
    wanted
}
