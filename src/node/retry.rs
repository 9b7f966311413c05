//! A call that sends its request again and again until somebody answers.

use super::backoff::Backoff;
use super::call::Call;
use super::core::Core;
use super::directory::NameId;
use super::reply::Reply;
use super::timer::Sleep;
use crate::protocol::{Content, Error, ErrorCode, Quote, Result};
use crate::time::Instant;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

/// The inside of a [`Call`] with retries.
///
/// ```text
///           send                a pause is over: send again
///   unsent ──────> outstanding ─────────────────────────────┐
///                   │       ^                               │
///                   │       └───────────────────────────────┘
///                   └── a reply, an error that will not pass, the deadline ──> done
/// ```
///
/// A request that was sent goes on waiting when the next one is: where the round
/// trip is longer than the pauses, the first reply still ends the call. (gRPC
/// gives an attempt up before the next, and may so never hear a slow answer.)
/// Each is a call of its own, with its entry and timer until the deadline; all
/// go when this is dropped.
pub(super) struct Retry {
    dest: NameId,
    content: Content,
    backoff: Backoff,
    /// For the whole operation; `None` until the first request is sent.
    deadline: Option<Instant>,
    /// The requests that nobody has answered yet.
    outstanding: Vec<Call>,
    sent: u32,
    /// Until the next request, but no longer than the deadline.
    pause: Option<Sleep>,
    /// The last error that may pass and was an answer, or a request that could
    /// not be sent.
    last_error: Option<Error>,
    /// Whether a request ended without saying what became of it.
    in_doubt: bool,
}

/// Errors that a later request may not meet.
fn may_pass(error: &Error) -> bool {
    matches!(
        error.code,
        ErrorCode::Timeout | ErrorCode::TemporarilyUnavailable
    )
}

impl Retry {
    pub(super) fn new(dest: NameId, content: Content, backoff: Backoff) -> Retry {
        Retry {
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

    pub(super) fn poll(
        &mut self,
        core: &Rc<Core>,
        timeout: Duration,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Reply>> {
        let deadline = *self
            .deadline
            .get_or_insert_with(|| core.timers().now() + timeout);
        // Goes round once more after each request that it sends, to be woken by
        // its reply and by the end of the pause.
        loop {
            if let Some(outcome) = self.poll_outstanding(core, deadline, cx) {
                return Poll::Ready(outcome);
            }
            if let Some(pause) = &mut self.pause
                && Pin::new(pause).poll(cx).is_pending()
            {
                return Poll::Pending;
            }
            if core.input_has_ended() {
                // As any call then: no reply can come, and no error is made up.
                return Poll::Pending;
            }
            if self.pause.is_some() && core.timers().now() >= deadline {
                return Poll::Ready(Err(self.give_up(core)));
            }
            if let Err(error) = self.send(core, deadline) {
                return Poll::Ready(Err(error));
            }
        }
    }

    fn send(&mut self, core: &Rc<Core>, deadline: Instant) -> Result<()> {
        let now = core.timers().now();
        let left = deadline.since(now);
        match core.begin_call(self.dest, &self.content, left) {
            Ok(msg_id) => {
                self.sent += 1;
                self.outstanding.push(Call::waiting(core.clone(), msg_id));
            }
            // The output is full; it may have drained by the next time.
            Err(error) if may_pass(&error) => self.last_error = Some(error),
            Err(error) => return Err(error),
        }
        let pause = self.backoff.next_pause(&mut core.random().borrow_mut());
        let until = (now + pause).min(deadline);
        self.pause = Some(Sleep::until(core.clone(), until));
        Ok(())
    }

    /// The outcome, if one of the requests has brought it.
    fn poll_outstanding(
        &mut self,
        core: &Core,
        deadline: Instant,
        cx: &mut TaskContext<'_>,
    ) -> Option<Result<Reply>> {
        let is_over = core.timers().now() >= deadline;
        let mut index = 0;
        while let Some(call) = self.outstanding.get_mut(index) {
            match Pin::new(call).poll(cx) {
                Poll::Pending => index += 1,
                Poll::Ready(Err(error)) if may_pass(&error) => {
                    drop(self.outstanding.swap_remove(index));
                    self.in_doubt |= !error.is_definite();
                    // Its own expiry says nothing that the deadline does not.
                    if !(is_over && error.code == ErrorCode::Timeout) {
                        self.last_error = Some(error);
                    }
                }
                Poll::Ready(outcome) => return Some(outcome),
            }
        }
        None
    }

    /// What to say at the deadline. Only if every request was refused is it
    /// certain that nothing happened.
    fn give_up(&mut self, core: &Core) -> Error {
        let certain = self.outstanding.is_empty() && !self.in_doubt;
        let (dest, sent) = (core.name(self.dest), self.sent);
        let dest = Quote(&dest);
        Error::timeout(match self.last_error.take() {
            Some(error) if certain => return error,
            None => format!("no reply from {dest} to any of {sent} requests in time"),
            Some(error) => {
                format!(
                    "no result of {sent} requests to {dest} in time; the last error was: {error}"
                )
            }
        })
    }
}
