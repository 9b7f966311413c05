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

mod connection;
/// The fuzz target `connection`, on its corpus. It lies with the others; the
/// target itself takes this room and `sys` into a crate of its own, so that
/// neither needs a door.
#[cfg(test)]
#[path = "../../tests/fuzz/connection/mod.rs"]
mod event_sequences;
mod exchange;
mod listener;
mod reserve;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use connection::Connection;
pub(crate) use exchange::{EXCHANGES_MAX, Exchange, ExchangeError, QUEUE_WAIT_MAX, SEND_DEADLINE};
pub(crate) use listener::{ACCEPT_RETRY_MS, StartError};
pub(crate) use server::{CONNECTIONS_MAX, EchoServer, Stats};

/// Reads that one source may make in a turn, and writes likewise: 256 KiB each
/// way at most, some 100 µs, before the others have theirs. More than one, since
/// a turn without waiting costs an `epoll_wait` all the same.
const CALLS_PER_TURN: usize = 4;

/// What one read or write moves at most: the size of the buffer that all
/// connections share, and with it the most that one can hold unsent.
const CHUNK_BYTES: usize = 64 * 1024;
