//! The inside of a call that sends its request again until a reply comes.
//!
//! ```text
//!           send                a pause is over: send again
//!   unsent ──────> outstanding ─────────────────────────────┐
//!                   │       ^                               │
//!                   │       └───────────────────────────────┘
//!                   └── a reply, an error that will not pass, the deadline ──> done
//! ```
//!
//! A request that was sent goes on waiting when the next one is sent. Where the round trip is
//! longer than the pauses, the first reply still ends the call. (gRPC gives an attempt up
//! before it makes the next, and so may never receive a slow reply.)
//!
//! Each request has its own entry in the call table and its own timer, until the deadline.
//!
//! Read next: `backoff`, the pauses.

use super::backoff::Backoff;
use super::directory::NameId;
use super::reply::Reply;
use super::shared::Shared;
use super::sleep::Sleep;
use crate::protocol::{Content, Error, ErrorCode, Quote, Result};
use crate::time::Instant;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

pub(super) struct Retry {
    shared: Rc<Shared>,
    dest: NameId,
    content: Content,
    backoff: Backoff,
    /// For the whole operation; `None` until the first request is sent.
    deadline: Option<Instant>,
    /// The numbers of the requests without a reply.
    outstanding: Vec<u64>,
    sent: u32,
    /// Until the next request, but no longer than the deadline.
    pause: Option<Sleep>,
    /// The last error that may pass: a reply, or the reason why a request was not sent.
    last_error: Option<Error>,
    /// Whether a request has ended with an error that is not definite.
    in_doubt: bool,
}

/// Whether a reply says that a later request may succeed. By NATS error 1 says that the node is
/// not connected now.
fn reply_may_pass(error: &Error) -> bool {
    may_pass(error) || error.code == ErrorCode::NodeNotFound
}

/// Whether the reason why a request was not sent may pass.
fn may_pass(error: &Error) -> bool {
    matches!(
        error.code,
        ErrorCode::Timeout | ErrorCode::TemporarilyUnavailable
    )
}

impl Retry {
    pub(super) fn new(
        shared: Rc<Shared>,
        dest: NameId,
        content: Content,
        backoff: Backoff,
    ) -> Retry {
        Retry {
            shared,
            dest,
            content,
            backoff,
            deadline: None,
            outstanding: Vec::new(),
            sent: 0,
            pause: None,
            last_error: None,
            in_doubt: false,
        }
    }

    /// `timeout` counts from the first poll.
    pub(super) fn poll(
        &mut self,
        timeout: Duration,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Reply>> {
        let deadline = match self.deadline {
            Some(deadline) => deadline,
            None => *self.deadline.insert(self.now() + timeout),
        };
        // Each request that is sent starts a new pause, which must be polled once.
        loop {
            if let Some(outcome) = self.poll_outstanding(deadline, cx.waker()) {
                return Poll::Ready(outcome);
            }
            if let Some(pause) = &mut self.pause
                && Pin::new(pause).poll(cx).is_pending()
            {
                return Poll::Pending;
            }
            if self.shared.input_has_ended() {
                // As for any call: no reply can come, and no error is made up.
                return Poll::Pending;
            }
            if self.pause.is_some() && self.now() >= deadline {
                return Poll::Ready(Err(self.give_up()));
            }
            self.send(deadline, cx.waker())?;
        }
    }

    /// How many requests were sent.
    pub(super) fn tries(&self) -> u32 {
        self.sent
    }

    fn now(&self) -> Instant {
        self.shared.timers().now()
    }

    /// Sends the request once more. An error that may pass is kept for later.
    fn send(&mut self, deadline: Instant, waker: &Waker) -> Result<()> {
        let now = self.now();
        let left = deadline.since(now);
        let begun = self
            .shared
            .begin_call(self.dest, &self.content, left, waker);
        match begun {
            Ok(msg_id) => {
                self.sent += 1;
                self.outstanding.push(msg_id);
            }
            // The output is full. It may have drained by the next time.
            Err(error) if may_pass(&error) => self.last_error = Some(error),
            Err(error) => return Err(error),
        }
        let pause = self
            .backoff
            .next_pause(&mut self.shared.random().borrow_mut());
        let until = (now + pause).min(deadline);
        self.pause = Some(Sleep::inside_a_call(self.shared.clone(), until));
        Ok(())
    }

    /// The outcome of the whole operation, if one of the requests has brought it.
    fn poll_outstanding(&mut self, deadline: Instant, waker: &Waker) -> Option<Result<Reply>> {
        let is_over = self.now() >= deadline;
        let mut index = 0;
        while let Some(&msg_id) = self.outstanding.get(index) {
            let Poll::Ready(outcome) = self.shared.poll_call(msg_id, waker) else {
                index += 1;
                continue;
            };
            self.outstanding.swap_remove(index);
            match outcome {
                Err(error) if reply_may_pass(&error) => {
                    self.in_doubt |= !error.is_definite();
                    // The request's own expiry adds nothing to the deadline.
                    if !(is_over && error.code == ErrorCode::Timeout) {
                        self.last_error = Some(error);
                    }
                }
                outcome => {
                    return Some(outcome.map(|message| Reply::new(message, self.shared.clone())));
                }
            }
        }
        None
    }

    /// The error at the deadline. It is definite only if every request was refused.
    fn give_up(&mut self) -> Error {
        let is_definite = self.outstanding.is_empty() && !self.in_doubt;
        let (dest, sent) = (self.shared.name(self.dest), self.sent);
        let dest = Quote(&dest);
        Error::timeout(match self.last_error.take() {
            Some(error) if is_definite => return error,
            None => format!("no reply from {dest} to any of {sent} requests in time"),
            Some(error) => {
                format!(
                    "no result of {sent} requests to {dest} in time; the last error was: {error}"
                )
            }
        })
    }
}

impl Drop for Retry {
    fn drop(&mut self) {
        for &msg_id in &self.outstanding {
            self.shared.abandon_call(msg_id);
        }
    }
}
