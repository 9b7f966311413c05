//! The TCP echo server as handlers see it: operations that the runtime, which
//! has sockets, carries out.

use super::core::Core;
use super::operations::{Operation, OperationId, Outcome, TcpEchoStats};
use crate::protocol::{Error, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

/// The node's TCP echo server; made by [`Context::tcp_echo`](super::Context::tcp_echo).
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
    core: Rc<Core>,
}

impl TcpEcho {
    pub(crate) fn new(core: Rc<Core>) -> TcpEcho {
        TcpEcho { core }
    }

    /// Listens on `port`, or on a free one for 0, and returns the port.
    ///
    /// ```
    /// # async fn start(cx: eddyline::Context) -> eddyline::Result<()> {
    /// let port = cx.tcp_echo().start(0).await?;
    /// assert_eq!(cx.tcp_echo().start(port).await?, port); // it listens there already
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 22 while it listens on another port already, error 11 when the
    /// port is in use or cannot be had.
    pub async fn start(&self, port: u16) -> Result<u16> {
        match self.run(Operation::Start { port }).await? {
            Outcome::Listening { port } => Ok(port),
            other => Err(mismatch(&other)),
        }
    }

    /// Connects to the own listener as a client, sends `data`, closes the
    /// sending half, and returns what came back until the end.
    ///
    /// ```
    /// # async fn send(cx: eddyline::Context) -> eddyline::Result<()> {
    /// assert_eq!(cx.tcp_echo().send("hello").await?, "hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 22 before a start. Error 11 when nothing was sent: it has not begun 4 s
    /// after this call, nobody could connect, or too many sends or bytes are in
    /// flight. When it is unknown what the server got: error 0 when it is not over 5 s
    /// after this call, error 13 when the connection broke.
    pub async fn send(&self, data: impl Into<String>) -> Result<String> {
        let data = data.into();
        match self.run(Operation::Send { data }).await? {
            Outcome::Echoed { data } => String::from_utf8(data)
                .map_err(|error| Error::crash(format!("the echo is not what was sent: {error}"))),
            other => Err(mismatch(&other)),
        }
    }

    /// The totals, with every send that was asked for before and is over within half
    /// a second; zeros before a start.
    ///
    /// ```
    /// # async fn stats(cx: eddyline::Context) -> eddyline::Result<()> {
    /// let stats = cx.tcp_echo().stats().await?;
    /// cx.log(format_args!("{} connections, {} bytes", stats.connections, stats.bytes));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 10 where nobody carries out operations, as in a simulation.
    pub async fn stats(&self) -> Result<TcpEchoStats> {
        match self.run(Operation::Stats).await? {
            Outcome::Stats(stats) => Ok(stats),
            other => Err(mismatch(&other)),
        }
    }

    async fn run(&self, operation: Operation) -> Result<Outcome> {
        let id = self.core.submit(operation)?;
        let in_flight = InFlight {
            core: self.core.clone(),
            id: Some(id),
        };
        in_flight.await
    }
}

fn mismatch(outcome: &Outcome) -> Error {
    Error::crash(format!("an operation ended as another one: {outcome:?}"))
}

struct InFlight {
    core: Rc<Core>,
    /// `None` once the outcome was taken: the id may then be another's.
    id: Option<OperationId>,
}

impl Future for InFlight {
    type Output = Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<Outcome>> {
        let Some(id) = self.id else {
            return Poll::Pending;
        };
        let polled = self.core.operations.borrow_mut().poll(id, cx.waker());
        match polled {
            Ok(outcome) => {
                self.id = None;
                Poll::Ready(outcome)
            }
            Err(_stale_waker) => Poll::Pending,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let _dropped_last = self.core.operations.borrow_mut().abandon(id);
        }
    }
}
