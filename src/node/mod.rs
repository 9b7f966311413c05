//! The interface that authors write against: a [`Node`], and the [`Context`] that it acts through.
//!
//! The session builds the node, starts a handler for each request, and calls `shared` with
//! replies, time and outcomes. Nothing here knows descriptors or the reactor.
//!
//! ```text
//!   services  update  tcp_echo             clients that a context makes
//!              │
//!   context ── call ── retry ── sleep      what a handler holds and awaits
//!              │       task_handle, unblock
//!      messages ── shared                  one for each node
//!              │
//!   call_table  directory  outbox  operations  timers  marks  waits  settings
//!                         │
//!                      observer
//! ```
//!
//! Arrows point down: no file imports from one above it, and there are no circles.
//!
//! Read in this order: `context`, then `shared`; `messages`, `outbox` and `directory` for how a
//! message leaves, `observer` for what sees it; `call`, `call_table` and `retry` for the life of
//! a call; `sleep` and `timers`; `task_handle` and `unblock`;
//! `services`, `update` and `marks`; `operations` and `tcp_echo`. Requests and replies
//! are views of a `received_message`, whose memory is used again (`pools`). `reply_address` is a
//! request's address without its memory.

mod backoff;
mod call;
mod call_table;
mod context;
mod directory;
mod log;
mod marks;
mod messages;
mod observer;
mod operations;
mod outbox;
mod pools;
mod received_message;
mod reply;
mod reply_address;
mod request;
mod retry;
mod services;
mod settings;
mod shared;
mod sleep;
#[cfg(any(test, feature = "microscope"))]
mod snapshot;
mod task_handle;
mod tcp_echo;
mod timers;
mod unblock;
mod update;
mod waits;

pub use backoff::Backoff;
pub use call::{Call, Sent};
pub use call_table::CALLS_MAX;
pub use context::Context;
pub use marks::Marked;
pub use observer::{Direction, Observed, Verdict};
pub use operations::{
    OPERATION_BYTES_MAX, OPERATIONS_MAX, Operation, OperationId, Outcome, TcpEchoStats,
};
pub use reply::Reply;
pub use reply_address::ReplyAddress;
pub use request::Request;
pub use services::{Kv, Tso, TypedCall};
pub use settings::{Settings, Usage};
pub use shared::SPAWNED_MAX;
pub use sleep::{Interval, Sleep};
pub use task_handle::TaskHandle;
pub use tcp_echo::TcpEcho;
pub use timers::TIMERS_MAX;
pub use unblock::Unblock;

pub(crate) use log::Log;
pub(crate) use shared::{Shared, Task};
#[cfg(any(test, feature = "microscope"))]
pub(crate) use snapshot::SharedSnapshot;
pub(crate) use timers::too_many_timers;

use crate::protocol::Result;
use std::rc::Rc;

/// A node's behaviour.
///
/// A node is built from its `init` message, so its identity is never an `Option`. Each
/// request runs as a future of its own on one thread. Code between two `.await`s is atomic,
/// and a handler that waits delays nothing else.
///
/// ```
/// use eddyline::{Context, Node, Request, Result};
/// use serde_json::{Value, json};
/// use std::rc::Rc;
///
/// struct Echo;
///
/// impl Node for Echo {
///     fn new(_: &Context) -> Self {
///         Echo
///     }
///
///     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
///         match request.kind() {
///             "echo" => {
///                 let body: Value = request.body()?;
///                 cx.reply(&request, &json!({ "echo": body["echo"] }))
///             }
///             _ => cx.not_supported(&request),
///         }
///     }
/// }
/// ```
pub trait Node: Sized + 'static {
    /// Builds the node when its `init` message has come.
    fn new(cx: &Context) -> Self;

    /// Makes the node ready, before it answers `init` and before it serves. It is the place for
    /// work that all requests need done: a default that is written to a key-value service, a
    /// log that is read. It is ready at once unless the node says otherwise.
    ///
    /// ```
    /// # use eddyline::{Context, ErrorCode, Result};
    /// # use std::rc::Rc;
    /// # struct Counter;
    /// # impl Counter {
    /// /// Creates the counter's key, unless another node has.
    /// async fn setup(self: Rc<Self>, cx: Context) -> Result<()> {
    ///     match cx.seq_kv().cas_or_create("counter", 0, 0).await {
    ///         Err(error) if error.code != ErrorCode::PreconditionFailed => Err(error),
    ///         _ => Ok(()),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// Requests that arrive meanwhile wait, and are handled after it in their order.
    /// Beyond [`SETUP_REQUESTS_MAX`](crate::session::SETUP_REQUESTS_MAX) of them, or
    /// [`SETUP_BYTES_MAX`](crate::session::SETUP_BYTES_MAX), further ones are refused with
    /// error 11. Replies to the calls of the setup come through.
    ///
    /// An error that it returns answers the `init`, and is logged. The node then has no name,
    /// and the requests that waited are refused with error 11. Another `init` builds the node
    /// and sets it up again; tasks that the failed setup has spawned run on.
    fn setup(self: Rc<Self>, cx: Context) -> impl Future<Output = Result<()>> {
        let _nothing_to_do = cx;
        async { Ok(()) }
    }

    /// Runs beside the handlers. It begins just after `init_ok`, and before the first
    /// request's handler. It is the place for gossip and other work that no request starts. An error that it ends with is logged. In a
    /// simulation such an error ends the run, for nothing does that work any more, and so
    /// does a panic of this or of a spawned task.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # use std::{rc::Rc, time::Duration};
    /// # struct Heart;
    /// # impl Heart {
    /// async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
    ///     let mut ticks = cx.every(Duration::from_secs(1));
    ///     loop {
    ///         ticks.tick().await;
    ///         cx.log(format_args!("{} is alive", cx.node_id()));
    ///     }
    /// }
    /// # }
    /// ```
    fn start(self: Rc<Self>, cx: Context) -> impl Future<Output = Result<()>> {
        let _nothing_to_do = cx;
        async { Ok(()) }
    }

    /// Answers one request. An error that it returns is the reply. If it ends with neither a
    /// reply nor an error, the log says so.
    fn handle(self: Rc<Self>, cx: Context, request: Request) -> impl Future<Output = Result<()>>;
}
