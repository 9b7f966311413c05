//! An edge-triggered epoll.

use super::faults::Fault;
use super::state::{FileId, Kernel};
use crate::time::Instant;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many tokens of descriptors that are gone are kept to make events of.
const RETIRED_MAX: usize = 16;

/// What is reported whether it was asked for or not.
const ALWAYS: EventFlags = EventFlags::ERR.union(EventFlags::HUP);

/// A process that nothing wakes for so long, but for which something would happen
/// all the time, will never be woken. Longer than any timeout and any patience.
const WAIT_MAX: Duration = Duration::from_secs(300);

const MILLISECOND: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub(super) struct Epoll {
    watches: BTreeMap<RawFd, Watch>,
    retired: VecDeque<u64>,
    next_edge: u64,
    waker: Option<(u64, Arc<AtomicBool>)>,
}

#[derive(Debug)]
struct Watch {
    token: u64,
    interest: EventFlags,
    file: FileId,
    /// When an edge is told, and which one it was.
    edge: Option<(Instant, u64)>,
}

impl Epoll {
    /// Notes an edge at `file`, to be told from `at` on. What the event says is
    /// looked up when it is told, as the real one does.
    pub(super) fn edge(&mut self, file: FileId, news: EventFlags, at: Instant) {
        for watch in self.watches.values_mut() {
            if watch.file == file && watch.interest.union(ALWAYS).intersects(news) {
                self.next_edge += 1;
                watch.edge = match watch.edge {
                    Some(earlier) if earlier.0 <= at => Some(earlier),
                    _ => Some((at, self.next_edge)),
                };
            }
        }
    }
}

impl Kernel {
    /// epoll_ctl with EPOLL_CTL_ADD and EPOLLET.
    pub(crate) fn register(
        &mut self,
        fd: RawFd,
        token: u64,
        interest: EventFlags,
    ) -> Result<(), Errno> {
        self.enter();
        let result = self.try_register(fd, token, interest);
        self.note("epoll_ctl add", fd, &result.map(|()| 0));
        result
    }

    fn try_register(&mut self, fd: RawFd, token: u64, interest: EventFlags) -> Result<(), Errno> {
        let file = self.file_of(fd)?;
        if self.is_regular(file) {
            return Err(Errno::PERM);
        }
        if self.epoll.watches.contains_key(&fd) {
            return Err(Errno::EXIST);
        }
        if self.faults.fires(Fault::RegisterFailed, self.now) {
            return Err(self.one_of(&[Errno::NOMEM, Errno::NOSPC]));
        }
        self.epoll.next_edge += 1;
        let is_ready = self.mask(file).intersects(interest.union(ALWAYS));
        let edge = is_ready.then_some((self.now, self.epoll.next_edge));
        let watch = Watch {
            token,
            interest,
            file,
            edge,
        };
        self.epoll.watches.insert(fd, watch);
        Ok(())
    }

    /// epoll_ctl with EPOLL_CTL_DEL.
    pub(crate) fn deregister(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.enter();
        let watch = self.epoll.watches.remove(&fd);
        let result = match watch {
            Some(watch) => {
                self.retire(watch.token);
                Ok(())
            }
            None => {
                self.violation(format!("descriptor {fd} was deregistered, but not watched"));
                Err(Errno::NOENT)
            }
        };
        self.note("epoll_ctl del", fd, &result.map(|()| 0));
        result
    }

    fn retire(&mut self, token: u64) {
        if self.epoll.retired.len() == RETIRED_MAX {
            self.epoll.retired.pop_front();
        }
        self.epoll.retired.push_back(token);
    }

    /// The watch of a descriptor that is closed ends with it. That is no way to
    /// end it: a duplicate of the descriptor anywhere would keep it alive.
    pub(super) fn unwatch_closed(&mut self, fd: RawFd) {
        if let Some(watch) = self.epoll.watches.remove(&fd) {
            self.retire(watch.token);
            self.violation(format!("descriptor {fd} was closed while it was watched"));
        }
    }

    /// The process ends: epoll is closed before what it watches.
    pub(crate) fn close_epoll(&mut self) {
        self.epoll.watches.clear();
    }

    /// An eventfd that is watched under `token`: setting the flag ends a wait.
    pub(crate) fn waker(&mut self, token: u64) -> Arc<AtomicBool> {
        let flag = Arc::new(AtomicBool::new(false));
        self.epoll.waker = Some((token, flag.clone()));
        flag
    }

