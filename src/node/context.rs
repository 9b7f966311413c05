//! The context: everything that a handler can do.

use super::call::Call;
use super::core::Core;
use super::request::Request;
use super::tcp_echo::TcpEcho;
use super::timer::{Interval, Sleep};
use crate::protocol::{Content, Error, Fields, RawRequest, Result};
use crate::random::Random;
use crate::time::Instant;
use serde::Serialize;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A handle to the node's identity, its way out, its calls and its timers.
/// Clones are cheap and stand for the same node.
///
/// [`reply`](Context::reply) and [`send`](Context::send) never wait: what they
/// write leaves with the turn's other messages, in the order of the calls.
#[derive(Clone)]
pub struct Context {
    core: Rc<Core>,
}

impl Context {
    pub(crate) fn new(core: Rc<Core>) -> Context {
        Context { core }
    }

    /// This node's name.
    pub fn node_id(&self) -> &str {
        self.core.node_id()
    }

    /// The names of all nodes, this one among them, as `init` gave them.
    pub fn node_ids(&self) -> &[String] {
        self.core.init().map_or(&[], |init| &init.node_ids)
    }

    /// The names of all other nodes.
    pub fn peers(&self) -> impl Iterator<Item = &str> {
        let own = self.node_id();
        let names = self.node_ids().iter().map(String::as_str);
        names.filter(move |&name| name != own)
    }

    /// Answers a request. The reply's type is the request's with `_ok` behind
    /// it; `fields` are all its other fields: anything that serialises to a JSON
    /// object, or `&()` for none.
    ///
    /// A request that wants no reply (it has no `msg_id`) gets none, and one
    /// that has its reply already gets no second one.
    ///
    /// # Errors
    /// Error 13 when `fields` do not serialise to a JSON object.
    pub fn reply<T: Serialize + ?Sized>(&self, request: &Request, fields: &T) -> Result<()> {
        self.core.reply(request, (request.kind(), "_ok"), fields)
    }

    /// Answers a request with an error. Returning the error from the handler
    /// does the same.
    ///
    /// # Errors
    /// None in practice: an error always serialises.
    pub fn reply_error(&self, request: &Request, error: &Error) -> Result<()> {
        self.core.reply_error(request, error)
    }

    /// Error 10, for the last arm of a handler's `match`.
    ///
    /// # Errors
    /// Always: that is the answer.
    pub fn not_supported(&self, request: &Request) -> Result<()> {
        Err(Error::not_supported(request.kind()))
    }

    /// Sends a message that wants no reply, of type `kind`.
    ///
    /// # Errors
    /// Error 1 when `dest` is no node, service or sender seen before: nothing
    /// is sent. Error 11 when too much waits for a slow reader. Error 13 when
    /// `fields` do not serialise to a JSON object.
    pub fn send<T: Serialize + ?Sized>(&self, dest: &str, kind: &str, fields: &T) -> Result<()> {
        self.core.send(dest, kind, fields)
    }

    /// Calls `dest` with a request of type `kind`, and waits for the reply.
    ///
    /// The call ends with the reply, with the error that the other side replied,
    /// with error 0 when no reply comes in time, or with the errors of
    /// [`send`](Context::send).
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # use serde_json::{Value, json};
    /// # use std::time::Duration;
    /// # async fn read(cx: Context) -> Result<()> {
    /// let call = cx.sync_rpc("lin-kv", "read", &json!({"key": "x"}));
    /// let reply = call.timeout(Duration::from_millis(200)).await?;
    /// let body: Value = reply.body()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync_rpc<T: Serialize + ?Sized>(&self, dest: &str, kind: &str, fields: &T) -> Call {
        self.call(dest, kind, Fields::Typed(fields))
    }

    /// Calls `dest` with a request that came from elsewhere. Its fields go out as
    /// they are; its `msg_id` is replaced by one of ours.
    pub fn sync_rpc_raw(&self, dest: &str, request: &RawRequest<'_>) -> Call {
        self.call(dest, request.kind(), Fields::<()>::Raw(request.body()))
    }

    fn call<T: Serialize + ?Sized>(&self, dest: &str, kind: &str, fields: Fields<'_, T>) -> Call {
        let dest = self.core.find(dest);
        let content = Content::new(self.core.spares().bytes(), kind, fields);
        Call::new(self.core.clone(), dest, content)
    }

    /// How long a call waits unless it says otherwise.
    pub fn rpc_timeout(&self) -> Duration {
        self.core.settings().rpc_timeout
    }

    /// The time now, by the node's clock.
    pub fn now(&self) -> Instant {
        self.core.timers().now()
    }

    /// Random numbers: `draw` is given the node's generator. In a simulation they
    /// replay with the run's seed.
    ///
    /// ```
    /// # fn jitter(cx: &eddyline::Context) -> u64 {
    /// cx.random(|random| random.below(10))
    /// # }
    /// ```
    pub fn random<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        // Forked, not borrowed: `draw` is the author's code and may ask again.
        let mut fork = self.core.random().borrow_mut().fork();
        draw(&mut fork)
    }

    /// Waits for `duration`, and holds nobody up.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::until(self.core.clone(), self.now() + duration)
    }

    /// Ticks every `period` (at least a millisecond), the first time after one.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # use std::time::Duration;
    /// # async fn gossip(cx: Context) -> Result<()> {
    /// let mut ticks = cx.every(Duration::from_millis(100));
    /// loop {
    ///     ticks.tick().await;
    ///     for peer in cx.peers() {
    ///         cx.send(peer, "gossip", &())?;
    ///     }
    /// }
    /// # }
    /// ```
    pub fn every(&self, period: Duration) -> Interval {
        Interval::new(self.core.clone(), period)
    }

    /// Runs a task beside the handlers. An error that it ends with is logged.
    pub fn spawn(&self, task: impl Future<Output = Result<()>> + 'static) {
        self.core.spawn(Box::pin(task));
    }

    /// The node's TCP echo server.
    pub fn tcp_echo(&self) -> TcpEcho {
        TcpEcho::new(self.core.clone())
    }

    /// Writes a line for people to stderr. stdout carries messages only.
    pub fn log(&self, text: fmt::Arguments<'_>) {
        self.core.log(text);
    }
}
