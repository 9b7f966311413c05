//! A call: a request of ours, and the wait for its reply.

use super::call_table::Progress;
use super::core::Core;
use super::directory::NameId;
use super::reply::Reply;
use crate::protocol::{Content, Error, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};
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
///      │                                                     ^
///      └── refused: no such node, the output is full ────────┘
/// ```
#[must_use = "nothing is sent until it is awaited"]
pub struct Call {
    core: Rc<Core>,
    state: State,
    timeout: Duration,
}

enum State {
    Refused(Error),
    Unsent { dest: NameId, content: Content },
    Waiting { msg_id: u64 },
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

    /// Waits for `timeout` instead of the node's default, counted from when the
    /// request is sent. After it, the call ends with error 0.
    pub fn timeout(mut self, timeout: Duration) -> Call {
        self.timeout = timeout;
        self
    }

    /// Sends the request, and tells what to wait for.
    fn send(&mut self) -> Result<u64> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Unsent { dest, content } => {
                let begun = self.core.begin_call(dest, &content, self.timeout);
                self.core.spares().recycle_bytes(content.into_bytes());
                begun
            }
            State::Waiting { msg_id } => Ok(msg_id),
            State::Refused(error) => Err(error),
            State::Done => Err(Error::crash("a call was polled after its end")),
        }
    }
}

impl Future for Call {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<Reply>> {
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
