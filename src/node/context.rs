//! The context: everything that a handler can do.

use super::call::Call;
use super::core::Core;
use super::kv::Kv;
use super::request::Request;
use super::tcp_echo::TcpEcho;
use super::timer::{Interval, Sleep};
use super::tso::Tso;
use super::update::Marks;
use crate::protocol::{Content, Error, Fields, RawRequest, ReplyKind, Result};
use crate::random::Random;
use crate::time::Instant;
use serde::Serialize;
use serde_json::value::RawValue;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A handle to the node's identity, its way out, its calls and its timers.
/// Clones are cheap and stand for the same node.
///
/// [`reply`](Context::reply) and [`send`](Context::send) never wait: what they
/// write leaves with the turn's other messages, in the order of the calls.
///
/// ```
/// # use eddyline::{Context, Result};
/// async fn ask(cx: Context) -> Result<()> {
///     let reply = cx.sync_rpc("n2", "who", &()).await?; // waits for n2, and holds nobody up
///     cx.log(format_args!("{} says {}", cx.node_id(), reply.raw_body()));
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Context {
    core: Rc<Core>,
}

impl Context {
    pub(crate) fn new(core: Rc<Core>) -> Context {
        Context { core }
    }

    /// This node's name.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # use serde_json::json;
    /// # fn whoami(cx: Context, request: Request) -> Result<()> {
    /// cx.reply(&request, &json!({ "name": cx.node_id() }))
    /// # }
    /// ```
    pub fn node_id(&self) -> &str {
        self.core.node_id()
    }

    /// The names of all nodes, this one among them, as `init` gave them.
    ///
    /// ```
    /// # use eddyline::Context;
    /// # fn owner<'a>(cx: &'a Context, key: usize) -> &'a str {
    /// let nodes = cx.node_ids();
    /// &nodes[key % nodes.len()]
    /// # }
    /// ```
    pub fn node_ids(&self) -> &[String] {
        self.core.init().map_or(&[], |init| &init.node_ids)
    }

