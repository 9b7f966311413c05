//! A session: a whole node without file descriptors.
//!
//! ```text
//!   lines, outcomes, time ──> session ──> bytes, operations, deadlines
//!                                │
//!                 host: the author's node and its tasks
//!                                │
//!                 node::Shared: calls, timers, output
//! ```
//!
//! Nothing here asks the operating system for anything, so a session on a virtual clock
//! replays exactly. quinn-proto and h2 are built in the same way, and two of their endpoints
//! can talk inside one test.
//!
//! The session decides the fate of each line (`dispatch`). `runtime` drives it with real
//! descriptors, `sim` on virtual time.
//!
//! Read next: `host`, which runs the handlers; then the room `node`.

mod host;
mod stopwatch;

pub use crate::node::{CALLS_MAX, OPERATION_BYTES_MAX, OPERATIONS_MAX, SPAWNED_MAX, TIMERS_MAX};
pub use crate::node::{Operation, OperationId, Outcome, Settings, TcpEchoStats, Usage};
pub use host::{HELD_BYTES_MAX, TASKS_MAX};

use crate::node::{Context, Log, Node, Request, Shared};
use crate::protocol::{
    Envelope, Error, Excerpt, Header, Init, MsgId, Parser, Quote, ReplyKind, ReplyTo, Result,
    parse_body,
};
use crate::task::{ReadyQueue, Threads};
use crate::time::{Clock, Instant, TimerId};
use crate::wire::OutputBuffer;
use host::{Host, host};
use std::cell::RefMut;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// A whole node without file descriptors.
///
/// Its owner has the descriptors and the clock, and calls it in turns. A turn has these
/// steps, in this order:
///
/// 1. [`receive`](Session::receive) each line that has arrived, unless the output
///    [is congested](Session::is_congested). This may produce output, operations, deadlines
///    and ready tasks. [`end_input`](Session::end_input) follows the last line of all.
/// 2. [`complete_operation`](Session::complete_operation) for each operation on sockets that
///    has ended. This produces ready tasks only.
/// 3. [`expire`](Session::expire), if the [next deadline](Session::next_deadline) has come.
///    This produces ready tasks only. It follows the lines, so that a reply that has arrived
///    beats its own timeout.
/// 4. [`run_tasks`](Session::run_tasks). This may produce output, operations, deadlines and
///    further ready tasks.
/// 5. [`next_operation`](Session::next_operation) until it returns `None`. The owner carries
///    each one out, and completes it in this or a later turn.
/// 6. [`output`](Session::output): write the bytes and consume those that were written.
/// 7. Wait for more lines, for operations in flight, for the next deadline, and for a waker:
///    see [`ready_queue`](Session::ready_queue). Do not wait if
///    [a task is ready](Session::has_ready_tasks).
///
/// Another order breaks nothing, but may delay output or end a call too early.
///
/// ```
/// use eddyline::session::{Session, Settings};
/// use eddyline::time::VirtualClock;
/// # use eddyline::{Context, Node, Request, Result};
/// # use std::rc::Rc;
/// # struct Ping;
/// # impl Node for Ping {
/// #     fn new(_: &Context) -> Self { Ping }
/// #     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
/// #         cx.reply(&request, &())
/// #     }
/// # }
///
/// let clock = VirtualClock::default();
/// let mut session = Session::new(Ping::new, Settings::default(), Rc::new(clock), |_| {});
/// let init = r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,
///     "node_id":"n1","node_ids":["n1"]}}"#;
/// session.receive(init.as_bytes());
/// session.receive(br#"{"src":"c1","dest":"n1","body":{"type":"ping","msg_id":2}}"#);
/// assert_eq!(
///     session.take_output(),
///     "{\"src\":\"n1\",\"dest\":\"c0\",\"body\":{\"type\":\"init_ok\",\"msg_id\":0,\"in_reply_to\":1}}\n\
///      {\"src\":\"n1\",\"dest\":\"c1\",\"body\":{\"type\":\"ping_ok\",\"msg_id\":1,\"in_reply_to\":2}}\n",
/// );
/// ```
pub struct Session {
    shared: Rc<Shared>,
    host: Box<dyn Host>,
    identity: Identity,
    parser: Parser,
    /// The number of the last line.
    line_number: u64,
}

