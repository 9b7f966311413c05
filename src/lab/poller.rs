//! The reactor's poller: epoll of the real kernel or of a simulated one.
//!
//! mio cannot run on the simulated kernel, so the simulated variants translate as
//! mio does: an interest into epoll's flags, and an event's flags into mio's words.

use super::kernel;
use crate::reactor::{RealPoller, Signs};
use crate::source::Readiness;
use mio::Interest;
use rustix::event::epoll::EventFlags;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Stands in the place of `reactor::poller::Poller`, with the same functions.
#[derive(Debug)]
pub(crate) enum Poller {
    Real(RealPoller),
    Simulated(Vec<(mio::Token, Readiness)>),
}

/// Stands in the place of `mio::Waker`.
#[derive(Debug)]
pub(crate) enum Waker {
    Real(mio::Waker),
    Simulated(Arc<AtomicBool>),
}

impl Poller {
    pub(crate) fn new(events_per_wait: usize) -> io::Result<Poller> {
        if kernel::is_installed() {
            return Ok(Poller::Simulated(Vec::new()));
        }
        RealPoller::new(events_per_wait).map(Poller::Real)
    }

    pub(crate) fn waker(&self, token: mio::Token) -> io::Result<Waker> {
        match self {
            Poller::Real(poller) => poller.waker(token).map(Waker::Real),
            Poller::Simulated(_) => {
                let flag = kernel::with(|kernel| kernel.waker(token.0 as u64));
                Ok(Waker::Simulated(flag))
            }
        }
    }

    pub(crate) fn register(
        &self,
        fd: RawFd,
        token: mio::Token,
        interest: Interest,
    ) -> io::Result<()> {
        match self {
            Poller::Real(poller) => poller.register(fd, token, interest),
            Poller::Simulated(_) => {
                let flags = flags(interest);
                kernel::with(|kernel| kernel.register(fd, token.0 as u64, flags))?;
                Ok(())
            }
        }
    }

    pub(crate) fn deregister(&self, fd: RawFd) -> io::Result<()> {
        match self {
            Poller::Real(poller) => poller.deregister(fd),
            Poller::Simulated(_) => Ok(kernel::with(|kernel| kernel.deregister(fd))?),
        }
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Poller::Real(poller) => poller.wait(timeout),
            Poller::Simulated(events) => {
                for (token, flags) in kernel::with(|kernel| kernel.wait(timeout))? {
                    let token = usize::try_from(token).map_err(io::Error::other)?;
                    let readiness = signs(flags).readiness();
                    events.push((mio::Token(token), readiness));
                }
                Ok(())
            }
        }
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = (mio::Token, Readiness)> {
        let (real, simulated) = match self {
            Poller::Real(poller) => (Some(poller.events()), None),
            Poller::Simulated(events) => (None, Some(events.iter().copied())),
        };
        (real.into_iter().flatten()).chain(simulated.into_iter().flatten())
    }

    /// A simulated wait brings all events that there are.
    pub(crate) fn events_per_wait(&self) -> usize {
        match self {
            Poller::Real(poller) => poller.events_per_wait(),
            Poller::Simulated(_) => usize::MAX,
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Poller::Real(poller) => poller.clear(),
            Poller::Simulated(events) => events.clear(),
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        if let Poller::Simulated(_) = self {
            kernel::with_if_possible(kernel::Kernel::close_epoll);
        }
    }
}

impl Waker {
    pub(crate) fn wake(&self) -> io::Result<()> {
        match self {
            Waker::Real(waker) => waker.wake(),
            Waker::Simulated(flag) => {
                flag.store(true, Ordering::SeqCst);
                Ok(())
            }
        }
    }
}

/// The flags that mio asks epoll for.
fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    if interest.is_readable() {
        flags |= EventFlags::IN | EventFlags::RDHUP;
    }
    if interest.is_writable() {
        flags |= EventFlags::OUT;
    }
    flags
}

/// The flags that epoll reports, in the words of mio.
fn signs(flags: EventFlags) -> Signs {
    let has = |wanted: EventFlags| flags.contains(wanted);
    Signs {
        readable: has(EventFlags::IN),
        writable: has(EventFlags::OUT),
        error: has(EventFlags::ERR),
        read_closed: has(EventFlags::HUP) || has(EventFlags::IN | EventFlags::RDHUP),
        write_closed: has(EventFlags::HUP)
            || has(EventFlags::OUT | EventFlags::ERR)
            || flags == EventFlags::ERR,
    }
}
