//! The client side of one `tcp_echo_send`, as the runtime keeps it.

use super::phase::DRAIN_DEADLINE;
use crate::protocol::Error;
use crate::session::OperationId;
use crate::tcp::{Exchange, ExchangeError, QUEUE_WAIT_MAX};
use crate::time::TimerId;
use std::io;

/// A `tcp_echo_send` in flight: the client side of one exchange.
pub(super) struct Client {
    pub(super) exchange: Exchange,
    pub(super) ticket: Ticket,
    /// Armed as soon as the client has its token.
    pub(super) deadline: Option<TimerId>,
}

/// A send that was asked for and has no outcome yet, in the order of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    pub(super) number: u64,
    pub(super) operation: OperationId,
}

/// Why a send did not bring its echo.
#[derive(Debug)]
pub(super) enum SendError {
    NotStarted,
    /// It has waited long enough.
    NotBegun,
    /// The process ends.
    NeverBegins,
    /// The process ends, and it is under way.
    GivenUp,
    /// No descriptor for the server's side.
    Reserve(io::Error),
    Exchange(ExchangeError),
    Reactor(io::Error),
}

impl SendError {
    /// Whether it is worth waiting until others have ended.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            SendError::Exchange(error) => error.may_pass(),
            SendError::Reserve(_) => true,
            _ => false,
        }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Error {
        match error {
            SendError::NotStarted => Error::precondition_failed(
                "the TCP echo server has not been started; send tcp_echo_start first",
            ),
            SendError::NotBegun => Error::temporarily_unavailable(format!(
                "{} s after it was asked for, this send has not begun: others were before it, or \
                 the server is full; nothing was sent, try again later",
                QUEUE_WAIT_MAX.as_secs()
            )),
            SendError::NeverBegins => Error::temporarily_unavailable(
                "stdin has ended and this send has not begun; it never will: ask again when the \
                 node was started anew",
            ),
            SendError::GivenUp => Error::timeout(format!(
                "stdin ended {} s ago and this exchange is not over; what the echo server got of \
                 it is unknown",
                DRAIN_DEADLINE.as_secs()
            )),
            SendError::Reserve(error) => Error::temporarily_unavailable(format!(
                "there is no descriptor to accept this send's connection with, so nothing was \
                 sent: {error}; try again later"
            )),
            SendError::Exchange(error) if error.is_definite() => {
                Error::temporarily_unavailable(error.to_string())
            }
            // Error 11 would say that nothing was sent.
            SendError::Exchange(error) => Error::crash(error.to_string()),
            SendError::Reactor(error) => Error::temporarily_unavailable(error.to_string()),
        }
    }
}