/// ```text
///              init
///   nameless ────────> named ───┐
///                        ^      │ init again: the same identity only
///                        └──────┘
/// ```
enum Identity {
    /// No `init` has come. Every request is refused.
    Nameless,
    /// The node is built.
    Named(Context),
}

impl Session {
    /// A session for the node that `build` makes when `init` has come. Lines for people go to
    /// `log`, without a newline.
    pub fn new<N: Node>(
        build: impl Fn(&Context) -> N + 'static,
        settings: Settings,
        clock: Rc<dyn Clock>,
        log: impl Fn(fmt::Arguments<'_>) + 'static,
    ) -> Session {
        let log: Log = Box::new(log);
        Session {
            shared: Rc::new(Shared::new(settings, clock, log)),
            host: host(build),
            identity: Identity::Nameless,
            parser: Parser::default(),
            line_number: 0,
        }
    }

    /// Receives one line, without its newline. A request's handler runs at once,
    /// until it waits or ends.
    pub fn receive(&mut self, line: &[u8]) {
        self.line_number += 1;
        // Matched by reference. To move the envelope would take as long as to find the line.
        match &self.parser.parse(line) {
            Ok(envelope) => self.dispatch(envelope),
            Err(why) => self.log_line(format_args!("not a message: {why}: {}", Excerpt(line))),
        }
    }

    /// Says that no further line follows for now. The session times its handlers, and the owner's own
    /// work between two batches of lines is then not taken for a handler's.
    pub(crate) fn rest(&mut self) {
        self.host.rest(&self.shared);
    }

    /// Counts and logs a line that was longer than `line_bytes_max`, the owner's limit.
    /// `excerpt` is its beginning.
    pub fn receive_too_long(&mut self, excerpt: &[u8], line_bytes_max: usize) {
        self.line_number += 1;
        let excerpt = Excerpt(excerpt);
        self.log_line(format_args!(
            "longer than {line_bytes_max} bytes, skipped: {excerpt}"
        ));
    }

    /// Decides the fate of a message: logged, refused, given to the call that it is a reply to, or
    /// given to a handler.
    fn dispatch(&mut self, envelope: &Envelope<'_>) {
        if let Identity::Named(cx) = &self.identity
            && envelope.dest != cx.node_id()
        {
            let (dest, own) = (Quote(&envelope.dest), Quote(cx.node_id()));
            return self.log_line(format_args!(
                "ignored: its destination is {dest}, not {own}"
            ));
        }
        let header = &envelope.header;
        let is_reply = matches!(header.in_reply_to, ReplyTo::Call(_) | ReplyTo::Unknown);
        if header.kind.as_deref() == Some("init") && !is_reply {
            return self.init(envelope);
        }
        let Identity::Named(cx) = &self.identity else {
            let error = Error::temporarily_unavailable("this node has received no init yet");
            return self.refuse(envelope, &error);
        };
        let src = self.shared.sender(&envelope.src);
        match header.in_reply_to {
            ReplyTo::Call(msg_id) => self.shared.complete_call(msg_id, src, envelope),
            ReplyTo::Unknown => self.shared.ignore_reply(),
            ReplyTo::Absent | ReplyTo::Invalid => match malformed(header) {
                None => {
                    let request = Request::new(self.shared.pools().keep(envelope));
                    self.shared.set_requester(src);
                    self.host.handle(&self.shared, cx, request);
                    self.shared.set_requester(None);
                }
                Some(error) => self.refuse(envelope, &error),
            },
        }
    }

    /// Builds the node, or answers a repeated `init`.
    #[inline(never)]
    fn init(&mut self, envelope: &Envelope<'_>) {
        if let Some(error) = malformed(&envelope.header) {
            return self.refuse(envelope, &error);
        }
        let init: Init = match parse_body(envelope.body, "init") {
            Ok(init) => init,
            Err(error) => return self.refuse(envelope, &error),
        };
        if init.node_id.is_empty() {
            let error = Error::malformed_request("malformed \"init\": field `node_id`: empty");
            return self.refuse(envelope, &error);
        }
        if let Err(error) = self.shared.identify(init) {
            return self.refuse(envelope, &error);
        }
        let request = Request::new(self.shared.pools().keep(envelope));
        if let Identity::Nameless = self.identity {
            let cx = Context::new(self.shared.clone());
            if let Err(panic) = self.host.build(&cx) {
                self.log_line(format_args!("building the node {panic}"));
                let text = format!("building the node panicked: {}", panic.message);
                return self.refuse(envelope, &Error::crash(text));
            }
            self.host.start(&self.shared, &cx);
            self.identity = Identity::Named(cx);
        }
        self.shared.sender(&envelope.src);
        if let Err(error) = self.shared.reply(&request, ReplyKind::Ok("init"), &()) {
            self.log_line(format_args!("init could not be answered: {error}"));
        }
    }

    /// Answers a message that no handler will see, or logs it if it wants no reply.
    fn refuse(&self, envelope: &Envelope<'_>, error: &Error) {
        match (envelope.header.msg_id, envelope.header.in_reply_to) {
            (_, ReplyTo::Call(_) | ReplyTo::Unknown) => self.shared.ignore_reply(),
            (MsgId::Integer(msg_id), _) => self.shared.refuse(envelope, msg_id, error),
            _ => {
                let excerpt = Excerpt(envelope.body.as_bytes());
                self.log_line(format_args!("ignored: {error}: {excerpt}"));
            }
        }
    }

    /// Logs a line for people, as the session itself does.
    pub fn log(&self, text: fmt::Arguments<'_>) {
        self.shared.log(text);
    }

    fn log_line(&self, text: fmt::Arguments<'_>) {
        self.shared
            .log(format_args!("line {}: {text}", self.line_number));
    }

    /// Fires the timers that are due at `now`.
    ///
    /// ```
    /// # use eddyline::{session::Session, time::VirtualClock};
    /// fn skip_to_the_next_timer(session: &mut Session, clock: &VirtualClock) {
    ///     if let Some(deadline) = session.next_deadline() {
    ///         clock.advance_to(deadline);
    ///         session.expire(deadline);
    ///         session.run_tasks(usize::MAX);
    ///     }
    /// }
    /// ```
    pub fn expire(&mut self, now: Instant) {
        self.shared.expire(now);
        self.shared.end_step();
    }

    /// Polls up to `polls` tasks that are ready. Returns whether more are.
    ///
    /// Spawned tasks and woken ones take turns. If only one kind is ready, it gets all polls.
    pub fn run_tasks(&mut self, polls: usize) -> bool {
        let is_more_ready = self.host.run(&self.shared, polls);
        self.shared.end_step();
        is_more_ready
    }

    /// Whether [`run_tasks`](Session::run_tasks) would poll a task. The owner should not wait
    /// before it has called that.
    pub fn has_ready_tasks(&self) -> bool {
        self.host.is_ready(&self.shared)
    }

    /// When to call [`expire`](Session::expire) next; `None` without timers. It
    /// may be before the first timer is due, never after.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.shared.timers().next_deadline()
    }

