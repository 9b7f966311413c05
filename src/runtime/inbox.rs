//! The inbox: messages that have arrived and that the session cannot take yet.
//!
//! A NATS server cuts a client off that does not read for 10 s, and with it every sender
//! to this node. So the loop reads on when the session's output is congested. Messages
//! wait here up to a bound, and beyond it they are dropped and counted: the network loses
//! messages, but not all of them.

use crate::notices::Topic;
use crate::session::Session;

/// How many bytes wait: 8 MiB, as many as may wait for a slow reader of the output.
pub(super) const HELD_BYTES_MAX: usize = 8 << 20;

/// After how many bytes of waiting messages a turn takes no further one: 64 KiB, as much
/// as it reads.
const BYTES_PER_TURN: usize = 64 << 10;

/// Messages that wait, and the count of those that were dropped.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Lines, each with its newline.
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Since the inbox was empty.
    dropped: u64,
}

impl Inbox {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// How many bytes wait.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Keeps a message. Returns false for the first one that is dropped.
    #[must_use]
    pub(super) fn push(&mut self, line: &[u8]) -> bool {
        if self.bytes.len() - self.start + line.len() > HELD_BYTES_MAX {
            self.dropped += 1;
            return self.dropped > 1;
        }
        self.keep(line);
        true
    }

    /// Keeps a message of this node about one of its own calls. Their number has a bound.
    pub(super) fn keep(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
    }

    /// Hands messages to the session until it is congested, or the turn's share is over.
    pub(super) fn empty_into(&mut self, session: &mut Session) {
        let begin = self.start;
        while !session.is_congested() && self.start - begin < BYTES_PER_TURN {
            let rest = &self.bytes[self.start..];
            let Some(len) = memchr::memchr(b'\n', rest) else {
                break;
            };
            session.receive(&rest[..len]);
            self.start += len + 1;
        }
        if self.is_empty() && self.start > 0 {
            (self.bytes, self.start) = (Vec::new(), 0);
            let dropped = std::mem::take(&mut self.dropped);
            if dropped > 0 {
                let text = "messages that were dropped because this node could not take them";
                session.notice(Topic::Bound, format_args!("{text}: {dropped}"));
            }
        } else if self.start > HELD_BYTES_MAX {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}
