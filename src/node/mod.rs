//! What authors write against: a [`Node`], and the [`Context`] that it acts through.

mod backoff;
mod call;
mod call_table;
mod context;
mod core;
mod directory;
mod kv;
mod operations;
mod outbox;
mod pools;
mod received_message;
mod reply;
mod request;
mod retry;
mod settings;
mod spawned;
mod tcp_echo;
mod timer;
mod timers;
mod tso;
mod typed_call;
mod update;
mod usage;

pub use backoff::Backoff;
pub use call::Call;
pub use call_table::CALLS_MAX;
pub use context::Context;
pub use kv::Kv;
pub use operations::{
    OPERATION_BYTES_MAX, OPERATIONS_MAX, Operation, OperationId, Outcome, TcpEchoStats,
};
pub use reply::Reply;
pub use request::Request;
pub use settings::Settings;
pub use spawned::SPAWNED_MAX;
pub use tcp_echo::TcpEcho;
pub use timer::{Interval, Sleep};
pub use timers::TIMERS_MAX;
pub use tso::Tso;
pub use typed_call::TypedCall;
pub use update::Marked;
pub use usage::Usage;

pub(crate) use self::core::{Core, Log};

use crate::protocol::Result;
use std::rc::Rc;

/// A node's behaviour.
///
/// A node is built from its `init` message, so its identity is never an
/// `Option`. Each request runs as a future of its own on one thread: code
/// between two `.await`s is atomic, and a handler that waits holds nobody up.
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
    /// Builds the node, when its `init` message has come.
    ///
    /// ```
    /// # use eddyline::Context;
    /// # struct Ring { next: Option<String> }
    /// # impl Ring {
    /// fn new(cx: &Context) -> Self {
    ///     Ring { next: cx.peers().next().map(str::to_owned) }
    /// }
    /// # }
    /// ```
    fn new(cx: &Context) -> Self;

    /// Runs beside the handlers, from just after `init_ok` on: the place for
    /// gossip and other things that happen by themselves.
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

    /// Answers one request. An error that it returns answers the caller; a
    /// handler that ends without either is logged.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # use std::rc::Rc;
    /// # struct Ping;
    /// # impl Ping {
    /// async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
    ///     match request.kind() {
    ///         "ping" => cx.reply(&request, &()),
    ///         _ => cx.not_supported(&request),
    ///     }
    /// }
    /// # }
    /// ```
    fn handle(self: Rc<Self>, cx: Context, request: Request) -> impl Future<Output = Result<()>>;
}
