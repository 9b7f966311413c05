//! Nodes for the Maelstrom protocol, on one hand-rolled, single-threaded event loop.
//!
//! A node is a type that implements [`Node`]. It is built from its `init` message.
//! Each request runs as a future of its own, and all futures share one thread.
//! [`main`] connects it to stdin and stdout, or to NATS, as its options say.
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
//!                 let Add { delta } = request.body()?; // a wrong body: error 12
//!                 self.sum.set(self.sum.get() + delta);
//!                 cx.reply(&request, &()) // add_ok
//!             }
//!             "read" => cx.reply(&request, &ReadOk { value: self.sum.get() }),
//!             _ => cx.not_supported(&request), // error 10
//!         }
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     eddyline::main::<Counter>()
//! }
//! ```
//!
//! The [`guide`] continues from here. It starts with an empty crate and ends with a
//! broadcast that survives a partition, tested on a simulated network ([`sim`]).
//!
//! # Guarantees
//!
//! - Code between two `.await`s is atomic: there is one thread, and no other handler
//!   runs in between. [`Context::send`] and [`Context::reply`] never wait.
//! - A handler that waits for a reply ([`Context::sync_rpc`]) or for time
//!   ([`Context::sleep`]) does not delay any other handler.
//! - While the node runs, every call ends: with the reply, with the other node's
//!   error, or with error 0 after its timeout. A dropped call is forgotten.
//! - If a handler returns an [`Error`], its caller gets that error. If a handler
//!   panics, its caller gets error 13, and the node goes on.
//! - Calls, timers, tasks and sends have bounds, which [`session`] lists. A request
//!   beyond a bound ends with error 11.
//! - stdout carries messages only. The output of `println!` goes to stderr.
//!
//! # Modules
//!
//! Authors of nodes need [`node`], [`sim`] for tests, and sometimes [`protocol`].
//! The parts underneath can be used and read one by one:
//!
//! - [`session`]: a whole node without file descriptors
//! - [`time`]: the clock and the timer wheel
//! - [`task`]: the executor
//! - [`wire`]: line and output buffers
//! - [`workload`]: the workloads, their checkers and the faults, for any testbed
//!
//! The reactor, the sockets and the loop that drives them are private. Their source
//! and `ARCHITECTURE.md` describe them.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "eddyline needs Linux: its event loop uses epoll and /proc/self/fd. Elsewhere, build and run it \
     in a Linux container (docker run --rm -it -v \"$PWD\":/node -w /node rust), in a Linux virtual \
     machine, or on Windows in WSL 2."
);

#[cfg(target_os = "linux")]
mod carrier;
#[cfg(target_os = "linux")]
pub mod client;
#[cfg(target_os = "linux")]
pub mod command_line;
mod diagram;
#[cfg(target_os = "linux")]
mod engine;
/// Shows the microscope a moment of a turn. Without the feature it expands to nothing, so
/// the loop pays nothing for it.
macro_rules! look {
    ($($seen:tt)*) => {
        #[cfg(any(test, feature = "microscope"))]
        {
            if crate::microscope::is_on() {
                $($seen)*
            }
        }
    };
}

#[expect(
    clippy::test_attr_in_doctest,
    reason = "a hidden macro around the tests runs them"
)]
pub mod guide;
#[cfg(target_os = "linux")]
pub mod harness;
#[cfg(doc)]
mod inside;
#[cfg(any(test, feature = "lab"))]
pub mod lab;
mod memory;
#[cfg(any(test, feature = "microscope"))]
pub mod microscope;
pub mod node;
mod notices;
pub mod protocol;
mod random;
// Elsewhere than on Linux these would only add errors to the one above.
#[cfg(target_os = "linux")]
mod reactor;
#[cfg(target_os = "linux")]
mod runtime;
pub mod session;
pub mod sim;
#[cfg(target_os = "linux")]
mod source;
#[cfg(target_os = "linux")]
mod sys;
pub mod task;
#[cfg(target_os = "linux")]
mod tcp;
pub mod time;
pub mod wire;
pub mod workload;

#[cfg(target_os = "linux")]
pub use command_line::main;
#[cfg(target_os = "linux")]
pub use engine::{Credentials, Nats, NatsError};
#[cfg(all(target_os = "linux", any(test, feature = "tls")))]
pub use engine::{Nkey, Tls};
pub use node::{
    Backoff, Call, Context, Kv, Node, Reply, Request, Sent, TaskHandle, Tso, TypedCall, Unblock,
};
pub use protocol::{Error, ErrorCode, Result};
pub use random::Random;
#[cfg(target_os = "linux")]
pub use runtime::{Options, run, run_with};

/// The code blocks of README.md, compiled and run as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
