//! Notices: lines for people that a peer or a server can cause.
//!
//! A node on NATS receives messages from all clients that the server lets publish. One of
//! them could fill the disk of this machine with the lines that its messages cause. So each
//! topic has a share of lines in a window, and the lines beyond it are counted:
//!
//! ```text
//!   first line of a topic              end of the window
//!   │<────────── WINDOW ──────────────>│
//!   1 2 … LINES_MAX  left out, counted  the count is told, if there is one
//! ```
//!
//! The topics have separate shares: a flood of forged messages hides no lost connection. The
//! kernel's `printk_ratelimited` and journald's limit for each unit work in this way too.
//!
//! Lines of the author's own code are no notices. Neither are those of a node on pipes: the
//! program that writes its stdin has started it.
//!
//! Invariants: no clock and no output. An owner says the time, and writes.

use crate::time::Instant;
use std::fmt;
use std::time::Duration;

/// How many lines of a topic are written in a window: 20. All topics together make some
/// 20 MB a day, if each one is flooded.
pub(crate) const LINES_MAX: u64 = 20;

/// How long a window lasts: a minute.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// The reason for a line. The text of a topic completes "lines about … were left out".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// A connection was made, lost or refused.
    Connection,
    /// The server has said something.
    Server,
    /// A sender is not the one that the subject names.
    Sender,
    /// A line is no message, or no message for this node.
    Message,
    /// A message of this node was not sent.
    Unsent,
    /// A handler or a task has failed.
    Failure,
    /// A bound was reached.
    Bound,
}

const TOPICS: [Topic; 7] = [
    Topic::Connection,
    Topic::Server,
    Topic::Sender,
    Topic::Message,
    Topic::Unsent,
    Topic::Failure,
    Topic::Bound,
];

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Topic::Connection => "the connection to the NATS server",
            Topic::Server => "complaints of the NATS server",
            Topic::Sender => "senders that are not those of their subjects",
            Topic::Message => "lines that are no messages for this node",
            Topic::Unsent => "messages of this node that were not sent",
            Topic::Failure => "handlers and tasks that failed",
            Topic::Bound => "bounds that were reached",
        })
    }
}

/// The lines of each topic in its window.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    windows: [Window; TOPICS.len()],
}

#[derive(Debug, Default, Clone, Copy)]
struct Window {
    /// `None` before the first line.
    end: Option<Instant>,
    lines: u64,
}

/// The count of a window that is over. Its text is a line for people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    topic: Topic,
    lines: u64,
}

impl Notices {
    /// Counts a line. Returns whether it is to be written. Call it when
    /// [`take_left_out`](Notices::take_left_out) has returned `None` at this time.
    pub(crate) fn admit(&mut self, topic: Topic, now: Instant) -> bool {
        let window = &mut self.windows[topic as usize];
        window.end.get_or_insert(now + WINDOW);
        window.lines += 1;
        window.lines <= LINES_MAX
    }

    /// Ends the windows that are over. Returns one after the other of those in which lines
    /// were left out.
    pub(crate) fn take_left_out(&mut self, now: Instant) -> Option<LeftOut> {
        for (topic, window) in TOPICS.into_iter().zip(&mut self.windows) {
            if window.end.is_some_and(|end| end <= now) {
                let lines = std::mem::take(window).lines.saturating_sub(LINES_MAX);
                if lines > 0 {
                    return Some(LeftOut { topic, lines });
                }
            }
        }
        None
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LeftOut { topic, lines } = self;
        let seconds = WINDOW.as_secs();
        write!(
            f,
            "{lines} more lines about {topic} were left out: {LINES_MAX} in {seconds} s are written"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_has_its_share_and_the_rest_is_counted() {
        let mut notices = Notices::default();
        let mut now = Instant::ZERO;
        for _ in 0..3 {
            for topic in TOPICS {
                let left_out = 5 + topic as u64;
                for line in 0..LINES_MAX + left_out {
                    assert_eq!(notices.take_left_out(now), None);
                    assert_eq!(notices.admit(topic, now), line < LINES_MAX, "{line}");
                }
            }
            now = now + WINDOW;
            for topic in TOPICS {
                let left_out = notices.take_left_out(now).unwrap();
                assert_eq!((left_out.topic, left_out.lines), (topic, 5 + topic as u64));
            }
            assert_eq!(notices.take_left_out(now), None);
        }
    }

    #[test]
    fn a_window_begins_with_its_first_line_and_one_without_a_rest_is_not_told() {
        let mut notices = Notices::default();
        let later = Instant::ZERO + 5 * WINDOW;
        for _ in 0..LINES_MAX {
            assert!(notices.admit(Topic::Server, later));
        }
        assert_eq!(notices.take_left_out(later + WINDOW), None);
        assert!(notices.admit(Topic::Server, later + WINDOW));
        for _ in 0..LINES_MAX {
            notices.admit(Topic::Server, later + WINDOW);
        }
        let left_out = notices.take_left_out(later + 2 * WINDOW).unwrap();
        let text = "1 more lines about complaints of the NATS server were left out: 20 in 60 s \
                    are written";
        assert_eq!(left_out.to_string(), text);
    }
}
