//! A reactor with a carrier and nothing else.

use super::carrier::{Carrier, Carries};
use crate::engine::{Nats, Sink};
use crate::reactor::Reactor;
use crate::sys::Descriptor;
use crate::time::{Clock, Instant, MonotonicClock};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

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
        Ok(Port {
            reactor: Reactor::new()?,
            carrier: Carrier::new(nats, names, clock.now()),
            clock,
        })
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Writes what waits, waits until `until` at the latest, and hands out what has arrived.
    pub(super) fn turn(&mut self, until: Instant, sink: &mut impl Sink) -> io::Result<()> {
        let now = self.clock.now();
        self.carrier.flush(&mut self.reactor, now, sink);
        while self.reactor.take_finished().is_some() {}
        let until = until.min(self.carrier.deadline());
        self.reactor.wait(Some(until.since(now)))?;
        let now = self.clock.now();
        while let Some((token, _, _)) = self.reactor.next_ready() {
            self.carrier.serve(&mut self.reactor, token, now, sink);
        }
        while self.reactor.take_finished().is_some() {}
        Ok(())
    }
}
