//! A reactor with a carrier and nothing else.

use crate::carrier::{Carrier, Carries};
use crate::engine::{Nats, Sink};
use crate::reactor::Reactor;
use crate::sys::Descriptor;
use crate::time::{Clock, Instant, MonotonicClock};
use crate::wire::LINE_BYTES_MAX;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;

/// The only source.
struct Plain(Descriptor);

impl AsRawFd for Plain {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Carries for Plain {
    fn socket(fd: Descriptor) -> Plain {
        Plain(fd)
    }

    fn as_socket(&self) -> Option<&Descriptor> {
        Some(&self.0)
    }
}

/// A connection to NATS that blocks.
pub(super) struct Port {
    clock: MonotonicClock,
    reactor: Reactor<Plain>,
    pub(super) carrier: Carrier,
}

impl Port {
    pub(super) fn new(nats: &Nats, names: Vec<String>) -> io::Result<Port> {
        let clock = MonotonicClock::start();
        let mut reactor = Reactor::new()?;
        let waker = reactor.waker()?;
        let wake = Arc::new(move || {
            // A wake that fails is pending already.
            let _awake = waker.wake();
        });
        Ok(Port {
            carrier: Carrier::new(nats, names, LINE_BYTES_MAX, None, Rc::new(clock), wake),
            reactor,
            clock,
        })
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Writes what waits, waits until `until` at the latest, and hands out what has arrived.
    pub(super) fn turn(&mut self, until: Instant, sink: &mut impl Sink) -> io::Result<()> {
        let Port {
            clock,
            reactor,
            carrier,
        } = self;
        let now = clock.now();
        carrier.flush(reactor, now, sink);
        while reactor.take_finished().is_some() {}
        let until = until.min(carrier.deadline());
        reactor.wait(Some(until.since(now)))?;
        let now = clock.now();
        while let Some((token, Plain(fd), readiness)) = reactor.next_ready() {
            let progress = carrier.ready(token, fd, readiness, now, sink);
            reactor.apply(token, &progress);
        }
        while reactor.take_finished().is_some() {}
        Ok(())
    }
}
