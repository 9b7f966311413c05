//! The context: everything that a handler can do.
//!
//! It adds little of its own: calls are in `call`, sleeps in `sleep`, the rest in `shared`.
//! The clients of services and of the TCP echo server extend [`Context`] in their own files:
//! `services`, `tcp_echo`.
//!
//! Read next: `shared`, the state behind every context.

use super::call::Call;
use super::observer::{Observed, Verdict};
use super::reply_address::ReplyAddress;
use super::request::Request;
use super::shared::Shared;
use super::sleep::{Interval, Sleep};
use super::task_handle::TaskHandle;
use super::unblock::Unblock;
use crate::protocol::{Content, Error, ErrorFields, Fields, RawRequest, ReplyKind, Result};
use crate::random::Random;
use crate::time::Instant;
use serde::Serialize;
use serde_json::value::RawValue;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A handle to the node: its identity, its output, its calls and its timers.
/// Clones are cheap and stand for the same node.
///
/// [`reply`](Context::reply) and [`send`](Context::send) never wait. Their messages leave at
/// the end of the turn, in the order of the calls.
///
/// ```
/// # use eddyline::{Context, Result};
/// async fn ask(cx: Context) -> Result<()> {
///     let reply = cx.sync_rpc("n2", "status", &()).await?; // suspends this handler only
///     cx.log(format_args!("{} says {}", cx.node_id(), reply.raw_body()));
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Context {
    shared: Rc<Shared>,
}

