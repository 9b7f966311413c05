//! A call: a request of this node, and the wait for its reply.
//!
//! Made by [`Context::sync_rpc`](super::Context::sync_rpc). Its entry in the call table lives
//! from the sending of the request until the future takes the outcome or is dropped.
//!
//! Read next: `retry`, the inside of a call that sends its request more than once.

use super::backoff::Backoff;
use super::directory::NameId;
use super::reply::Reply;
use super::retry::Retry;
use super::shared::Shared;
use crate::protocol::{Content, Error, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker, ready};
use std::time::Duration;

/// A call to another node or a service, made by
/// [`Context::sync_rpc`](super::Context::sync_rpc).
///
/// The first poll sends the request, or [`send`](Call::send) before that. Awaiting a call suspends
/// its handler and nothing else. Dropping it forgets the call and disarms its timer.
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
/// A call borrows nothing, so calls can be collected and awaited together with the usual
/// combinators. This handler asks all peers and waits for a majority:
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
#[must_use = "nothing is sent until it is awaited or `send` is called"]
pub struct Call {
    shared: Rc<Shared>,
    state: CallState,
    timeout: Duration,
}

enum CallState {
    Unsent {
        dest: NameId,
        content: Content,
    },
    /// The request cannot be sent.
    Refused(Error),
    Waiting {
        msg_id: u64,
    },
    /// Boxed: few calls have retries, and tens of thousands of calls may be waiting.
    Retrying(Box<Retry>),
    Done {
        tries: u32,
    },
}

/// The state of a call while it is moved to the next one.
const MOVING: CallState = CallState::Done { tries: 0 };

impl Call {
    pub(super) fn new(shared: Rc<Shared>, dest: Result<NameId>, content: Result<Content>) -> Call {
        let state = match (dest, content) {
            (Ok(dest), Ok(content)) => CallState::Unsent { dest, content },
            (Err(error), _) | (_, Err(error)) => CallState::Refused(error),
        };
        let timeout = shared.settings().rpc_timeout;
        Call {
            shared,
            state,
            timeout,
        }
    }

    /// Waits for `timeout` instead of the node's default. The time counts from the sending of
    /// the request. After it, the call ends with error 0. With [`retry`](Call::retry) it is
    /// the time of the whole operation, not of each request.
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

    /// Sends the request again after each of the pauses of `backoff`, under a new `msg_id`
    /// each time, until one of them has a reply or the call's timeout is over. A reply of
    /// error 0, 1 or 11 counts as silence: by NATS error 1 says that the node is not connected
    /// now. Every other error ends the call.
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
        self.state = match std::mem::replace(&mut self.state, MOVING) {
            CallState::Unsent { dest, content } => {
                let retry = Retry::new(self.shared.clone(), dest, content, backoff);
                CallState::Retrying(Box::new(retry))
            }
            begun => begun,
        };
        self
    }

    /// Sends the request now. The reply is awaited later.
    ///
    /// The request leaves in the order of the program: before a reply or a message that is written
    /// after this line. An error in sending is the result of awaiting it. The timeout counts from
    /// here, so [`timeout`](Call::timeout) and [`retry`](Call::retry) come first. With `retry`, the
    /// first request leaves now, and further ones leave while the call is awaited.
    ///
    /// To start several calls and then await them all, in any order:
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # async fn replicate(cx: Context, request: Request) -> Result<()> {
    /// let calls: Vec<_> = cx.peers().map(|peer| cx.sync_rpc(peer, "store", &()).send()).collect();
    /// cx.reply(&request, &())?; // leaves after the requests
    /// for call in calls {
    ///     call.await?; // an early end drops the others, which forgets them
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(mut self) -> Sent<Call> {
        // One that was awaited before has sent it, and may have its outcome.
        if self.tries() == 0 {
            // The first await gives it the waker of its task.
            let mut cx = TaskContext::from_waker(Waker::noop());
            if let Poll::Ready(Err(error)) = Pin::new(&mut self).poll(&mut cx) {
                self.state = CallState::Refused(error);
            }
        }
        Sent(self)
    }

    /// How many times the request was sent: at most 1 without [`retry`](Call::retry). A call that was
    /// awaited by reference can be asked afterwards, whether it ended with a reply or an error:
    ///
    /// ```
    /// # use eddyline::{Backoff, Context, Result};
    /// # async fn merge(cx: Context) -> Result<()> {
    /// let mut call = cx.sync_rpc("n2", "merge", &()).retry(Backoff::default());
    /// let outcome = (&mut call).await;
    /// cx.log(format_args!("n2 took {} tries", call.tries()));
    /// # outcome.map(|_| ())
    /// # }
    /// ```
    pub fn tries(&self) -> u32 {
        match &self.state {
            CallState::Unsent { .. } | CallState::Refused(_) => 0,
            CallState::Waiting { .. } => 1,
            CallState::Retrying(retry) => retry.tries(),
            CallState::Done { tries } => *tries,
        }
    }

    /// Sends the request, or ends the call because it cannot be sent.
    fn begin(&mut self, waker: &Waker) -> Poll<Result<Reply>> {
        match std::mem::replace(&mut self.state, MOVING) {
            CallState::Unsent { dest, content } => {
                let begun = self.shared.begin_call(dest, &content, self.timeout, waker);
                self.shared.pools().recycle_bytes(content.into_bytes());
                self.state = CallState::Waiting { msg_id: begun? };
                Poll::Pending
            }
            CallState::Refused(error) => Poll::Ready(Err(error)),
            CallState::Waiting { .. } | CallState::Retrying(_) | CallState::Done { .. } => {
                Poll::Ready(Err(Error::crash("a call was polled after its end")))
            }
        }
    }
}

impl Future for Call {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<Reply>> {
        let call = &mut *self;
        let outcome = match &mut call.state {
            CallState::Waiting { msg_id } => {
                let outcome = ready!(call.shared.poll_call(*msg_id, cx.waker()));
                outcome.map(|message| Reply::new(message, call.shared.clone()))
            }
            CallState::Retrying(retry) => ready!(retry.poll(call.timeout, cx)),
            CallState::Unsent { .. } | CallState::Refused(_) | CallState::Done { .. } => {
                return call.begin(cx.waker());
            }
        };
        // A call with retries forgets its other requests now, and not when it is dropped.
        let tries = call.tries();
        call.state = CallState::Done { tries };
        Poll::Ready(outcome)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let CallState::Waiting { msg_id } = self.state {
            self.shared.abandon_call(msg_id);
        }
    }
}

/// A call whose request has left; made by [`Call::send`] and
/// [`TypedCall::send`](super::TypedCall::send). Awaiting it gives what awaiting the call gives.
/// Dropping it forgets the call.
///
/// It has neither `timeout` nor `retry`: both must be known when the request leaves.
///
/// ```
/// # use eddyline::{Context, Result};
/// # async fn both(cx: Context) -> Result<u64> {
/// let (left, right) = (cx.lin_kv().read("left").send(), cx.lin_kv().read("right").send());
/// let (left, right): (Option<u64>, Option<u64>) = (left.await?, right.await?);
/// Ok(left.unwrap_or(0) + right.unwrap_or(0)) // after one round trip, not two
/// # }
/// ```
#[must_use = "dropping it forgets the call"]
pub struct Sent<C>(pub(super) C);

impl Sent<Call> {
    /// How many times the request was sent, as [`Call::tries`].
    pub fn tries(&self) -> u32 {
        self.0.tries()
    }
}

impl<C: Future + Unpin> Future for Sent<C> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<C::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}
