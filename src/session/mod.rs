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
//! Read next: `identity`, how the node gets its name; `host`, which runs the handlers; then
//! the room `node`.

mod checks;
mod host;
mod identity;
mod log;
#[cfg(any(test, feature = "microscope"))]
mod snapshot;
mod stopwatch;
mod usage;

pub use crate::node::{CALLS_MAX, OPERATION_BYTES_MAX, OPERATIONS_MAX, SPAWNED_MAX, TIMERS_MAX};
pub use crate::node::{Operation, OperationId, Outcome, Settings, TcpEchoStats, Usage};
pub use host::{HELD_BYTES_MAX, TASKS_MAX};
pub use identity::{SETUP_BYTES_MAX, SETUP_REQUESTS_MAX};
#[cfg(any(test, feature = "microscope"))]
pub(crate) use snapshot::{OutputSnapshot, SessionSnapshot};

use crate::node::{Context, Direction, Log, Node, Request, Shared, Verdict};
use crate::notices::Topic;
use crate::protocol::{
    Envelope, Error, Excerpt, Init, Malformed, MsgId, Parser, Quote, ReplyKind, ReplyTo, Result,
    after_byte_order_mark, parse_body,
};
use crate::task::{ReadyQueue, Threads};
use crate::time::{Clock, Instant, TimerId};
use crate::wire::OutputBuffer;
use checks::{is_init, malformed};
use host::{Host, SetupEnd, host};
use identity::{Identity, SettingUp};
use std::cell::RefMut;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// A whole node without file descriptors.
///
/// Its owner has the descriptors and the clock, and calls it in turns, with these
/// calls in this order. (The event loop makes them in its steps 3, 3, 4, 5, 5, 6 and 1.)
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
/// use eddyline::{session::{Session, Settings}, time::VirtualClock};
/// # use {eddyline::{Context, Node, Request, Result}, std::rc::Rc};
/// # struct Ping;
/// # impl Node for Ping { fn new(_: &Context) -> Self { Ping }
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

