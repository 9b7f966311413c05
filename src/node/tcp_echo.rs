//! The TCP echo server as handlers see it: operations that somebody else, who
//! has sockets, carries out.
//!
//! ```text
//!            taken by the runtime        completed
//!   queued ───────────────────────> in flight ─────> done ──> (future takes it)
//!                                      │
//!                     future dropped   └──> abandoned ──> (removed on completion)
//! ```

use super::core::Core;
use crate::protocol::{Error, Result};
use slab::Slab;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};

/// Something that a handler asks of the TCP echo server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Listen on a port; 0 picks a free one.
    Start {
        /// The port.
        port: u16,
    },
    /// Connect to the own listener, send, and read the echo.
    Send {
        /// What to send.
        data: String,
    },
    /// Count, after every send that was asked for before.
    Stats,
}

/// What an operation ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `Start`: listening on this port.
    Listening {
        /// The port.
        port: u16,
    },
    /// `Send`: what came back.
    Echoed {
        /// The bytes.
        data: Vec<u8>,
    },
    /// `Stats`: the totals.
    Stats(TcpEchoStats),
}

/// What the TCP echo server has served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpEchoStats {
    /// How many connections it accepted.
    pub connections: u64,
    /// How many bytes it received.
    pub bytes: u64,
}

/// Which operation an outcome belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(usize);

enum State {
    InFlight(Option<Waker>),
    Done(Result<Outcome>),
    Abandoned,
}

/// The operations that were asked for and whose outcome nobody has taken.
#[derive(Default)]
pub(crate) struct Operations {
    states: Slab<State>,
    queue: VecDeque<(OperationId, Operation)>,
}

impl Operations {
    fn submit(&mut self, operation: Operation) -> OperationId {
        let id = OperationId(self.states.insert(State::InFlight(None)));
        self.queue.push_back((id, operation));
        id
    }

    /// Takes the outcome if there is one. Else returns the waker that was
    /// replaced, to be dropped once nothing is borrowed.
    fn poll(&mut self, id: OperationId, waker: &Waker) -> Result<Result<Outcome>, Option<Waker>> {
        match self.states.get_mut(id.0) {
            Some(State::InFlight(known)) => Err(known.replace(waker.clone())),
            Some(State::Done(_)) => match self.states.remove(id.0) {
                State::Done(outcome) => Ok(outcome),
                State::InFlight(_) | State::Abandoned => Err(None),
            },
            Some(State::Abandoned) | None => Err(None),
        }
    }

    /// Forgets an operation whose future was dropped.
    fn abandon(&mut self, id: OperationId) -> Option<State> {
        match self.states.get_mut(id.0)? {
            state @ State::InFlight(_) => Some(std::mem::replace(state, State::Abandoned)),
            _ => self.states.try_remove(id.0),
        }
    }

    fn complete(&mut self, id: OperationId, outcome: Result<Outcome>) -> Option<Waker> {
        let state = self.states.get_mut(id.0)?;
        match std::mem::replace(state, State::Done(outcome)) {
            State::InFlight(waker) => waker,
            State::Abandoned => {
                self.states.remove(id.0);
                None
            }
            State::Done(_) => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }
}

impl Core {
    /// The next operation that a handler has asked for.
    pub(crate) fn next_operation(&self) -> Option<(OperationId, Operation)> {
        self.operations.borrow_mut().queue.pop_front()
    }

    /// Whether a handler has asked for an operation that nobody has taken.
    pub(crate) fn has_operations(&self) -> bool {
        !self.operations.borrow().queue.is_empty()
    }

    /// Gives an operation its outcome.
    pub(crate) fn complete_operation(&self, id: OperationId, outcome: Result<Outcome>) {
        let waker = self.operations.borrow_mut().complete(id, outcome);
        waker.into_iter().for_each(Waker::wake);
    }
}

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
    /// # Errors
    /// Error 22 before a start, error 0 when it takes longer than 5 s, error 11
    /// when the connection fails.
    pub async fn send(&self, data: impl Into<String>) -> Result<String> {
        let data = data.into();
        match self.run(Operation::Send { data }).await? {
            Outcome::Echoed { data } => String::from_utf8(data)
                .map_err(|error| Error::crash(format!("the echo is not what was sent: {error}"))),
            other => Err(mismatch(&other)),
        }
    }

    /// The totals, with every send that was asked for before; zeros before a
    /// start.
    ///
    /// # Errors
    /// Error 10 where nobody carries out operations, as in a simulation.
    pub async fn stats(&self) -> Result<TcpEchoStats> {
        match self.run(Operation::Stats).await? {
            Outcome::Stats(stats) => Ok(stats),
            other => Err(mismatch(&other)),
        }
    }

    fn run(&self, operation: Operation) -> InFlight {
        let id = self.core.operations.borrow_mut().submit(operation);
        InFlight {
            core: self.core.clone(),
            id: Some(id),
        }
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
