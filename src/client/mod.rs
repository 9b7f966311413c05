//! Programs on NATS that are no nodes: a caller, and Maelstrom's services.
//!
//! ```text
//!   Client::call ──┐                      ┌── lin-kv, seq-kv, lww-kv, lin-tso
//!                  Port ── lines ── Carrier ── bytes ── socket
//! ```
//!
//! A `Link` of the room `engine` decides everything about NATS, and a carrier connects its
//! sockets. A port is a reactor with a carrier and nothing else.
//!
//! A client that blocks is right for a command line, and for tests. The clients of NATS in
//! other languages, or async-nats, can take its place: the protocol is that of the subjects.
//!
//! Invariant: no session and no node. One thread.
//!
//! Read next: `caller.rs`; `services.rs`; `port.rs`.

mod caller;
mod port;
mod services;

pub use caller::Client;
pub use services::{SERVICES, serve};
