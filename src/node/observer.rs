//! The observer: the author's function that sees every message of a node.
//!
//! Incoming messages come to it from the session, before anything is decided about them.
//! Outgoing ones come when they are written and before they are in the output buffer. So one
//! place on each way sees all of them: init, replies to calls, errors and refusals too.
//!
//! A node without an observer tests one flag for each message. (tower-http and tonic wrap a
//! service in layers, which is free as well, but then the type of every handler changes.)
//!
//! Read next: `outbox`, through which every message leaves.

use super::log::Log;
use crate::notices::Topic;
use crate::protocol::Envelope;
use crate::task::catch;
use crate::time::{Clock, Instant};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A message that an observer sees; [`Context::observe`](super::Context::observe) has
/// examples.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// Whether the node has received or written it.
    pub direction: Direction,
    /// When it was received or written, as [`now`](super::Context::now) tells the time. A log that
    /// is compared with another node's has [`unix_time`](super::Context::unix_time) instead.
    pub time: Instant,
    /// Its parts.
    pub envelope: &'a Envelope<'a>,
}

impl<'a> Observed<'a> {
    /// The whole message as JSON, without a newline. An incoming one is byte for byte as it
    /// was received.
    pub fn line(&self) -> &'a str {
        self.envelope.line
    }
}

/// The direction of a message, as the node sees it.
///
/// ```
/// use eddyline::node::Direction;
///
/// let arrow = |direction| match direction {
///     Direction::In => "<-",
///     Direction::Out => "->",
/// };
/// assert_eq!(arrow(Direction::Out), "->");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To this node.
    In,
    /// From this node.
    Out,
}

/// An observer's decision about a message.
///
/// ```
/// use eddyline::node::Verdict;
///
/// assert_eq!(Verdict::default(), Verdict::Pass);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Verdict {
    /// The message goes its way.
    #[default]
    Pass,
    /// The message is lost, as if by the network. The node does not notice and does not
    /// complain: a reply counts as sent, and a call waits for its timeout.
    Drop,
}

/// The author's function.
pub(super) type Hook = Box<dyn FnMut(Observed<'_>) -> Verdict>;

/// The place of the author's function.
#[derive(Default)]
pub(crate) struct Observer {
    /// Whether there is one, also while it runs.
    is_set: Cell<bool>,
    /// Taken out while it runs: it may send messages itself, which it does not see.
    watch: RefCell<Option<Watch>>,
}

/// The author's function, and what it is called with.
struct Watch {
    hook: Hook,
    clock: Rc<dyn Clock>,
    /// For its panics.
    log: Log,
}

impl Observer {
    #[inline(always)]
    pub(crate) fn is_set(&self) -> bool {
        self.is_set.get()
    }

    /// Sets the function.
    pub(super) fn set(&self, hook: Hook, clock: Rc<dyn Clock>, log: Log) {
        self.is_set.set(true);
        let replaced = self.watch.replace(Some(Watch { hook, clock, log }));
        drop_watch(replaced);
    }

    /// Removes the function.
    pub(crate) fn remove(&self) {
        self.is_set.set(false);
        let removed = self.watch.take();
        drop_watch(removed);
    }

    /// Shows the function a message, and returns its decision.
    #[cold]
    pub(crate) fn decide(&self, direction: Direction, envelope: &Envelope<'_>) -> Verdict {
        let Some(mut watch) = self.watch.take() else {
            return Verdict::Pass;
        };
        let message = Observed {
            direction,
            time: watch.clock.now(),
            envelope,
        };
        let decided = catch(|| (watch.hook)(message));
        let decided = decided.unwrap_or_else(|panic| {
            watch
                .log
                .notice(Topic::Failure, format_args!("the observer {panic}"));
            Verdict::Pass
        });
        // Put back, unless it has set another one or was removed.
        let is_vacant = self.is_set() && self.watch.borrow().is_none();
        if is_vacant {
            *self.watch.borrow_mut() = Some(watch);
        } else {
            drop_watch(Some(watch));
        }
        decided
    }

    /// Shows the function the line that `out` ends with, and cuts it off if it is dropped.
    #[cold]
    pub(super) fn decide_last_line(&self, out: &mut Vec<u8>) {
        let Some((_newline, lines)) = out.split_last() else {
            return;
        };
        let line_end = lines.iter().rposition(|&byte| byte == b'\n');
        let begin = line_end.map_or(0, |end| end + 1);
        let parsed = Envelope::parse(&lines[begin..]);
        // A line of this node is a message, so it always parses.
        debug_assert!(parsed.is_ok(), "{parsed:?}");
        if parsed.is_ok_and(|envelope| self.decide(Direction::Out, &envelope) == Verdict::Drop) {
            out.truncate(begin);
        }
    }
}

/// Drops the author's function when nothing is borrowed. Its destructors may panic, and the log
/// says so.
fn drop_watch(watch: Option<Watch>) {
    let Some(Watch { hook, log, .. }) = watch else {
        return;
    };
    if let Err(panic) = catch(|| drop(hook)) {
        log.notice(
            Topic::Failure,
            format_args!("the observer's destructor {panic}"),
        );
    }
}
