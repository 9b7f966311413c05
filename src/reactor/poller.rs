//! The reactor's way to the kernel: mio's epoll, and how an event of it is read.

use crate::source::Readiness;
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// One epoll and its answer to the last wait.
///
/// The unit tests can put a simulated one in its place, as with descriptors.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    /// Empty between waits.
    events: Events,
}

impl Poller {
    /// `events_per_wait` is the most that one wait can bring.
    pub(crate) fn new(events_per_wait: usize) -> io::Result<Poller> {
        Ok(Poller {
            poll: Poll::new()?,
            events: Events::with_capacity(events_per_wait),
        })
    }

    /// A waker that ends a wait from another thread, with an event of this token.
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
        events.map(|event| (event.token(), Signs::from(event).readiness()))
    }

    pub(crate) fn events_per_wait(&self) -> usize {
        self.events.capacity()
    }

    pub(crate) fn clear(&mut self) {
        self.events.clear();
    }
}

/// The contents of one event, in mio's terms.
#[derive(Clone, Copy)]
pub(crate) struct Signs {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) error: bool,
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
}

impl From<&Event> for Signs {
    fn from(event: &Event) -> Signs {
        Signs {
            readable: event.is_readable(),
            writable: event.is_writable(),
            error: event.is_error(),
            read_closed: event.is_read_closed(),
            write_closed: event.is_write_closed(),
        }
    }
}

impl Signs {
    /// The directions that are worth a try after this event.
    ///
    /// An empty pipe whose writer has closed reports HUP and nothing else. mio calls
    /// that read-closed and not readable, but only a read can fetch the end of file.
    /// A writer learns by an error alone that its reader has gone. No edge follows
    /// either of them, so both directions are tried then.
    pub(crate) fn readiness(self) -> Readiness {
        let read_closed = self.error || self.read_closed;
        let mut readiness = Readiness::NONE;
        if self.readable || read_closed {
            readiness |= Readiness::READABLE;
        }
        if self.writable || self.error || self.write_closed {
            readiness |= Readiness::WRITABLE;
        }
        if read_closed {
            readiness |= Readiness::READ_CLOSED;
        }
        readiness
    }
}