    /// The time now, read from the clock.
    pub(crate) fn now(&self) -> Instant {
        self.shared.timers().now()
    }

    /// Arms a deadline of the owner on the session's wheel. When it is due,
    /// [`expire`](Session::expire) hands out its key through `next_expired`.
    pub(crate) fn arm_owner(&self, deadline: Instant, key: u64) -> TimerId {
        self.shared.timers().arm_owner(deadline, key)
    }

    /// Disarms a deadline of the owner; without effect if it was due.
    pub(crate) fn disarm_owner(&self, timer: TimerId) {
        self.shared.timers().disarm_owner(timer);
    }

    /// Takes the next key of the owner that is due.
    pub(crate) fn next_expired(&self) -> Option<u64> {
        self.shared.timers().next_expired()
    }

    /// The queue of woken tasks, for an owner that waits. A waker may be used by another thread
    /// meanwhile.
    ///
    /// ```
    /// # fn wait(session: &eddyline::session::Session) {
    /// session.ready_queue().on_unpark(|| { /* write to the pipe that the loop waits for */ });
    /// if session.ready_queue().park() {
    ///     // … wait for readiness …
    /// }
    /// session.ready_queue().unpark();
    /// # }
    /// ```
    pub fn ready_queue(&self) -> &Arc<ReadyQueue> {
        self.host.ready_queue()
    }

