//! The calls on epoll: epoll_ctl, epoll_wait, and the eventfd that ends a wait.
//!
//! A wait returns events, or lets time pass until the next thing that can bring
//! one:
//!
//! ```text
//!          ┌─> edges to tell? ── yes ──────────────> events
//!          │        │ no
//!          │   deadline reached? ── yes ───────────> no events
//!          │        │ no
//!          │   signal, or SIGCONT after a stop? ───> EINTR
//!          │        │ no
//!          │   nothing will ever happen? ──────────> violation
//!          │        │ no
//!          └── time moves on to the next happening, edge or deadline
//! ```

use super::faults::Fault;
use super::state::Kernel;
use crate::lab::draw;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A wait that nothing ends in so long a time will never end. It is longer than any
/// timeout of the process and any patience of an actor.
const WAIT_MAX: Duration = Duration::from_secs(300);

const MILLISECOND: Duration = Duration::from_millis(1);

impl Kernel {
    /// epoll_ctl with EPOLL_CTL_ADD and EPOLLET.
    pub(crate) fn register(
        &mut self,
        fd: RawFd,
        token: u64,
        interest: EventFlags,
    ) -> Result<(), Errno> {
        self.begin_call();
        let result = self.try_register(fd, token, interest);
        self.note("epoll_ctl add", fd, &result.map(|()| 0));
        result
    }

    fn try_register(&mut self, fd: RawFd, token: u64, interest: EventFlags) -> Result<(), Errno> {
        let file = self.file_of(fd)?;
        if self.files[file.0].is_regular() {
            return Err(Errno::PERM);
        }
        if self.watches.contains(fd) {
            return Err(Errno::EXIST);
        }
        if self.faults.fires(Fault::RegisterFailed, self.now) {
            return Err(self.one_of(&[Errno::NOMEM, Errno::NOSPC]));
        }
        let flags = self.readiness(file);
        self.watches
            .add(fd, (token, interest), (file, flags), self.now);
        Ok(())
    }

    /// epoll_ctl with EPOLL_CTL_DEL.
    pub(crate) fn deregister(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.begin_call();
        let result = if self.watches.remove(fd) {
            Ok(())
        } else {
            self.violation(format!("descriptor {fd} was deregistered, but not watched"));
            Err(Errno::NOENT)
        };
        self.note("epoll_ctl del", fd, &result.map(|()| 0));
        result
    }

    /// Closes epoll. A process that ends does so before it closes what is watched.
    pub(crate) fn close_epoll(&mut self) {
        self.watches.clear();
    }

    /// An eventfd that is watched under `token`: to set the flag ends a wait.
    pub(crate) fn waker(&mut self, token: u64) -> Arc<AtomicBool> {
        let flag = Arc::new(AtomicBool::new(false));
        self.waker = Some((token, flag.clone()));
        flag
    }

    /// epoll_wait. Returns tokens with what their files are ready for.
    pub(crate) fn wait(
        &mut self,
        timeout: Option<Duration>,
    ) -> Result<Vec<(u64, EventFlags)>, Errno> {
        self.begin_call();
        let began = self.now;
        let result = self.try_wait(timeout);
        if self.now > began {
            self.progress += 1;
        }
        let count = result.as_ref().map(Vec::len).map_err(|&errno| errno);
        self.note("epoll_wait", -1, &count);
        result
    }

    fn try_wait(&mut self, timeout: Option<Duration>) -> Result<Vec<(u64, EventFlags)>, Errno> {
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
        loop {
            self.tell_edges(&mut events);
            if !events.is_empty() || deadline.is_some_and(|deadline| deadline <= self.now) {
                return Ok(events);
            }
            if timeout != Some(Duration::ZERO) {
                self.stop_at_random()?;
            }
            if interrupt.is_some_and(|interrupt| interrupt <= self.now) {
                return Err(Errno::INTR);
            }
            let edge = self.watches.next_edge_time();
            let next = [self.agenda.next_time(), edge, deadline, interrupt];
            let next = next.into_iter().flatten().min();
            let Some(next) = next.filter(|&next| next < began + WAIT_MAX) else {
                self.violation("the loop waits for ever: nothing wakes it".to_owned());
                return Err(Errno::DEADLK);
            };
            self.advance_to(next);
        }
    }

    /// The fault that stops the process while it waits. The wait ends with EINTR,
    /// since SIGCONT is a signal.
    fn stop_at_random(&mut self) -> Result<(), Errno> {
        if !self.faults.fires(Fault::Stopped, self.now) {
            return Ok(());
        }
        let took = self.pauses.draw(self.now, &mut self.random);
        self.advance_to(self.now + took);
        Err(Errno::INTR)
    }

    /// Appends an event for every edge whose time has come.
    fn tell_edges(&mut self, events: &mut Vec<(u64, EventFlags)>) {
        if let Some((token, flag)) = &self.waker
            && flag.swap(false, Ordering::SeqCst)
        {
            events.push((*token, EventFlags::IN));
            self.progress += 1;
        }
        let mut edges = self.watches.take_edges(self.now);
        if edges.len() > 1 && self.faults.fires(Fault::Reordered, self.now) {
            for last in (1..edges.len()).rev() {
                edges.swap(last, draw::index(&mut self.random, last + 1));
            }
        }
        for fd in edges {
            let Some(watch) = self.watches.get(fd) else {
                continue;
            };
            let flags = watch.wanted(self.readiness(watch.file));
            // The reason of the edge can be gone by now, as on Linux.
            if !flags.is_empty() {
                events.push((watch.token, flags));
                self.progress += 1;
            }
        }
    }

    /// The faults that make events up.
    ///
    /// An event for a live watch says only what a read or a write can disprove.
    /// An event for a watch that was removed says anything.
    fn made_up_events(&mut self) -> Vec<(u64, EventFlags)> {
        let mut events = Vec::new();
        if self.faults.fires(Fault::SpuriousEvent, self.now) && self.watches.len() > 0 {
            let index = draw::index(&mut self.random, self.watches.len());
            if let Some(watch) = self.watches.nth(index) {
                let both = EventFlags::IN | EventFlags::OUT;
                events.push((watch.token, watch.interest & both));
            }
        }
        let retired = self.watches.retired();
        if self.faults.fires(Fault::StaleEvent, self.now) && !retired.is_empty() {
            let token = retired[draw::index(&mut self.random, retired.len())];
            let flags = [
                EventFlags::IN | EventFlags::OUT,
                EventFlags::IN | EventFlags::RDHUP,
                EventFlags::IN | EventFlags::OUT | EventFlags::ERR | EventFlags::HUP,
            ];
            events.push((token, flags[draw::index(&mut self.random, flags.len())]));
            self.stale_events += 1;
        }
        events
    }
}

/// Whole milliseconds: epoll_wait knows nothing shorter.
fn round_up(timeout: Duration) -> Duration {
    let millis = timeout.as_nanos().div_ceil(MILLISECOND.as_nanos());
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
