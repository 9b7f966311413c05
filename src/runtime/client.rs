//! The client side of one `tcp_echo_send`, as the runtime keeps it.

use crate::session::OperationId;
use crate::tcp::Exchange;
use crate::time::TimerId;

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
