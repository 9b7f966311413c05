//! A call: a request of ours, and the wait for its reply.

use super::backoff::Backoff;
use super::call_table::Progress;
use super::core::Core;
use super::directory::NameId;
use super::reply::Reply;
use super::retry::Retry;
use crate::protocol::{Content, Error, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

/// A call to another node or a service, made by
/// [`Context::sync_rpc`](super::Context::sync_rpc).
///
/// Nothing is sent until it is first polled. Awaiting it suspends the handler
/// and nobody else; dropping it forgets the call and disarms its timer.
///
/// ```text
///            sent             reply, error reply, expiry
///   unsent ───────> waiting ─────────────────────────────> done
///    │  │                                                  ^  ^
///    │  └── refused: no such node, the output is full ─────┘  │
///    │ retry()                                                │
///    └──────> retrying ───────────────────────────────────────┘
///              reply, error that will not pass, deadline
/// ```
///
/// It borrows nothing, so calls can be collected and awaited together with the
/// ordinary combinators. Asking all peers and waiting for a majority:
///
/// ```
/// use eddyline::{Context, Error, Result};
/// use futures_util::stream::{FuturesUnordered, StreamExt};
///
/// async fn elect(cx: Context) -> Result<()> {
///     let mut replies: FuturesUnordered<_> = cx
///         .peers()
///         .map(|peer| cx.sync_rpc(peer, "vote", &()))
///         .collect();
///     let mut votes = 1; // our own
///     while votes < cx.majority() {
///         match replies.next().await {
///             Some(Ok(_)) => votes += 1,
///             Some(Err(_)) => {}
///             None => return Err(Error::temporarily_unavailable("too few votes")),
///         }
///     }
///     Ok(()) // dropping `replies` forgets the calls that are still in flight
/// }
/// ```
#[must_use = "nothing is sent until it is awaited"]
pub struct Call {
    core: Rc<Core>,
    state: State,
    timeout: Duration,
}

enum State {
    Refused(Error),
    Unsent {
        dest: NameId,
        content: Content,
    },
    Waiting {
        msg_id: u64,
    },
    /// Boxed: few calls have retries, and tens of thousands may be waiting.
    Retrying(Box<Retry>),
    Done,
}

impl Call {
    pub(crate) fn new(core: Rc<Core>, dest: Result<NameId>, content: Result<Content>) -> Call {
        let state = match (dest, content) {
            (Ok(dest), Ok(content)) => State::Unsent { dest, content },
            (Err(error), _) | (_, Err(error)) => State::Refused(error),
        };
        let timeout = core.settings().rpc_timeout;
        Call {
            core,
            state,
            timeout,
        }
    }

    /// The call whose request was just sent.
    pub(super) fn waiting(core: Rc<Core>, msg_id: u64) -> Call {
        Call {
            core,
            state: State::Waiting { msg_id },
            // Its timer runs already.
            timeout: Duration::ZERO,
        }
    }

    /// Waits for `timeout` instead of the node's default, counted from when the
    /// request is sent. After it, the call ends with error 0. With
    /// [`retry`](Call::retry) it bounds the whole operation, not each request.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # use std::time::Duration;
    /// # async fn ping(cx: Context) -> Result<()> {
    /// let pong = cx.sync_rpc("n2", "ping", &()).timeout(Duration::from_millis(50)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Call {
        self.timeout = timeout;
        self
    }

    /// Sends the request again after each of the pauses of `backoff`, under a new
    /// `msg_id` each time, until a reply to any of them comes or the call's
    /// timeout is over. Errors 0 and 11 in reply are waited out like silence;
    /// every other error ends the call.
    ///
    /// The request may be carried out more than once, so **the operation must be
    /// idempotent**: a read, a write of a fixed value, gossip that is merged, but
    /// neither an `add` nor a `cas`.
    ///
    /// ```
    /// # use eddyline::{Backoff, Context, Result};
    /// # use serde_json::json;
    /// # use std::time::Duration;
    /// # async fn replicate(cx: Context) -> Result<()> {
    /// let call = cx.sync_rpc("n2", "merge", &json!({"elements": [1, 2]}));
    /// call.retry(Backoff::default()).timeout(Duration::from_secs(20)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry(mut self, backoff: Backoff) -> Call {
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Unsent { dest, content } => {
                State::Retrying(Box::new(Retry::new(dest, content, backoff)))
            }
            begun => begun,
        };
        self
    }

    /// Sends the request, and tells what to wait for.
    fn send(&mut self) -> Result<u64> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Unsent { dest, content } => {
                let begun = self.core.begin_call(dest, &content, self.timeout);
                self.core.pools().recycle_bytes(content.into_bytes());
                begun
            }
            State::Waiting { msg_id } => Ok(msg_id),
            State::Refused(error) => Err(error),
            State::Retrying(_) | State::Done => {
                Err(Error::crash("a call was polled after its end"))
            }
        }
    }
}

impl Future for Call {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<Reply>> {
        let call = &mut *self;
        if let State::Retrying(retry) = &mut call.state {
            let outcome = ready!(retry.poll(&call.core, call.timeout, cx));
            // Forgets whatever is still in flight now, not when we are dropped.
            call.state = State::Done;
            return Poll::Ready(outcome);
        }
        let msg_id = self.send()?;
        match self.core.poll_call(msg_id, cx.waker()) {
            Progress::Waiting(_stale_waker) => {
                self.state = State::Waiting { msg_id };
                Poll::Pending
            }
            Progress::Ended(outcome) => {
                Poll::Ready(outcome.map(|body| Reply::new(body, self.core.clone())))
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let State::Waiting { msg_id } = self.state {
            self.core.abandon_call(msg_id);
        }
    }
}
