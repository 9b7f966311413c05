//! Descriptors kept for the server's side of the node's own exchanges.

use crate::sys::Descriptor;
use crate::sys::socket;
use std::io;

/// What an exchange with our own server will need on the server's side.
///
/// Both ends of such an exchange are in this process. Clients that take every
/// descriptor wait for a server that has none left to accept them with, and only
/// their deadline ends that. So each begins with two: its own, and one that is
/// kept here until `accept` is refused for want of it. Nothing is counted or
/// guessed, and a descriptor that somebody else takes in between is none of these.
/// It costs a `dup` and a `close` for each exchange.
///
/// Whoever is first in the queue is accepted with it, which may be an outside
/// client: then an exchange waits for a place like everybody else.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    kept: Vec<Descriptor>,
    /// One was given up, and nobody has been accepted since.
    is_owed: bool,
}

impl Reserve {
    /// Keeps one more: a copy of `fd`, which nobody ever uses.
    pub(super) fn keep(&mut self, fd: &Descriptor) -> io::Result<()> {
        self.kept.push(socket::copy(fd)?);
        Ok(())
    }

    /// Gives back what is more than there are exchanges.
    pub(super) fn keep_at_most(&mut self, exchanges: usize) {
        self.kept.truncate(exchanges);
    }

    /// Makes room for one connection, if it is the want of a descriptor that
    /// hinders it. False if nothing was kept for it.
    pub(super) fn give(&mut self, error: &io::Error) -> bool {
        let gives = !self.is_owed && socket::is_out_of_descriptors(error);
        let given = gives.then(|| self.kept.pop()).flatten();
        self.is_owed |= given.is_some();
        given.is_some()
    }

    /// Somebody was accepted with what was given.
    pub(super) fn spent(&mut self) {
        self.is_owed = false;
    }

    /// Says that no more will be accepted for now. What was given and met nobody is
    /// kept again: without a descriptor, `accept` says only when it has one whether
    /// anybody is there, and its turn may be over before.
    pub(super) fn take_back(&mut self, fd: &Descriptor) {
        if std::mem::take(&mut self.is_owed) {
            // It was free a moment ago, and this is the only thread. Otherwise
            // one exchange waits for another's descriptor.
            let _kept = self.keep(fd);
        }
    }
}
