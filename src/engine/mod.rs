//! The engine: the node's messages over NATS, without descriptors.
//!
//! ```text
//!   session ── lines ──> Link ── PUB … ──> bytes ──> a socket of the owner's
//!      ^                  │ │
//!      └── lines ─────────┘ └──<── MSG, HMSG … <── bytes
//! ```
//!
//! Core NATS promises what Maelstrom's network promises: at most once, in no order, to
//! names. So the session receives the lines, and gives out the bytes, of a run over
//! pipes. Everything that NATS has beyond that becomes a line too: if there is no
//! receiver, the call gets error 1 as its reply, and the session need not know why.
//!
//! # On the wire (P is the prefix, C the cluster)
//! ```text
//!   SUB P.C.n1.* 1        SUB P.C.n1.bounce.* 2
//!   send:   PUB P.C.<dest>.<src> <n>␍␊<message>␍␊
//!   call:   PUB P.C.<dest>.<src> P.C.<src>.bounce.<msg_id>-<dest> <n>␍␊<message>␍␊
//!   in:     MSG P.C.n1.<src> 1 [reply] <n>␍␊<message>␍␊
//!           HMSG P.C.n1.bounce.<msg_id>-<dest> 2 …␍␊NATS/1.0 503 …   no receiver: error 1
//! ```
//! The sender is the last token, so the server's permissions can prove it: n1 may publish
//! to `P.C.*.n1` only. A message whose `src` is another name is refused.
//!
//! Invariants: this room knows no descriptor, no session and no clock. A message is
//! handed out at most once. Whatever a server sends, memory is bounded.
//!
//! Read next: `link.rs`, the state machine; `subject.rs`; `parser.rs`; `tls/mod.rs`.

mod credentials;
mod greeting;
mod incoming;
mod link;
mod nats;
mod nats_error;
mod outgoing;
mod parser;
mod servers;
mod sink;
mod subject;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "tls"))]
mod tls;
#[cfg(not(any(test, feature = "tls")))]
#[path = "no_tls.rs"]
mod tls;

pub use credentials::Credentials;
pub(crate) use link::{Link, Need};
pub use nats::Nats;
pub use nats_error::NatsError;
#[cfg(test)]
pub(crate) use parser::READ_BYTES;
pub(crate) use sink::Sink;
#[cfg(not(any(test, feature = "tls")))]
pub(crate) use tls::ADVICE as NO_TLS;
#[cfg(any(test, feature = "tls"))]
pub use tls::{Nkey, Tls};
