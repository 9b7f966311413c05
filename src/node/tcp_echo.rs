//! The TCP echo server as handlers see it: operations that the owner of the session carries out.
//!
//! Handlers do not touch sockets. So a handler runs unchanged where there are none, on
//! virtual time. Read next: `operations`, the table of what was submitted.

use super::context::Context;
use super::operations::{Operation, OperationId, Outcome, TcpEchoStats};
use super::shared::Shared;
use crate::protocol::{Error, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, ready};

impl Context {
    /// The node's TCP echo server.
    pub fn tcp_echo(&self) -> TcpEcho {
        TcpEcho {
            shared: self.shared().clone(),
        }
    }
}

/// The node's TCP echo server; made by [`Context::tcp_echo`].
///
/// ```
/// # use eddyline::{Context, Request, Result};
/// # async fn handle(cx: Context, request: Request) -> Result<()> {
/// let port = cx.tcp_echo().start(0).await?;
/// let echoed = cx.tcp_echo().send("hello").await?;
/// assert_eq!(echoed, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TcpEcho {
    shared: Rc<Shared>,
}

impl TcpEcho {
    /// Listens on `port`, or on a free one for 0, and returns the port. Listening on the same
    /// port again is no error.
    ///
    /// # Errors
    /// Error 22 while it listens on another port already. Error 11 if the port is in use or
    /// cannot be opened.
    pub async fn start(&self, port: u16) -> Result<u16> {
        match self.run(Operation::Start { port }).await? {
            Outcome::Listening { port } => Ok(port),
            other => Err(mismatch(&other)),
        }
    }

    /// Connects to the own listener as a client, sends `data`, closes the sending half, and
    /// returns the bytes that came back until the end.
    ///
    /// # Errors
    /// Error 22 before a start.
    ///
    /// Error 11 if nothing was sent: the send has not begun 4 s after this call, the
    /// connection failed, or too many sends or bytes are in flight.
    ///
    /// Errors 0 and 13 leave open which bytes the server got: the send is not over 5 s after
    /// this call, or the connection broke.
    pub async fn send(&self, data: impl Into<String>) -> Result<String> {
        let data = data.into();
        match self.run(Operation::Send { data }).await? {
            Outcome::Echoed { data } => String::from_utf8(data)
                .map_err(|error| Error::crash(format!("the echo is not the text sent: {error}"))),
            other => Err(mismatch(&other)),
        }
    }

    /// The totals; zeros before a start. They include every send that was submitted before
    /// and is over within half a second.
    ///
    /// # Errors
    /// Error 10 where operations are not carried out, as in a simulation.
    pub async fn stats(&self) -> Result<TcpEchoStats> {
        match self.run(Operation::Stats).await? {
            Outcome::Stats(stats) => Ok(stats),
            other => Err(mismatch(&other)),
        }
    }

    async fn run(&self, operation: Operation) -> Result<Outcome> {
        let id = self.shared.submit(operation)?;
        let submitted = Submitted {
            shared: self.shared.clone(),
            id: Some(id),
        };
        submitted.await
    }
}

fn mismatch(outcome: &Outcome) -> Error {
    Error::crash(format!(
        "the outcome is one of another operation: {outcome:?}"
    ))
}

/// A submitted operation; a future of its outcome.
struct Submitted {
    shared: Rc<Shared>,
    /// `None` once the outcome was taken: another operation may then have the same id.
    id: Option<OperationId>,
}

impl Future for Submitted {
    type Output = Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<Outcome>> {
        let Some(id) = self.id else {
            return Poll::Pending;
        };
        let outcome = ready!(self.shared.poll_operation(id, cx.waker()));
        self.id = None;
        Poll::Ready(outcome)
    }
}

impl Drop for Submitted {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.abandon_operation(id);
        }
    }
}
