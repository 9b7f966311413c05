//! The log of a node: lines for people.
//!
//! A line of the author's is always written. The node's own lines are
//! [notices](crate::notices): a node that strangers can reach has a limit for them.

use crate::notices::{Notices, Topic};
use crate::time::Clock;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// The log of a node. Clones write to the same one.
#[derive(Clone)]
pub(crate) struct Log(Rc<Inner>);

struct Inner {
    write: Box<dyn Fn(fmt::Arguments<'_>)>,
    clock: Rc<dyn Clock>,
    /// `None` without a limit.
    notices: RefCell<Option<Notices>>,
    /// The first failure of `start`, or panic of a background task.
    task_failure: RefCell<Option<String>>,
}

impl Log {
    pub(crate) fn new(write: impl Fn(fmt::Arguments<'_>) + 'static, clock: Rc<dyn Clock>) -> Log {
        Log(Rc::new(Inner {
            write: Box::new(write),
            clock,
            notices: RefCell::default(),
            task_failure: RefCell::default(),
        }))
    }

    /// From now on notices have a limit.
    pub(crate) fn limit_notices(&self) {
        *self.0.notices.borrow_mut() = Some(Notices::default());
    }

    /// Writes a line.
    pub(crate) fn line(&self, text: fmt::Arguments<'_>) {
        (self.0.write)(text);
    }

    /// Writes a line that a peer or a server can cause, within the limit.
    ///
    /// Nothing is borrowed while the text is formatted: it may run an author's `Display`.
    #[cold]
    pub(crate) fn notice(&self, topic: Topic, text: fmt::Arguments<'_>) {
        self.tell_left_out();
        let mut notices = self.0.notices.borrow_mut();
        let is_admitted = notices
            .as_mut()
            .is_none_or(|notices| notices.admit(topic, self.0.clock.now()));
        drop(notices);
        if is_admitted {
            self.line(text);
        }
    }

    /// Writes that `start` has failed, or that a background task has panicked. The first of
    /// these texts is kept for the host of the session: nothing else waits for the outcome.
    pub(crate) fn task_failure(&self, text: fmt::Arguments<'_>) {
        self.notice(Topic::Failure, text);
        let mut first = self.0.task_failure.borrow_mut();
        first.get_or_insert_with(|| text.to_string());
    }

    pub(crate) fn take_task_failure(&self) -> Option<String> {
        self.0.task_failure.take()
    }

    /// Writes how many notices were left out in the windows that are over.
    pub(crate) fn tell_left_out(&self) {
        let take = || {
            let mut notices = self.0.notices.borrow_mut();
            notices.as_mut()?.take_left_out(self.0.clock.now())
        };
        while let Some(left_out) = take() {
            self.line(format_args!("{left_out}"));
        }
    }
}