    /// Sets the threads for closures that block. Without them each closure runs at once, in the poll
    /// that starts it.
    pub fn set_threads(&mut self, threads: impl Threads + 'static) {
        self.shared.set_threads(Rc::new(threads));
    }

    /// The bytes to write. The borrow must end before the next call.
    ///
    /// ```
    /// # use eddyline::session::Session;
    /// fn flush(session: &mut Session, out: &mut impl std::io::Write) -> std::io::Result<()> {
    ///     let mut output = session.output();
    ///     let written = out.write(output.pending())?;
    ///     output.consume(written);
    ///     Ok(())
    /// }
    /// ```
    pub fn output(&mut self) -> RefMut<'_, OutputBuffer> {
        self.shared.outbox().output()
    }

    /// Takes all pending output, as text.
    pub fn take_output(&mut self) -> String {
        let mut output = self.output();
        let text = String::from_utf8_lossy(output.pending()).into_owned();
        let len = output.len();
        output.consume(len);
        text
    }

    /// Whether the reader of the output is so far behind that no more lines
    /// should be received.
    pub fn is_congested(&self) -> bool {
        self.shared.outbox().output().is_congested()
    }

    /// The next operation on sockets that a handler has submitted.
    ///
    /// ```
    /// # use eddyline::{Error, session::Session};
    /// fn refuse_all(session: &mut Session) {
    ///     while let Some((id, _)) = session.next_operation() {
    ///         session.complete_operation(id, Err(Error::not_supported("sockets")));
    ///     }
    /// }
    /// ```
    pub fn next_operation(&mut self) -> Option<(OperationId, Operation)> {
        self.shared.next_operation()
    }

    /// The number of requests that want a reply, have none, and whose handlers have not ended.
    pub(crate) fn unanswered(&self) -> usize {
        self.host.unanswered()
    }

    /// The sender of the request that an operation was submitted for, as a number. `None` if
    /// the handler had waited for something before, or the sender is not remembered.
    pub(crate) fn requester(&self, id: OperationId) -> Option<u32> {
        self.shared.requester(id)
    }

    /// Whether [`next_operation`](Session::next_operation) would return one.
    pub fn has_operations(&self) -> bool {
        self.shared.has_operations()
    }

    /// The number of operations without an outcome. An outcome that its future has not
    /// taken is not counted: nothing outside of the session can end it.
    pub(crate) fn operations_in_flight(&self) -> usize {
        self.shared.operations_in_flight()
    }

    /// Gives an operation its outcome, and makes its task ready.
    pub fn complete_operation(&mut self, id: OperationId, outcome: Result<Outcome>) {
        self.shared.complete_operation(id, outcome);
    }

    /// Tells the session that no more lines will come. Calls that wait get no reply any more,
    /// and no error 0 either: their handlers stay suspended.
    pub fn end_input(&mut self) {
        self.shared.end_input();
    }

    /// How much of each bounded resource is in use.
    ///
    /// ```
    /// # fn look(session: &eddyline::session::Session) {
    /// let usage = session.usage();
    /// assert!(usage.calls_waiting <= usage.timers); // each has its own
    /// # }
    /// ```
    pub fn usage(&self) -> Usage {
        let mut usage = self.shared.usage();
        usage.tasks += self.host.tasks();
        usage
    }

    /// The number of replies for which no call was waiting.
    pub fn ignored_replies(&self) -> u64 {
        self.shared.ignored_replies()
    }
}

/// The error for a request with a malformed header.
#[inline(always)]
fn malformed(header: &Header<'_>) -> Option<Error> {
    let text = if header.kind.is_none() {
        "field `type`: missing or not a string"
    } else if header.msg_id == MsgId::Invalid {
        "field `msg_id`: not an integer"
    } else if header.in_reply_to == ReplyTo::Invalid {
        "field `in_reply_to`: not an integer"
    } else {
        return None;
    };
    Some(Error::malformed_request(text))
}
