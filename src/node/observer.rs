//! The observer: the author's function that sees every message of a node.
//!
//! Incoming messages come to it from the session, before anything is decided about them.
//! Outgoing ones come when they are written and before they are in the output buffer. So one
//! place on each way sees all of them: init, replies to calls, errors and refusals too.
//!
//! A node without an observer tests one flag for each message. (tower-http and tonic wrap a
//! service in layers, which is free as well, but then the type of every handler changes.)
//!
//! Read next: `shared`, which calls it.

use crate::protocol::Envelope;
use crate::time::Instant;
use std::cell::{Cell, RefCell};

/// A message that an observer sees; [`Context::observe`](super::Context::observe) has
/// examples.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// Whether the node has received or written it.
    pub direction: Direction,
    /// When it was received or written, by the node's clock.
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
pub(super) struct Observer {
    /// Whether there is one, also while it runs.
    is_set: Cell<bool>,
    /// Taken out while it runs: it may send messages itself, which it does not see.
    hook: RefCell<Option<Hook>>,
}

impl Observer {
    #[inline(always)]
    pub(super) fn is_set(&self) -> bool {
        self.is_set.get()
    }

    /// Sets the function, or removes it. Dropping the one before runs the author's code.
    pub(super) fn set(&self, hook: Option<Hook>) {
        self.is_set.set(hook.is_some());
        let replaced = self.hook.replace(hook);
        drop(replaced);
    }

    /// Takes the function out; `None` while it runs.
    pub(super) fn take(&self) -> Option<Hook> {
        self.hook.take()
    }

    /// Puts the function back, unless it has set another one or was removed.
    pub(super) fn put_back(&self, hook: Hook) {
        if self.is_set() && self.hook.borrow().is_none() {
            *self.hook.borrow_mut() = Some(hook);
        }
    }
}
