//! TCP echo: the server, its connections, and the client side of one exchange.
//!
//! All three are state machines that keep the contract of a source (`source.rs`).
//! They make their own system calls, but know neither the reactor nor the clock: the
//! runtime owns the sources and keeps the deadlines.
//!
//! ```text
//!   exchange (client)                 listener --accept--> connection (server)
//!   connect, write, half-close  --->  kernel  ------------> read, write at once
//!   read to the end             <---  kernel  <------------ close after the end
//! ```
//!
//! Read next: `connection.rs`, the server's side; `exchange.rs`, the client's;
//! `listener.rs`, what `accept` may answer; `tests.rs`, both sides on plain epoll.

mod connection;
/// The fuzz target `connection`, on its corpus. The target itself compiles this room,
/// `source` and `sys` into a crate of its own, so that none of them has to be public.
#[cfg(test)]
#[path = "../../tests/fuzz/connection/mod.rs"]
mod event_sequences;
mod exchange;
mod listener;
mod server;
#[cfg(any(test, feature = "microscope"))]
mod snapshot;
#[cfg(test)]
mod tests;

pub(crate) use connection::Connection;
pub(crate) use exchange::{EXCHANGES_MAX, Exchange, ExchangeError, QUEUE_WAIT_MAX, SEND_DEADLINE};
pub(crate) use listener::ACCEPT_RETRY_MS;
pub(crate) use server::{CONNECTIONS_MAX, EchoServer};
#[cfg(any(test, feature = "microscope"))]
pub(crate) use snapshot::ConnectionSnapshot;
