//! TCP echo: the server, its connections, and the client side of one exchange.
//!
//! All of them are state machines that are told what is ready and answer with
//! what they want next. They make their own reads and writes, but know neither
//! the reactor nor the clock: the runtime owns the sources, applies each answer
//! ([`Next`]) and keeps the deadlines. That is calloop's way (a callback returns
//! its intent, the loop applies it). nginx lets a handler free its connection in
//! the middle of a batch, and needs an instance bit against the ghost's events.
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
pub(crate) use listener::{ACCEPT_RETRY_MS, Accepting, StartError};
pub(crate) use server::{CONNECTIONS_MAX, EchoServer, Stats};

/// Reads that one source may make in a turn, and writes likewise: 256 KiB each
/// way at most, some 100 µs, before the others have theirs. More than one, since
/// a turn without waiting costs an `epoll_wait` all the same.
const CALLS_PER_TURN: usize = 4;

/// What one read or write moves at most: the size of the buffer that all
/// connections share, and with it the most that one can hold unsent.
const CHUNK_BYTES: usize = 64 * 1024;

/// What a socket is ready for, as far as the reactor knows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The close has had its edge: a short read no longer proves a drained
    /// socket, for data and close can be one edge.
    pub(crate) read_closed: bool,
}

/// How far a state machine came with the readiness it was given.
#[derive(Debug)]
pub(crate) struct Progress<T> {
    /// Bytes read from the peer.
    pub(crate) received_bytes: usize,
    /// Readiness that proved exhausted, for the reactor to clear.
    pub(crate) used_up: Readiness,
    pub(crate) next: Next<T>,
}

/// What a state machine asks of the runtime.
#[derive(Debug)]
pub(crate) enum Next<T> {
    /// Call again on the next edge.
    Wait,
    /// The turn's bound left work that raises no edge: call again next turn.
    CarryOver,
    /// It is over: take the source out of the reactor, then drop it.
    Finished(T),
}

impl Readiness {
    /// What of `self` is gone in `left`.
    fn without(self, left: Readiness) -> Readiness {
        Readiness {
            readable: self.readable && !left.readable,
            writable: self.writable && !left.writable,
            read_closed: self.read_closed && !left.read_closed,
        }
    }
}