impl Context {
    pub(crate) fn new(shared: Rc<Shared>) -> Context {
        Context { shared }
    }

    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.shared
    }

    /// This node's name.
    pub fn node_id(&self) -> &str {
        self.shared.node_id()
    }

    /// The names of all nodes, including this one, in the order of `init`.
    pub fn node_ids(&self) -> &[String] {
        self.shared.init().map_or(&[], |init| &init.node_ids)
    }

    /// The names of all other nodes.
    pub fn peers(&self) -> impl Iterator<Item = &str> {
        let own = self.node_id();
        let names = self.node_ids().iter().map(String::as_str);
        names.filter(move |&name| name != own)
    }

    /// The smallest number of nodes that is more than half of all: 3 of 5, and 3 of 4.
    ///
    /// [`Call`] has an example that waits for a majority.
    pub fn majority(&self) -> usize {
        self.node_ids().len() / 2 + 1
    }

    /// Answers a request. The reply's type is the request's type and `_ok`. `fields` are all
    /// its other fields: anything that serialises to a JSON object, or `&()` for none.
    ///
    /// A request without a `msg_id` wants no reply and gets none. A request that has its
    /// reply already gets no second one.
    ///
    /// If the fields have a `type`, as those of an enum with `#[serde(tag = "type")]` have, it
    /// is the reply's type. Only the request's own type means `…_ok`: its whole body was
    /// handed back.
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
    /// Error 13 if `fields` do not serialise to a JSON object, or contradict the reply's
    /// header: a `type` that is no string, a `msg_id` or an `in_reply_to` of another message. So
    /// the whole reply of another node is passed on with [`reply_raw`](Context::reply_raw).
    pub fn reply<T: Serialize + ?Sized>(&self, request: &Request, fields: &T) -> Result<()> {
        self.shared
            .reply(request, ReplyKind::Ok(request.kind()), fields)
    }

    /// Answers a request with a reply of type `kind`. Otherwise as [`reply`](Context::reply).
    ///
    /// ```
    /// # use eddyline::{Context, Request, Result};
    /// # use serde_json::json;
    /// # fn poll(cx: Context, request: Request, term: u64) -> Result<()> {
    /// cx.reply_as(&request, "ballot", &json!({ "term": term }))
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`reply`](Context::reply), and error 13 if `fields` have another `type` than `kind`.
    pub fn reply_as<T: Serialize + ?Sized>(
        &self,
        request: &Request,
        kind: &str,
        fields: &T,
    ) -> Result<()> {
        self.shared.reply(request, ReplyKind::Named(kind), fields)
    }

    /// Answers a request that another node has received, with a reply of type `kind`. Its
    /// sender need not be a name that this node has heard of. An address whose sender wants
    /// no reply gets none.
    ///
    /// [`ReplyAddress`] has an example. This node cannot know whether another reply to the
    /// same address was sent.
    ///
    /// # Errors
    /// As [`reply_as`](Context::reply_as). Error 11 if too much output waits for a slow reader.
    pub fn reply_to<T: Serialize + ?Sized>(
        &self,
        address: &ReplyAddress,
        kind: &str,
        fields: &T,
    ) -> Result<()> {
        self.shared
            .reply_to(address, ReplyKind::Named(kind), fields)
    }

    /// Answers a request that another node has received with an error.
    ///
    /// ```
    /// # use eddyline::{Context, Error, Result, node::ReplyAddress};
    /// # fn refuse(cx: Context, to: ReplyAddress) -> Result<()> {
    /// let error = Error::temporarily_unavailable("not the leader any more").with("leader", "n3");
    /// cx.reply_error_to(&to, &error)
    /// # }
    /// ```
    ///
    /// # Errors
    /// Error 11 if too much output waits for a slow reader.
    pub fn reply_error_to(&self, address: &ReplyAddress, error: &Error) -> Result<()> {
        self.shared
            .reply_to(address, ReplyKind::Error, &ErrorFields(error))
    }

    /// Answers a request with the reply of another node: a JSON object, whose `msg_id` and
    /// `in_reply_to` are replaced by those of this reply. Its type is treated as in
    /// [`reply`](Context::reply). Together with
    /// [`sync_rpc_raw`](Context::sync_rpc_raw) it passes a request on to another node:
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
    /// Error 12 if `fields` are not a JSON object, or have a `type` that is no string.
    pub fn reply_raw(&self, request: &Request, fields: &RawValue) -> Result<()> {
        let fields = Fields::<()>::Raw(fields);
        self.shared
            .reply_fields(request, ReplyKind::Ok(request.kind()), fields)
    }

    /// Answers a request with an error. A handler returns its error instead; this is for
    /// requests that were kept and are answered elsewhere:
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
        self.shared.reply_error(request, error)
    }

    /// Error 10, for the last arm of a handler's `match`.
    ///
    /// # Errors
    /// Always. A handler that returns it answers the request with it.
    pub fn not_supported(&self, request: &Request) -> Result<()> {
        Err(Error::not_supported(request.kind()))
    }

    /// Sends a message of type `kind` that wants no reply. `fields` are as in
    /// [`reply`](Context::reply).
    ///
    /// # Errors
    /// Error 1 if `dest` is no node, no service and no sender seen before: nothing is sent.
    /// Error 11 if too much output waits for a slow reader. Error 13 if `fields` do not
    /// serialise to a JSON object, have another `type` than `kind`, or a number: a message
    /// that wants no reply has none, and a call gets its number from this node.
    pub fn send<T: Serialize + ?Sized>(&self, dest: &str, kind: &str, fields: &T) -> Result<()> {
        self.shared.send(dest, kind, fields)
    }

    /// Calls `dest` with a request of type `kind`, and waits for the reply.
    ///
    /// The call ends with the reply, with the error that the other node replied, with error 0
    /// if no reply comes in time, or with one of the errors of [`send`](Context::send). With
    /// `?` that error goes to this node's own caller.
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

    /// Calls `dest` with a request that another node has sent. Its fields stay as they are;
    /// its `msg_id` is replaced by one of this node.
    ///
    /// [`reply_raw`](Context::reply_raw) has an example.
    pub fn sync_rpc_raw(&self, dest: &str, request: &RawRequest<'_>) -> Call {
        self.call(dest, request.kind(), Fields::<()>::Raw(request.body()))
    }

    fn call<T: Serialize + ?Sized>(&self, dest: &str, kind: &str, fields: Fields<'_, T>) -> Call {
        let dest = self.shared.find(dest);
        let content = Content::new(self.shared.pools().bytes(), kind, fields);
        Call::new(self.shared.clone(), dest, content)
    }

    /// How many calls of this node wait for a reply or for the end of their time. A call with
    /// retries counts once for each request without a reply.
    ///
    /// ```
    /// # use eddyline::{Context, Error, Result};
    /// # fn admit(cx: &Context) -> Result<()> {
    /// if cx.pending_calls() > 1_000 {
    ///     return Err(Error::temporarily_unavailable("the store is behind"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pending_calls(&self) -> usize {
        self.shared.usage().calls_waiting
    }

    /// The time that a call waits unless it has a timeout of its own.
    pub fn rpc_timeout(&self) -> Duration {
        self.shared.settings().rpc_timeout
    }

    /// The time since this process began, by a clock that never goes backwards; virtual in a
    /// simulation. Each life of a node begins at zero again.
    ///
    /// | for | use | because |
    /// |---|---|---|
    /// | deadlines, leases, durations | `now` | nothing sets this clock |
    /// | ids | [`random`](Context::random), drawn once in [`Node::new`](crate::Node::new), and a counter | after a restart `now` repeats, and `unix_time` may |
    /// | log lines, data for people | [`unix_time`](Context::unix_time) | it means the same on other machines, roughly |
    pub fn now(&self) -> Instant {
        self.shared.timers().now()
    }

    /// The time of day, as the time since the beginning of 1970 (UTC); virtual in a simulation.
    ///
    /// Clocks of two nodes differ, and a clock that is set jumps, forward or back. A simulation
    /// does both: see [`clock_skew`](crate::sim::Simulation::clock_skew) and
    /// [`clock_jumps`](crate::sim::Nemesis::clock_jumps). The table at [`now`](Context::now)
    /// tells which of the two clocks fits.
    ///
    /// A hybrid logical clock takes the later one of this time and the latest stamp that the node
    /// has made or received, and counts where it stands still. Its stamps follow causes and never
    /// go back within a life. A new life has seen no stamp, so an id needs a random part as well.
    ///
    /// ```
    /// # fn stamp(cx: &eddyline::Context) -> u128 {
    /// cx.unix_time().as_millis()
    /// # }
    /// ```
    pub fn unix_time(&self) -> Duration {
        self.shared.timers().unix_time()
    }

    /// Calls `draw` with the node's random numbers. In a simulation they repeat with the
    /// run's seed.
    ///
    /// ```
    /// # fn jitter(cx: &eddyline::Context) -> u64 {
    /// cx.random(|random| random.below(10))
    /// # }
    /// ```
    pub fn random<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        // A fork instead of a borrow: `draw` is the author's code and may call this again.
        let mut fork = self.shared.random().borrow_mut().fork();
        draw(&mut fork)
    }

    /// Waits for `duration`. It suspends this handler only.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::until(self.shared.clone(), self.now() + duration)
    }

    /// Ticks every `period` (at least a millisecond). The first tick comes after one period.
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
        Interval::new(self.shared.clone(), period)
    }

    /// Runs a task beside the handlers. Its handle can be awaited, aborted, or dropped: then the
    /// task runs on, and an error that it ends with is logged. A panic is
    /// logged too, and ends the run in a simulation.
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
    /// If [`SPAWNED_MAX`](crate::session::SPAWNED_MAX) tasks are waiting to start already, the
    /// task is dropped. Awaiting its handle ends with error 11. Without that the log says so.
    pub fn spawn(&self, task: impl Future<Output = Result<()>> + 'static) -> TaskHandle {
        self.spawn_returning(task)
    }

    /// As [`spawn`](Context::spawn), for a task with a result. (For [`spawn`](Context::spawn) the
    /// compiler knows the type of a task that loops for ever.)
    ///
    /// [`TaskHandle`] has an example.
    pub fn spawn_returning<T: 'static>(
        &self,
        task: impl Future<Output = Result<T>> + 'static,
    ) -> TaskHandle<T> {
        TaskHandle::spawn(self.shared.clone(), task)
    }

    /// As [`spawn`](Context::spawn), but the caller learns at once that the task was dropped.
    ///
    /// # Errors
    /// Error 11 if too many tasks are waiting to start already.
    pub fn try_spawn(
        &self,
        task: impl Future<Output = Result<()>> + 'static,
    ) -> Result<TaskHandle> {
        self.spawn(task).into_accepted()
    }

    /// Runs a closure that blocks or computes for long on another thread, and waits for its result.
    /// It suspends this handler only.
    ///
    /// ```
    /// # use eddyline::{Context, Error, Request, Result};
    /// # use serde_json::json;
    /// # async fn load(cx: Context, request: Request) -> Result<()> {
    /// let text = cx.unblock(|| std::fs::read_to_string("/etc/hostname")).await?;
    /// let name = text.map_err(|error| Error::crash(error.to_string()))?;
    /// cx.reply(&request, &json!({ "name": name }))
    /// # }
    /// ```
    ///
    /// - The closure starts when this is first awaited. [`spawn`](Context::spawn) starts it while the
    ///   handler goes on.
    /// - It owns all that it uses: clone what it needs before, and change the node with its result.
    /// - If this is dropped, a closure that waits for a thread never runs. One that runs goes on to
    ///   its end, and its result is dropped.
    /// - Up to 16 closures run at once. If they wait for each other, none may end.
    /// - At the end of the process, a closure that runs is cut off.
    /// - In a simulation it runs at once, on the node's thread, and takes no virtual time.
    ///
    /// # Errors
    /// Error 11 if 16,384 closures are waiting for a thread already, or no thread can be started.
    /// Error 13 if the closure panics. The panic is logged too.
    pub fn unblock<T: Send + 'static>(
        &self,
        closure: impl FnOnce() -> T + Send + 'static,
    ) -> Unblock<T> {
        Unblock::new(self.shared.clone(), closure)
    }

    /// Calls `observer` with each message that comes to this node or leaves it from now on:
    /// requests, replies, replies to calls, errors and refusals. It decides whether the message
    /// goes its way. The best place is [`Node::new`](super::Node::new): then the `init` is the
    /// first message that it sees. There is one observer; a later one replaces it.
    ///
    /// A node that keeps a log of its messages:
    ///
    /// ```
    /// use eddyline::{Context, node::{Direction, Verdict}};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// fn log_of(cx: &Context) -> Rc<RefCell<Vec<String>>> {
    ///     let log = Rc::new(RefCell::new(Vec::new()));
    ///     let lines = log.clone();
    ///     cx.observe(move |message| {
    ///         lines.borrow_mut().push(format!("{:?} {}", message.time, message.line()));
    ///         Verdict::Pass
    ///     });
    ///     log
    /// }
    /// ```
    ///
    /// A node that loses a tenth of what it sends to its peers:
    ///
    /// ```
    /// # use eddyline::{Context, node::{Direction, Verdict}};
    /// fn lose_some(cx: &Context) {
    ///     let dice = cx.clone();
    ///     cx.observe(move |message| {
    ///         let to_peer = dice.peers().any(|peer| peer == message.envelope.dest);
    ///         let is_lost = message.direction == Direction::Out
    ///             && to_peer
    ///             && dice.random(|random| random.below(10) == 0);
    ///         if is_lost { Verdict::Drop } else { Verdict::Pass }
    ///     });
    /// }
    /// ```
    ///
    /// Messages that the observer sends itself are not shown to it. If it panics, the log says
    /// so and the message goes its way. Lines that are no messages, and messages before `init`,
    /// are not shown.
    pub fn observe(&self, observer: impl FnMut(Observed<'_>) -> Verdict + 'static) {
        self.shared.observe(Box::new(observer));
    }

    /// Writes a line for people to stderr. stdout carries messages only.
    pub fn log(&self, text: fmt::Arguments<'_>) {
        self.shared.log(text);
    }
}
