//! The runtime: one thread that drives a session, stdio and sockets on the reactor.
//!
//! The only room that knows all others. Everything that happens, happens in a
//! turn; [`turn`](event_loop::EventLoop::turn) is the whole program.

mod diagnostics;
mod event_loop;
mod phase;
mod send_queue;
mod source;
mod stdin;
mod stdout;
mod tcp_echo;
mod tcp_sends;
mod tcp_server;

pub(crate) use event_loop::EventLoop;

/// What the lab checks against.
#[cfg(any(test, feature = "lab"))]
pub(crate) use counts::COUNT_WAIT_MAX;
#[cfg(test)]
pub(crate) use {
    event_loop::{DEFER_MAX, TASK_POLLS_PER_TURN},
    phase::{DRAIN_DEADLINE, LAST_TURNS_MAX},
};

use crate::node::{Context, Node};
use crate::session::Settings;
use crate::sys::Streams;
use crate::time::MonotonicClock;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

/// What a node process can be told.
///
/// ```
/// let options = eddyline::Options {
///     rpc_timeout: std::time::Duration::from_millis(200),
///     ..eddyline::Options::default()
/// };
/// assert!(options.tcp_bind.is_loopback() && options.seed.is_none());
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a call waits for its reply unless it says otherwise: 1 s.
    pub rpc_timeout: Duration,
    /// The address that TCP echo binds: 127.0.0.1, so that nobody outside this
    /// machine reaches it unless told otherwise.
    pub tcp_bind: IpAddr,
    /// What the node's random numbers are drawn from; `None` for a seed that the
    /// system picks, another one for each process.
    pub seed: Option<u64>,
    /// The longest line that is taken, in bytes without its newline: 16 MiB. A
    /// longer one is named on stderr and skipped. It bounds what one sender can
    /// make the node hold, some three times as much: the line, the request, and
    /// an echo of it.
    pub line_bytes_max: usize,
    /// How many TCP connections may be open at once: 65,536. Further clients wait
    /// in the listener's queue until one leaves.
    pub tcp_connections_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            rpc_timeout: Settings::default().rpc_timeout,
            tcp_bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            seed: None,
            line_bytes_max: crate::wire::LINE_BYTES_MAX,
            tcp_connections_max: crate::tcp::CONNECTIONS_MAX,
        }
    }
}

/// Runs a node on stdin and stdout until stdin ends or nobody reads stdout any
/// more.
///
/// stdin and stdout belong to the protocol from here on: what the process
/// prints elsewhere, `println!` included, goes to stderr.
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
/// When stdin or stdout cannot be used at all: the system's own error, with
/// what was tried.
pub fn run<N: Node>() -> io::Result<()> {
    run_with(N::new, Options::default())
}

/// Like [`run`], for a node that `build` makes, with options.
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
/// As [`run`].
pub fn run_with<N: Node>(
    build: impl Fn(&Context) -> N + 'static,
    options: Options,
) -> io::Result<()> {
    crate::task::capture_panic_places();
    let clock = Rc::new(MonotonicClock::start());
    let mut event_loop = EventLoop::new(build, &options, Streams::take()?, clock)?;
    let ended = loop {
        match event_loop.turn() {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    // Destructors of the author's node and tasks run here, and may panic; the
    // replies are written, and that is what the exit status tells.
    let _panic_at_the_end = crate::task::catch(|| drop(event_loop));
    ended
}