impl Session {
    /// A session for the node that `build` makes when `init` has come. Lines for people go to
    /// `log`, without a newline.
    pub fn new<N: Node>(
        build: impl Fn(&Context) -> N + 'static,
        settings: Settings,
        clock: Rc<dyn Clock>,
        log: impl Fn(fmt::Arguments<'_>) + 'static,
    ) -> Session {
        let log = Log::new(log, clock.clone());
        let shared = Rc::new(Shared::new(settings, clock, log));
        let polled = shared.waits().polled().clone();
        Session {
            shared,
            host: host(build, polled),
            identity: Identity::Nameless,
            parser: Parser::default(),
            line_number: 0,
        }
    }

    /// Gives the node its name, as an `init` does that wants no reply: the node is built and
    /// set up, and serves. An `init` that agrees is answered as ever, and another one is
    /// refused with error 22.
    ///
    /// If the setup fails, the log says so, and an `init` may try again.
    ///
    /// ```
    /// # use eddyline::{Result, protocol::Init, session::Session};
    /// fn begin(session: &mut Session) -> Result<()> {
    ///     let node_ids = vec!["n1".to_owned(), "n2".to_owned()];
    ///     session.identify(&Init { node_id: "n1".to_owned(), node_ids })
    /// }
    /// ```
    ///
    /// # Errors
    /// Error 12 if a name is missing or wrong: see [`Init::check`]. Error 22 if the node has
    /// another identity already.
    pub fn identify(&mut self, init: &Init) -> Result<()> {
        init.check()?;
        self.shared.identify(init.clone())?;
        if !matches!(self.identity, Identity::Nameless) {
            return Ok(());
        }
        let line = init.line(&init.node_id, None);
        // By the plain parser: a second use of the other one would cost each line its inlining.
        match &Envelope::parse(line.as_bytes()) {
            Ok(envelope) => self.init(envelope),
            Err(why) => return Err(Error::malformed_request(why.to_string())),
        }
        Ok(())
    }

    /// Receives one line, without its newline. A request's handler runs at once,
    /// until it waits or ends.
    pub fn receive(&mut self, line: &[u8]) {
        self.line_number += 1;
        look!(crate::microscope::received(line));
        // Matched by reference. To move the envelope would take as long as to find the line.
        match &self.parser.parse(line) {
            Ok(envelope) => self.dispatch(envelope),
            Err(why) => self.refuse_line(line, why),
        }
        look!(crate::microscope::dispatched(self.snapshot()));
    }

    /// Logs a line that is not a message. If it is the first one and begins with a byte order
    /// mark, the rest of it is received: PowerShell, for example, writes the mark to a pipe.
    ///
    /// It calls `receive` in place of the parser, which has one caller and is part of it.
    #[cold]
    fn refuse_line(&mut self, line: &[u8], why: &Malformed) {
        match after_byte_order_mark(line) {
            Some(rest) if self.line_number == 1 => {
                self.line_number = 0;
                self.receive(rest);
            }
            _ => self.log_line(format_args!("not a message: {why}: {}", Excerpt(line))),
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
        let observer = self.shared.observer();
        if observer.is_set() && observer.decide(Direction::In, envelope) == Verdict::Drop {
            return;
        }
        let Identity::Named(cx) = &self.identity else {
            return self.dispatch_early(envelope);
        };
        if envelope.dest != cx.node_id() {
            return self.log_other_destination(envelope, cx);
        }
        if is_init(envelope) {
            return self.init(envelope);
        }
        let header = &envelope.header;
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

    /// Decides the fate of a message to a node that does not serve yet: see the table on
    /// the page of `identity`.
    #[inline(never)]
    fn dispatch_early(&mut self, envelope: &Envelope<'_>) {
        if let Identity::SettingUp(SettingUp { cx, .. }) = &self.identity
            && envelope.dest != cx.node_id()
        {
            return self.log_other_destination(envelope, cx);
        }
        if is_init(envelope) {
            return self.init(envelope);
        }
        let Identity::SettingUp(setting_up) = &mut self.identity else {
            let error = Error::temporarily_unavailable(match self.shared.init() {
                None => "this node has received no init yet",
                Some(_) => "the setup of this node has failed; try again later",
            });
            return self.refuse(envelope, &error);
        };
        let src = self.shared.sender(&envelope.src);
        let refusal = match envelope.header.in_reply_to {
            ReplyTo::Call(msg_id) => return self.shared.complete_call(msg_id, src, envelope),
            ReplyTo::Unknown => return self.shared.ignore_reply(),
            ReplyTo::Absent | ReplyTo::Invalid => {
                malformed(&envelope.header).or_else(|| setting_up.check_room().err())
            }
        };
        match refusal {
            None => setting_up.wait(Request::new(self.shared.pools().keep(envelope))),
            Some(error) => self.refuse(envelope, &error),
        }
    }

    fn log_other_destination(&self, envelope: &Envelope<'_>, cx: &Context) {
        let (dest, own) = (Quote(&envelope.dest), Quote(cx.node_id()));
        self.log_line(format_args!(
            "ignored: its destination is {dest}, not {own}"
        ));
    }

    /// Builds the node and begins its setup, or answers a repeated `init`.
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
        match &mut self.identity {
            Identity::Nameless => {
                let cx = Context::new(self.shared.clone());
                if let Err(panic) = self.host.build(&cx) {
                    self.log_line(format_args!("building the node {panic}"));
                    let text = format!("building the node panicked: {}", panic.message);
                    self.refuse(envelope, &Error::crash(text));
                    // The next init is shown to the observer of the node that it builds.
                    return self.shared.observer().remove();
                }
                // The init has made the node, so it cannot be dropped.
                let _verdict = self.shared.observer().decide(Direction::In, envelope);
                self.host.set_up(&self.shared, &cx, request);
                self.identity = Identity::SettingUp(SettingUp::new(cx));
                self.end_setup();
            }
            Identity::SettingUp(setting_up) => match setting_up.check_room() {
                Ok(()) => setting_up.wait(request),
                Err(error) => self.refuse(envelope, &error),
            },
            Identity::Named(_) => self.answer_init(&request),
        }
    }

    /// Names the node if its setup has ended, and serves the requests that waited. If it has
    /// failed, refuses them.
    #[cold]
    #[inline(never)]
    fn end_setup(&mut self) {
        let Some(SetupEnd { init, result }) = self.host.setup_end() else {
            return;
        };
        let identity = std::mem::replace(&mut self.identity, Identity::Nameless);
        let Identity::SettingUp(setting_up) = identity else {
            return;
        };
        let (cx, waiting) = setting_up.end();
        if let Err(error) = result {
            return self.refuse_waiting(&error, &init, &waiting);
        }
        self.identity = Identity::Named(cx.clone());
        self.answer_init(&init);
        self.host.start(&self.shared, &cx);
        for request in waiting {
            if request.kind() == "init" {
                self.answer_init(&request);
                continue;
            }
            self.shared.set_requester(self.shared.sender(request.src()));
            self.host.handle(&self.shared, &cx, request);
            self.shared.set_requester(None);
        }
    }

    fn answer_init(&self, request: &Request) {
        self.shared.sender(request.src());
        if let Err(error) = self.shared.reply(request, ReplyKind::Ok("init"), &()) {
            self.notice(
                Topic::Unsent,
                format_args!("init could not be answered: {error}"),
            );
        }
    }

    /// Answers everything that waited for a setup that has failed.
    fn refuse_waiting(&self, error: &Error, init: &Request, waiting: &VecDeque<Request>) {
        let advice = "the node serves no request until another init sets it up";
        self.notice(
            Topic::Failure,
            format_args!("setup has failed: {error}; {advice}"),
        );
        let unavailable =
            Error::temporarily_unavailable("the setup of this node has failed; try again later");
        for request in std::iter::once(init).chain(waiting) {
            let error = match request.kind() {
                "init" => error,
                _ => &unavailable,
            };
            if let Err(error) = self.shared.reply_error(request, error) {
                self.notice(
                    Topic::Unsent,
                    format_args!("an error reply could not be sent: {error}"),
                );
            }
        }
        // The next init is shown to the observer of the node that it builds.
        self.shared.observer().remove();
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

    /// Polls up to `polls` tasks that are ready. Returns whether more are. If the node's setup
    /// has ended, the requests that waited for it are handled.
    ///
    /// Spawned tasks and woken ones take turns. If only one kind is ready, it gets all polls.
    pub fn run_tasks(&mut self, polls: usize) -> bool {
        let is_more_ready = self.host.run(&self.shared, polls);
        self.shared.end_step();
        match self.identity {
            Identity::SettingUp(_) => {
                self.end_setup();
                self.rest();
                self.has_ready_tasks()
            }
            Identity::Nameless | Identity::Named(_) => is_more_ready,
        }
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
    /// session.ready_queue().on_ring(|| { /* write to the pipe that the loop waits for */ });
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

    /// The first failure of `start`, or panic of a background task, since the last call.
    pub(crate) fn take_task_failure(&self) -> Option<String> {
        self.shared.log_book().take_task_failure()
    }

    /// The number of requests that want a reply, have none, and may get one: their handlers
    /// have not begun or not ended, or they were kept.
    pub(crate) fn unanswered(&self) -> usize {
        let waiting = match &self.identity {
            Identity::SettingUp(setting_up) => {
                let waiting = setting_up.waiting();
                waiting.filter(|request| request.is_due()).count()
            }
            Identity::Nameless | Identity::Named(_) => 0,
        };
        waiting + self.host.unanswered() + self.shared.waits().kept()
    }

    /// Whether a handler waits for something that may come though stdin has ended: time, a
    /// thread, a task. Replies cannot come. An owner that has ended the input goes on with its
    /// turns while this is so, for as long as it likes.
    ///
    /// It costs a look at each task, and at each call if none of them sleeps.
    pub fn may_go_on(&self) -> bool {
        self.host.may_go_on(&self.shared)
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
}

impl Drop for Session {
    /// An observer, and tasks that have not started, hold contexts. These would keep them and this
    /// session's state for ever.
    fn drop(&mut self) {
        self.shared.observer().remove();
        self.shared.drop_spawned();
    }
}
