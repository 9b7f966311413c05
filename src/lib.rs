//! Nodes that speak the Maelstrom protocol, on one hand-rolled event loop.
//!
//! A node is a type that implements [`Node`]: it is built from its `init`
//! message, and answers each request with a future of its own, all on one
//! thread. [`run`] puts it on stdin and stdout.
//!
//! ```no_run
//! use eddyline::{Context, Node, Request, Result};
//! use serde::{Deserialize, Serialize};
//! use std::cell::Cell;
//! use std::rc::Rc;
//!
//! struct Counter {
//!     sum: Cell<i64>, // one thread: no locks
//! }
//!
//! #[derive(Deserialize)]
//! struct Add {
//!     delta: i64,
//! }
//!
//! #[derive(Serialize)]
//! struct ReadOk {
//!     value: i64,
//! }
//!
//! impl Node for Counter {
//!     fn new(_: &Context) -> Self {
//!         Counter { sum: Cell::new(0) }
//!     }
//!
//!     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
//!         match request.kind() {
//!             "add" => {
//!                 let Add { delta } = request.body()?; // error 12, by itself
//!                 self.sum.set(self.sum.get() + delta);
//!                 cx.reply(&request, &()) // add_ok
//!             }
//!             "read" => cx.reply(&request, &ReadOk { value: self.sum.get() }),
//!             _ => cx.not_supported(&request), // error 10
//!         }
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     eddyline::run::<Counter>()
//! }
//! ```
//!
//! The [`guide`] goes on from here: from an empty crate to a broadcast that
//! survives a partition, tested on a simulated network ([`sim`]).
//!
//! # What an author can rely on
//!
//! - Code between two `.await`s is atomic: there is one thread, and nothing else
//!   runs meanwhile. [`Context::send`] and [`Context::reply`] never wait.
//! - A handler that waits, for a reply ([`Context::sync_rpc`]) or for time
//!   ([`Context::sleep`]), holds nobody up.
//! - While the node runs, every call ends: with the reply, with the other side's error, or with error
//!   0 after its timeout. Dropping a call forgets it.
//! - An [`Error`] that a handler returns answers its caller; a panic answers it
//!   with error 13, and the node lives on.
//! - Whatever a handler asks for without end (calls, timers, tasks, sends) has a
//!   bound, named in [`session`], and error 11 at it.
//! - stdout carries messages only: what `println!` writes goes to stderr.
//!
//! # The rooms
//!
//! Authors need [`node`], [`sim`] for their tests, and perhaps [`protocol`]. Who wants to see how it works
//! will find each part usable by itself: [`session`], a whole node without file
//! descriptors; [`time`], the clock and the timer wheel; [`task`], the executor;
//! [`wire`], the buffers. The reactor, the sockets and the loop that drives them
//! are private; the source and `ARCHITECTURE.md` describe them.

#[expect(
    clippy::test_attr_in_doctest,
    reason = "a hidden macro around the tests runs them"
)]
pub mod guide;
mod memory;
pub mod node;
pub mod protocol;
mod random;
mod reactor;
mod runtime;
pub mod session;
pub mod sim;
mod sys;
pub mod task;
mod tcp;
pub mod time;
pub mod wire;

pub use node::{Backoff, Call, Context, Kv, Node, Reply, Request, Tso, TypedCall};
pub use protocol::{Error, ErrorCode, Result};
pub use random::Random;
pub use runtime::{Options, run, run_with};

/// The README's code, compiled with the documentation's own.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
