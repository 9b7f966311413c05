//! TLS and nkeys: the feature `tls`.
//!
//! ```text
//!   Link ── plain bytes ──> Channel ── records ──> the socket, by way of the link's owner
//!   Link <── plain bytes ── Channel <── records ──
//! ```
//!
//! A channel is one TLS connection on bytes in memory. rustls has the protocol, and ring the
//! cryptography: C and assembler that are built with this package, and no cmake. TLS 1.2
//! is left out: each nats-server since 2.1 speaks 1.3.
//!
//! A server is trusted if its certificate comes from the CA that the operator has named.
//! The system's list of CAs is not taken: a cluster's CA is nearly always its own, and any
//! of a hundred companies could name another server in its place. Where the certificate is
//! public, the operator names the system's file.
//!
//! Invariant: this room gets the time of day from outside. Only the keys of a connection are
//! random by ring's own source: they must be, in a test too.
//!
//! Read next: `channel.rs`; `words.rs`; `nkey.rs`. `no_tls.rs` is in this place without the
//! feature.

mod channel;
mod nkey;
mod settings;
#[cfg(test)]
mod tests;
mod words;

pub(super) use channel::Channel;
pub use nkey::Nkey;
pub use settings::Tls;
