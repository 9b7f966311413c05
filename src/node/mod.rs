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
//!   call_table  directory  outbox  operations  timers  marks
//! ```
//!
//! Arrows point down: no file imports from one above it, and there are no circles.
//!
//! Read in this order: `context`, then `shared`; `messages`, `outbox` and `directory` for how a
//! message leaves; `call`, `call_table` and `retry` for the life of a call; `sleep` and `timers`; `task_handle` and `unblock`;
//! `services`, `update` and `marks`; `operations` and `tcp_echo`. Requests and replies
//! are views of a `received_message`, whose memory is used again (`pools`).

mod backoff;
mod call;
mod call_table;
mod context;
mod directory;
mod marks;
mod messages;
mod operations;
mod outbox;
mod pools;
mod received_message;
mod reply;
mod request;
mod retry;
mod services;
mod shared;
mod sleep;
mod task_handle;
mod tcp_echo;
mod timers;
mod unblock;
mod update;

pub use backoff::Backoff;
pub use call::{Call, Sent};
pub use call_table::CALLS_MAX;
pub use context::Context;
pub use marks::Marked;
pub use operations::{
    OPERATION_BYTES_MAX, OPERATIONS_MAX, Operation, OperationId, Outcome, TcpEchoStats,
};
pub use reply::Reply;
pub use request::Request;
pub use services::{Kv, Tso, TypedCall};
pub use shared::{SPAWNED_MAX, Settings, Usage};
pub use sleep::{Interval, Sleep};
pub use task_handle::TaskHandle;
pub use tcp_echo::TcpEcho;
pub use timers::TIMERS_MAX;
pub use unblock::Unblock;

pub(crate) use shared::{Log, Shared, Task};
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

    /// Runs beside the handlers, from just after `init_ok` on. It is the place for gossip and
    /// other work that no request starts.
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
