//! What the reactor asks of the kernel: mio's epoll, and nothing else of mio.

use super::readiness::{Readiness, Signs};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// One epoll and its answer to the last wait.
///
/// As with descriptors, the unit tests can put a simulated one in its place.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    /// Empty between waits.
    events: Events,
}

impl Poller {
    /// A wait will bring so many events at most.
    pub(crate) fn new(events_per_wait: usize) -> io::Result<Poller> {
        Ok(Poller {
            poll: Poll::new()?,
            events: Events::with_capacity(events_per_wait),
        })
    }

    /// What ends a wait from another thread, with an event of this token.
    pub(crate) fn waker(&self, token: mio::Token) -> io::Result<mio::Waker> {
        mio::Waker::new(self.poll.registry(), token)
    }

    pub(crate) fn register(&self, fd: RawFd, token: mio::Token, for_: Interest) -> io::Result<()> {
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), token, for_)
    }

    pub(crate) fn deregister(&self, fd: RawFd) -> io::Result<()> {
        self.poll.registry().deregister(&mut SourceFd(&fd))
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.poll.poll(&mut self.events, timeout)
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = (mio::Token, Readiness)> {
        let events = self.events.iter();
        events.map(|event| (event.token(), Readiness::from_signs(Signs::from(event))))
    }

    pub(crate) fn events_per_wait(&self) -> usize {
        self.events.capacity()
    }

    pub(crate) fn clear(&mut self) {
        self.events.clear();
    }
}