    /// The names of all other nodes.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # use serde_json::json;
    /// # fn tell(cx: Context) -> Result<()> {
    /// for peer in cx.peers() {
    ///     cx.send(peer, "gossip", &json!({ "heard": 1 }))?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn peers(&self) -> impl Iterator<Item = &str> {
        let own = self.node_id();
        let names = self.node_ids().iter().map(String::as_str);
        names.filter(move |&name| name != own)
    }

    /// How many nodes are more than half of all: 3 of 5, and 3 of 4.
    ///
    /// See [`Call`] for how to ask all peers and wait for that many.
    ///
    /// ```
    /// # fn decided(cx: eddyline::Context, votes: usize) -> bool {
    /// votes >= cx.majority()
    /// # }
    /// ```
    pub fn majority(&self) -> usize {
        self.node_ids().len() / 2 + 1
    }

    /// Answers a request. The reply's type is the request's with `_ok` behind
    /// it; `fields` are all its other fields: anything that serialises to a JSON
    /// object, or `&()` for none.
    ///
    /// A request that wants no reply (it has no `msg_id`) gets none, and one
    /// that has its reply already gets no second one.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # use serde::Serialize;
    /// #[derive(Serialize)]
    /// struct ReadOk<'a> {
    ///     messages: &'a [u64],
    /// }
    ///
    /// # fn read(cx: Context, request: Request) -> Result<()> {
    /// cx.reply(&request, &ReadOk { messages: &[1, 2] })
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 13 when `fields` do not serialise to a JSON object.
    pub fn reply<T: Serialize + ?Sized>(&self, request: &Request, fields: &T) -> Result<()> {
        self.core
            .reply(request, ReplyKind::Ok(request.kind()), fields)
    }

    /// Answers a request with fields that came from elsewhere: a JSON object,
    /// whose `type`, `msg_id` and `in_reply_to` are replaced by those of this
    /// reply. With [`sync_rpc_raw`](Context::sync_rpc_raw) it passes a request on
    /// to whom it concerns:
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # async fn forward(cx: Context, request: Request) -> Result<()> {
    /// let reply = cx.sync_rpc_raw("n1", &request.body()?).await?;
    /// cx.reply_raw(&request, reply.raw_value()?)
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 12 when `fields` are not a JSON object.
    pub fn reply_raw(&self, request: &Request, fields: &RawValue) -> Result<()> {
        let fields = Fields::<()>::Raw(fields);
        self.core
            .reply_fields(request, ReplyKind::Ok(request.kind()), fields)
    }

    /// Answers a request with an error. Returning the error from the handler
    /// does the same; this is for requests that are answered elsewhere, such as
    /// ones that were kept.
    ///
    /// ```
    /// # use eddyline::{Context, Error, Request, Result};
    /// # fn drop_all(cx: Context, kept: Vec<Request>) -> Result<()> {
    /// let error = Error::temporarily_unavailable("no longer the leader");
    /// for request in kept {
    ///     cx.reply_error(&request, &error)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// None in practice: an error always serialises.
    pub fn reply_error(&self, request: &Request, error: &Error) -> Result<()> {
        self.core.reply_error(request, error)
    }

    /// Error 10, for the last arm of a handler's `match`.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # fn handle(cx: Context, request: Request) -> Result<()> {
    /// match request.kind() {
    ///     "ping" => cx.reply(&request, &()),
    ///     _ => cx.not_supported(&request),
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Always: that is the answer.
    pub fn not_supported(&self, request: &Request) -> Result<()> {
        Err(Error::not_supported(request.kind()))
    }

    /// Sends a message that wants no reply, of type `kind`.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # use serde_json::json;
    /// # fn tell(cx: Context) -> Result<()> {
    /// cx.send("n2", "gossip", &json!({ "heard": [1, 2] }))
    /// # }
    /// ```
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
    /// [`send`](Context::send). With `?` that error goes to whoever called us.
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
    /// See [`reply_raw`](Context::reply_raw) for passing the reply back.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # async fn forward(cx: Context, request: Request) -> Result<()> {
    /// let reply = cx.sync_rpc_raw("n1", &request.body()?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync_rpc_raw(&self, dest: &str, request: &RawRequest<'_>) -> Call {
        self.call(dest, request.kind(), Fields::<()>::Raw(request.body()))
    }

    fn call<T: Serialize + ?Sized>(&self, dest: &str, kind: &str, fields: Fields<'_, T>) -> Call {
        let dest = self.core.find(dest);
        let content = Content::new(self.core.pools().bytes(), kind, fields);
        Call::new(self.core.clone(), dest, content)
    }

    /// A client of `lin-kv`, the linearizable key-value service.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn next(cx: Context) -> Result<u64> {
    /// cx.lin_kv().update("last id", 0, |last| last + 1).await
    /// # }
    /// ```
    pub fn lin_kv(&self) -> Kv {
        Kv::new(self.clone(), "lin-kv")
    }

    /// A client of `seq-kv`, the sequentially consistent key-value service.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn sum(cx: Context) -> Result<u64> {
    /// Ok(cx.seq_kv().read("sum").await?.unwrap_or(0))
    /// # }
    /// ```
    pub fn seq_kv(&self) -> Kv {
        Kv::new(self.clone(), "seq-kv")
    }

    /// A client of `lww-kv`, the key-value service whose last write wins.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn remember(cx: Context) -> Result<()> {
    /// cx.lww_kv().write(["seen", cx.node_id()], true).await
    /// # }
    /// ```
    pub fn lww_kv(&self) -> Kv {
        Kv::new(self.clone(), "lww-kv")
    }

    /// A client of `lin-tso`, the timestamp oracle.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn unique(cx: Context) -> Result<u64> {
    /// cx.lin_tso().ts().await
    /// # }
    /// ```
    pub fn lin_tso(&self) -> Tso {
        Tso::new(self.clone())
    }

    pub(super) fn marks(&self) -> &Marks {
        &self.core.marks
    }

    /// How long a call waits unless it says otherwise.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn ping(cx: Context) -> Result<()> {
    /// let call = cx.sync_rpc("n2", "ping", &());
    /// call.timeout(cx.rpc_timeout() * 3).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rpc_timeout(&self) -> Duration {
        self.core.settings().rpc_timeout
    }

    /// The time now, by the node's clock; virtual in a simulation.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn measure(cx: Context) -> Result<()> {
    /// let begun = cx.now();
    /// cx.sync_rpc("n2", "ping", &()).await?;
    /// cx.log(format_args!("it took {:?}", cx.now().since(begun)));
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # use std::time::Duration;
    /// # async fn slow(cx: Context, request: Request) -> Result<()> {
    /// cx.sleep(Duration::from_millis(20)).await;
    /// cx.reply(&request, &())
    /// # }
    /// ```
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
    ///         // No `?`: it would end the task for good when the output is full.
    ///         let _lost = cx.send(peer, "gossip", &());
    ///     }
    /// }
    /// # }
    /// ```
    pub fn every(&self, period: Duration) -> Interval {
        Interval::new(self.core.clone(), period)
    }

    /// Runs a task beside the handlers. An error that it ends with is logged.
    ///
    /// ```
    /// # use eddyline::{Backoff, Context, Request, Result};
    /// # use serde_json::json;
    /// # use std::time::Duration;
    /// # fn add(cx: Context, request: Request, element: u64) -> Result<()> {
    /// let call = cx.sync_rpc("n2", "merge", &json!({ "elements": [element] }));
    /// let call = call.retry(Backoff::default()).timeout(Duration::from_secs(60));
    /// cx.spawn(async move { call.await.map(|_| ()) });
    /// cx.reply(&request, &())
    /// # }
    /// ```
    ///
    /// When [`SPAWNED_MAX`](crate::session::SPAWNED_MAX) tasks wait to start, it is
    /// dropped and that is logged; [`try_spawn`](Context::try_spawn) tells the caller.
    pub fn spawn(&self, task: impl Future<Output = Result<()>> + 'static) {
        self.core.spawn(Box::pin(task));
    }

    /// As [`spawn`](Context::spawn), for a task that must not be lost in silence.
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # use std::time::Duration;
    /// # fn later(cx: Context, request: Request) -> Result<()> {
    /// let context = cx.clone();
    /// cx.try_spawn(async move {
    ///     context.sleep(Duration::from_secs(1)).await;
    ///     context.reply(&request, &())
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 11 when too many tasks wait to start already: it was dropped.
    pub fn try_spawn(&self, task: impl Future<Output = Result<()>> + 'static) -> Result<()> {
        self.core.try_spawn(Box::pin(task))
    }

    /// The node's TCP echo server.
    ///
    /// ```
    /// # use eddyline::{Context, Result};
    /// # async fn start(cx: Context) -> Result<u16> {
    /// cx.tcp_echo().start(0).await
    /// # }
    /// ```
    pub fn tcp_echo(&self) -> TcpEcho {
        TcpEcho::new(self.core.clone())
    }

    /// Writes a line for people to stderr. stdout carries messages only.
    ///
    /// ```
    /// # fn tell(cx: eddyline::Context) {
    /// cx.log(format_args!("{} has won the election", cx.node_id()));
    /// # }
    /// ```
    pub fn log(&self, text: fmt::Arguments<'_>) {
        self.core.log(text);
    }
}
