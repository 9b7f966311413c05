//! The client side of one `tcp_echo_send`, as the runtime keeps it.

use crate::protocol::Error;
use crate::session::OperationId;
use crate::tcp::{Exchange, ExchangeError};
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
    Exchange(ExchangeError),
    Reactor(io::Error),
}

impl SendError {
    /// Whether it is worth waiting until others have ended.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, SendError::Exchange(error) if error.may_pass())
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Error {
        match error {
            SendError::NotStarted => Error::precondition_failed(
                "the TCP echo server has not been started; send tcp_echo_start first",
            ),
            SendError::Exchange(error) => Error::temporarily_unavailable(error.to_string()),
            SendError::Reactor(error) => Error::temporarily_unavailable(error.to_string()),
        }
    }
}
