//! The process with its messages by NATS, on a simulated kernel and through faults.
//!
//! ```text
//!   Server (two of them, n2 and ┌───────────────────────┐
//!   the clients behind them) ── │ EventLoop with Subject │
//!          <──── TCP ────────>  └───────────────────────┘
//!   it notes in the Book what it handed to the node and what came back
//! ```
//!
//! The node connects to a server that the run plays. Beside the faults of the kernel the
//! server has its own: it is killed and comes back, falls silent, stops in the middle of a
//! message or of the handshake, reads late, and says things that are no NATS.
//!
//! Afterwards every request that a server handed out has one answer, or a connection that
//! ended explains its loss. No answer comes twice, no handler waits, and the node is
//! connected.
//!
//! ```sh
//! cargo test --lib by_nats                        # a few hundred seeds
//! EDDYLINE_SEED=7 cargo test --lib by_nats        # the one that failed
//! ```
//!
//! Names are addresses here: a look-up would be a thread, and the system's resolver.
//!
//! Read next: [`book`], [`script`], [`server`], [`mod@run`].

mod book;
mod run;
mod script;
mod server;