    /// epoll_wait: the tokens of what is ready, and what for.
    pub(crate) fn wait(
        &mut self,
        timeout: Option<Duration>,
    ) -> Result<Vec<(u64, EventFlags)>, Errno> {
        self.enter();
        let began = self.now;
        let deadline = timeout.map(|timeout| began + round_up(timeout));
        if timeout.is_some_and(|timeout| !timeout.is_zero()) {
            self.pauses.awaited = deadline;
        }
        let interrupt = if self.faults.fires(Fault::Interrupted, began) {
            let after = self.delay();
            Some(began + after)
        } else {
            None
        };
        let mut events = self.made_up_events();
        let gives_up = began + WAIT_MAX;
        let result = loop {
            self.tell_edges(&mut events);
            if !events.is_empty() || deadline.is_some_and(|deadline| deadline <= self.now) {
                break Ok(events);
            }
            if timeout != Some(Duration::ZERO)
                && let Err(errno) = self.stopped()
            {
                break Err(errno);
            }
            if interrupt.is_some_and(|interrupt| interrupt <= self.now) {
                break Err(Errno::INTR);
            }
            let edges = self.epoll.watches.values().filter_map(|watch| watch.edge);
            let edge = edges.map(|(at, _)| at).min();
            let next = [self.next_happening(), edge, deadline, interrupt];
            let next = next.into_iter().flatten().min();
            let Some(next) = next.filter(|&next| next < gives_up) else {
                self.violation("the loop waits for ever: nothing wakes it".to_owned());
                break Err(Errno::DEADLK);
            };
            self.advance_to(next);
        };
        if self.now > began {
            self.progress += 1;
        }
        let count = result
            .as_ref()
            .map(|events| events.len())
            .map_err(|&errno| errno);
        self.note("epoll_wait", -1, &count);
        result
    }

    /// Moves every edge whose time has come into `events`.
    fn tell_edges(&mut self, events: &mut Vec<(u64, EventFlags)>) {
        if let Some((token, flag)) = &self.epoll.waker
            && flag.swap(false, Ordering::SeqCst)
        {
            events.push((*token, EventFlags::IN));
            self.progress += 1;
        }
        let now = self.now;
        let mut told = Vec::new();
        for watch in self.epoll.watches.values_mut() {
            if let Some((at, number)) = watch.edge
                && at <= now
            {
                watch.edge = None;
                told.push((number, watch.token, watch.interest, watch.file));
            }
        }
        told.sort_unstable_by_key(|&(number, ..)| number);
        if told.len() > 1 && self.faults.fires(Fault::Reordered, now) {
            for last in (1..told.len()).rev() {
                let other = self.random.below(last as u64 + 1);
                told.swap(last, usize::try_from(other).unwrap_or(0));
            }
        }
        for (_, token, interest, file) in told {
            let flags = self.mask(file) & interest.union(ALWAYS);
            if !flags.is_empty() {
                events.push((token, flags));
                self.progress += 1;
            }
        }
    }

    /// Events without a reason, and of what is gone. The former say only what a
    /// read or a write can disprove; the latter say anything.
    fn made_up_events(&mut self) -> Vec<(u64, EventFlags)> {
        let mut events = Vec::new();
        if self.faults.fires(Fault::SpuriousEvent, self.now) && !self.epoll.watches.is_empty() {
            let number = self.random.below(self.epoll.watches.len() as u64);
            let at = usize::try_from(number).unwrap_or(0);
            if let Some(watch) = self.epoll.watches.values().nth(at) {
                let both = EventFlags::IN | EventFlags::OUT;
                events.push((watch.token, watch.interest & both));
            }
        }
        if self.faults.fires(Fault::StaleEvent, self.now) && !self.epoll.retired.is_empty() {
            let number = self.random.below(self.epoll.retired.len() as u64);
            let token = self.epoll.retired[usize::try_from(number).unwrap_or(0)];
            let flags = [
                EventFlags::IN | EventFlags::OUT,
                EventFlags::IN | EventFlags::RDHUP,
                EventFlags::IN | EventFlags::OUT | EventFlags::ERR | EventFlags::HUP,
            ];
            let number = usize::try_from(self.random.below(3)).unwrap_or(0);
            events.push((token, flags[number]));
            self.stale_events += 1;
        }
        events
    }
}

/// Whole milliseconds, since epoll_wait knows no less.
fn round_up(timeout: Duration) -> Duration {
    let millis = timeout.as_nanos().div_ceil(MILLISECOND.as_nanos());
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
