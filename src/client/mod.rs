//! Programs on NATS that are no nodes: a caller, and Maelstrom's services.
//!
//! ```text
//!   Client::call ──┐                      ┌── lin-kv, seq-kv, lww-kv, lin-tso
//!                  Port ── lines ── Carrier ── bytes ── socket
//!                                   │
//!   the tester's cluster ───────────┘ on its own reactor
//! ```
//!
//! A `Link` of the room `engine` decides everything about NATS. The carrier connects sockets for
//! it, on the reactor of its owner. A port is a reactor with a carrier and nothing else.
//!
//! A client that blocks is right for a command line, and for tests. The clients of NATS in
//! other languages, or async-nats, can take its place: the protocol is that of the subjects.
//!
//! Invariant: no session and no node. One thread.
//!
//! Read next: `caller.rs`; `services.rs`; `carrier.rs`.

mod caller;
mod carrier;
mod port;
mod services;

pub use caller::Client;
pub(crate) use carrier::{Carrier, Carries};
pub use services::{SERVICES, serve};
