//! The runtime: one thread that drives a session, the standard streams and sockets on
//! the reactor. It is the only room that knows both the session and the descriptors.
//!
//! Everything that happens, happens in a *turn* of the loop:
//!
//! ```text
//!   kernel           runtime                                   session
//!     │                 │                                         │
//!     │<─ epoll_wait ── │ 1 wait: until readiness, a deadline     │
//!     │── readiness ──> │         or a waker                      │
//!     │                 │ 2 read the clock                        │
//!     │<─ read ──────── │ 3 deliver: stdin first, then sockets    │
//!     │── bytes ──────> │ ── lines ─────────────────────────────> │ handlers begin
//!     │                 │ 4 expire ── the time ─────────────────> │ timers fire
//!     │                 │ 5 run tasks ──────────────────────────> │ handlers go on
//!     │                 │ <──────── messages, operations on TCP ──│
//!     │<─ write ─────── │ 6 flush: stdout, then stderr            │
//!     │<─ close ─────── │ 7 close finished sources                │
//! ```
//!
//! Invariants:
//! - A turn blocks in step 1 alone. The exceptions are a disk behind stdin or stdout, and
//!   a descriptor that can only be polled before each call (`sys/access.rs`, *gated*).
//! - Reads, writes and polls are bounded, so no source, task or stream keeps the others
//!   waiting.
//! - Handlers touch no descriptor. They ask for an operation, and the runtime answers
//!   with its outcome.
//!
//! Read next: `event_loop.rs`, the turn; `timing.rs`, `expiry.rs` and `phase.rs`, its
//! decisions; `stdin.rs` and `outputs.rs`, the standard streams; `tcp_echo.rs`;
//! `thread_pool.rs`, the threads beside the loop.

mod broker;
mod diagnostics;
mod event_loop;
mod expiry;
mod inbox;
mod options;
mod outputs;
mod phase;
mod send_queue;
#[cfg(any(test, feature = "microscope"))]
mod snapshot;
mod source;
mod stdin;
mod stdout;
mod tcp_echo;
mod tcp_sends;
mod tcp_server;
mod thread_pool;
mod timing;

use thread_pool::ThreadPool;

pub(crate) use diagnostics::PREFIX;
pub(crate) use event_loop::EventLoop;
pub use options::Options;

/// The bounds that the lab checks.
#[cfg(any(test, feature = "lab"))]
pub(crate) use tcp_sends::COUNT_WAIT_MAX;
#[cfg(test)]
pub(crate) use {
    event_loop::TASK_POLLS_PER_TURN,
    expiry::DEFER_MAX,
    phase::{DRAIN_DEADLINE, LAST_TURNS_MAX},
};

#[cfg(any(test, feature = "microscope"))]
pub(crate) use snapshot::LoopSnapshot;

use crate::node::{Context, Node};
use crate::sys::Streams;
use crate::time::MonotonicClock;
use std::io;
use std::rc::Rc;

/// Runs a node on stdin and stdout until stdin ends, or stdout loses its reader.
///
/// stdin and stdout belong to the protocol from here on. Everything else that the
/// process prints, by `println!` too, goes to stderr.
///
/// ```no_run
/// # use eddyline::{Context, Node, Request, Result};
/// # use std::rc::Rc;
/// # struct Ping;
/// # impl Node for Ping {
/// #     fn new(_: &Context) -> Self { Ping }
/// #     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
/// #         cx.reply(&request, &())
/// #     }
/// # }
/// fn main() -> std::io::Result<()> {
///     eddyline::run::<Ping>()
/// }
/// ```
///
/// # Errors
/// When stdin or stdout cannot be used: the error of the system, and the operation
/// that failed.
pub fn run<N: Node>() -> io::Result<()> {
    run_with(N::new, Options::default())
}

/// Like [`run`], with options, for a node that `build` makes.
///
/// ```no_run
/// # use eddyline::{Context, Node, Request, Result};
/// # struct Greeter { greeting: String }
/// # impl Node for Greeter {
/// #     fn new(_: &Context) -> Self { unreachable!("built by a closure") }
/// #     async fn handle(self: std::rc::Rc<Self>, cx: Context, request: Request) -> Result<()> {
/// #         cx.reply(&request, &serde_json::json!({"text": self.greeting}))
/// #     }
/// # }
/// fn main() -> std::io::Result<()> {
///     let greeting = std::env::args().nth(1).unwrap_or_default();
///     let build = move |_: &Context| Greeter { greeting: greeting.clone() };
///     eddyline::run_with(build, eddyline::Options::default())
/// }
/// ```
///
/// # Errors
/// As [`run`], and when the [`identity`](Options::identity) among the options is none.
pub fn run_with<N: Node>(
    build: impl Fn(&Context) -> N + 'static,
    options: Options,
) -> io::Result<()> {
    crate::task::capture_panic_places();
    let clock = Rc::new(MonotonicClock::start());
    let mut event_loop = EventLoop::new(build, &options, Streams::take()?, clock)?;
    event_loop.set_threads(ThreadPool::new());
    #[cfg(any(test, feature = "microscope"))]
    let recording = options.record.clone().map(crate::microscope::Live::start);
    let ended = loop {
        match event_loop.turn() {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    #[cfg(any(test, feature = "microscope"))]
    if let Some(recording) = recording {
        recording.save()?;
    }
    // Destructors of the author's node and tasks run here, and may panic. The exit status
    // stays 0, since all replies are written.
    let _panic_at_the_end = crate::task::catch(|| drop(event_loop));
    ended
}
