//! A session: a whole node, minus file descriptors.
//!
//! Lines and the passing of time go in; bytes, deadlines and operations on
//! sockets come out. Nothing here asks the operating system for anything, so a
//! session on a virtual clock replays exactly. quinn-proto and h2 are built
//! like this; theirs is the idea that two of them can talk inside one test.

mod host;
mod state;

pub use crate::node::{CALLS_MAX, OPERATION_BYTES_MAX, OPERATIONS_MAX, SPAWNED_MAX, TIMERS_MAX};
pub use crate::node::{Operation, OperationId, Outcome, Settings, TcpEchoStats, Usage};
pub use host::{HELD_BYTES_MAX, TASKS_MAX};

use crate::node::{Context, Core, Log, Node, Request};
use crate::protocol::{
    Envelope, Error, Excerpt, Header, Init, MsgId, Parser, Quote, ReplyKind, ReplyTo, Result,
    parse_body,
};
use crate::task::ReadyQueue;
use crate::time::{Clock, Instant};
use crate::wire::OutputBuffer;
use host::{Host, host};
use state::State;
use std::cell::RefMut;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// A whole node without file descriptors.
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
    core: Rc<Core>,
    host: Box<dyn Host>,
    state: State,
    parser: Parser,
    /// Lines received; the last one's number.
    line_number: u64,
}

impl Session {
    /// A session for the node that `build` makes when `init` has come. Lines for
    /// a person go to `log`, without a newline.
    ///
    /// ```
    /// # use eddyline::{Node, session::{Session, Settings}, time::VirtualClock};
    /// # use std::rc::Rc;
    /// fn session<N: Node>(clock: &VirtualClock) -> Session {
    ///     let log = |text: std::fmt::Arguments<'_>| eprintln!("{text}");
    ///     Session::new(N::new, Settings::default(), Rc::new(clock.clone()), log)
    /// }
    /// ```
    pub fn new<N: Node>(
        build: impl Fn(&Context) -> N + 'static,
        settings: Settings,
        clock: Rc<dyn Clock>,
        log: impl Fn(fmt::Arguments<'_>) + 'static,
    ) -> Session {
        let log: Log = Box::new(log);
        Session {
            core: Rc::new(Core::new(settings, clock, log)),
            host: host(build),
            state: State::Nameless,
            parser: Parser::default(),
            line_number: 0,
        }
    }

    /// Receives one line, without its newline. A request's handler runs at once,
    /// until it waits or ends.
    ///
    /// ```
    /// # fn say(session: &mut eddyline::session::Session) {
    /// session.receive(br#"{"src":"c1","dest":"n1","body":{"type":"ping","msg_id":1}}"#);
    /// # }
    /// ```
    pub fn receive(&mut self, line: &[u8]) {
        self.line_number += 1;
        // Looked at where it is: to copy it would take as long as to find the line.
        match &self.parser.parse(line) {
            Ok(envelope) => self.dispatch(envelope),
            Err(why) => self.log_line(format_args!("not a message: {why}: {}", Excerpt(line))),
        }
    }

    /// Says that a line was longer than `line_bytes_max`, which is taken;
    /// `excerpt` is its beginning.
    ///
    /// ```
    /// # use eddyline::session::Session;
    /// use eddyline::wire::{LINE_BYTES_MAX, Line};
    ///
    /// fn receive(session: &mut Session, line: Line<'_>) {
    ///     match line {
    ///         Line::Whole(line) => session.receive(line),
    ///         Line::TooLong { excerpt } => session.receive_too_long(excerpt, LINE_BYTES_MAX),
    ///     }
    /// }
    /// ```
    pub fn receive_too_long(&mut self, excerpt: &[u8], line_bytes_max: usize) {
        self.line_number += 1;
        let excerpt = Excerpt(excerpt);
        self.log_line(format_args!(
            "longer than {line_bytes_max} bytes, skipped: {excerpt}"
        ));
    }

    fn dispatch(&mut self, envelope: &Envelope<'_>) {
        if let State::Running(cx) = &self.state
            && envelope.dest != cx.node_id()
        {
            let (dest, own) = (Quote(&envelope.dest), Quote(cx.node_id()));
            return self.log_line(format_args!("ignored: it is for {dest}, not {own}"));
        }
        let header = &envelope.header;
        let is_reply = matches!(header.in_reply_to, ReplyTo::Call(_) | ReplyTo::Unknown);
        if header.kind.as_deref() == Some("init") && !is_reply {
            return self.init(envelope);
        }
        let State::Running(cx) = &self.state else {
            let error = Error::temporarily_unavailable("this node has had no init yet");
            return self.refuse(envelope, &error);
        };
        let src = self.core.sender(&envelope.src);
        match header.in_reply_to {
            ReplyTo::Call(msg_id) => self.core.complete_call(msg_id, src, envelope),
            ReplyTo::Unknown => self.core.ignore_reply(),
            ReplyTo::Absent | ReplyTo::Invalid => match malformed(header) {
                None => {
                    let request = Request::new(self.core.pools().keep(envelope));
                    self.core.set_asker(src);
                    self.host.handle(&self.core, cx, request);
                    self.core.set_asker(None);
                }
                Some(error) => self.refuse(envelope, &error),
            },
        }
    }

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
        if !self.core.identify(init) {
            let own = Quote(self.core.node_id());
            let error = Error::precondition_failed(format!(
                "this node is {own} already, in another cluster or by another name than this init says"
            ));
            return self.refuse(envelope, &error);
        }
        let request = Request::new(self.core.pools().keep(envelope));
        if let State::Nameless = self.state {
            let cx = Context::new(self.core.clone());
            if let Err(panic) = self.host.build(&cx) {
                self.log_line(format_args!("building the node {panic}"));
                let text = format!("building the node panicked: {}", panic.message);
                return self.refuse(envelope, &Error::crash(text));
            }
            self.host.start(&self.core, &cx);
            self.state = State::Running(cx);
        }
        self.core.sender(&envelope.src);
        if let Err(error) = self.core.reply(&request, ReplyKind::Ok("init"), &()) {
            self.log_line(format_args!("init could not be answered: {error}"));
        }
    }

    /// Answers what no handler will see, or logs it if nobody waits.
    fn refuse(&self, envelope: &Envelope<'_>, error: &Error) {
        match (envelope.header.msg_id, envelope.header.in_reply_to) {
            (_, ReplyTo::Call(_) | ReplyTo::Unknown) => self.core.ignore_reply(),
            (MsgId::Integer(msg_id), _) => self.core.refuse(envelope, msg_id, error),
            _ => {
                let excerpt = Excerpt(envelope.body.as_bytes());
                self.log_line(format_args!("ignored: {error}: {excerpt}"));
            }
        }
    }

    /// Writes a line for a person, as the session's own do.
    ///
    /// ```
    /// # fn tell(session: &eddyline::session::Session) {
    /// session.log(format_args!("stdin has ended"));
    /// # }
    /// ```
    pub fn log(&self, text: fmt::Arguments<'_>) {
        self.core.log(text);
    }

    fn log_line(&self, text: fmt::Arguments<'_>) {
        self.core
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
        self.core.expire(now);
    }

    /// Polls up to `polls` tasks that are ready. Returns whether more are.
    ///
    /// ```
    /// # fn run(session: &mut eddyline::session::Session) {
    /// while session.run_tasks(200) {} // in a loop with others to serve: one call a turn
    /// # }
    /// ```
    pub fn run_tasks(&mut self, polls: usize) -> bool {
        self.host.run(&self.core, polls)
    }

    /// Whether a task is ready, so that nobody should wait before the next
    /// [`run_tasks`](Session::run_tasks).
    ///
    /// ```
    /// # use {eddyline::session::Session, std::time::Duration};
    /// # fn wait(session: &Session) {
    /// let wait_ms = if session.has_ready_tasks() { 0 } else { 1000 };
    /// # }
    /// ```
    pub fn has_ready_tasks(&self) -> bool {
        self.host.is_ready(&self.core)
    }

    /// When to call [`expire`](Session::expire) next; `None` without timers. It
    /// may be before the first timer is due, never after.
    ///
    /// ```
    /// # use {eddyline::{session::Session, time::Instant}, std::time::Duration};
    /// fn timeout(session: &Session, now: Instant) -> Option<Duration> {
    ///     session.next_deadline().map(|deadline| deadline.since(now))
    /// }
    /// ```
    pub fn next_deadline(&self) -> Option<Instant> {
        self.core.timers().next_deadline()
    }

    /// The queue of woken tasks, for an owner that waits: a waker may be used
    /// by another thread meanwhile.
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

    /// The bytes to write. Borrowed: let go of it before the next call.
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
        self.core.outbox().output()
    }

    /// Takes everything that waits to be written, as text.
    ///
    /// ```
    /// # fn ask(session: &mut eddyline::session::Session) {
    /// session.receive(br#"{"src":"c1","dest":"n1","body":{"type":"fly","msg_id":1}}"#);
    /// assert!(session.take_output().contains(r#""code":10"#));
    /// # }
    /// ```
    pub fn take_output(&mut self) -> String {
        let mut output = self.output();
        let text = String::from_utf8_lossy(output.pending()).into_owned();
        let len = output.len();
        output.consume(len);
        text
    }

    /// Whether the reader of the output is so far behind that no more lines
    /// should be received.
    ///
    /// ```
    /// # use eddyline::session::Session;
    /// fn receive_all(session: &mut Session, lines: &mut impl Iterator<Item = Vec<u8>>) {
    ///     while !session.is_congested() {
    ///         let Some(line) = lines.next() else { return };
    ///         session.receive(&line);
    ///     }
    /// }
    /// ```
    pub fn is_congested(&self) -> bool {
        self.core.outbox().output().is_congested()
    }

    /// The next operation on sockets that a handler has asked for.
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
        self.core.next_operation()
    }

    /// How many requests whose handlers have not ended want a reply and have none.
    pub(crate) fn unanswered(&self) -> usize {
        self.host.unanswered()
    }

    /// Which sender's request an operation was asked for by, as a number. `None` if
    /// the handler had waited for something before it asked, or nobody knows.
    pub(crate) fn asker(&self, id: OperationId) -> Option<u32> {
        self.core.asker(id)
    }

    /// Whether a handler has asked for an operation that nobody has taken.
    ///
    /// ```
    /// # fn look(session: &mut eddyline::session::Session) {
    /// assert_eq!(session.has_operations(), session.next_operation().is_some());
    /// # }
    /// ```
    pub fn has_operations(&self) -> bool {
        self.core.has_operations()
    }

    /// Gives an operation its outcome.
    ///
    /// ```
    /// # use eddyline::session::{OperationId, Outcome, Session};
    /// # fn listening(session: &mut Session, id: OperationId) {
    /// session.complete_operation(id, Ok(Outcome::Listening { port: 4_000 }));
    /// session.run_tasks(200); // its handler goes on
    /// # }
    /// ```
    pub fn complete_operation(&mut self, id: OperationId, outcome: Result<Outcome>) {
        self.core.complete_operation(id, outcome);
    }

    /// Says that no more lines will come: calls that wait get no reply, and no
    /// error 0 either.
    ///
    /// ```
    /// # fn end(session: &mut eddyline::session::Session) {
    /// session.end_input();
    /// let last_words = session.take_output();
    /// # }
    /// ```
    pub fn end_input(&mut self) {
        self.core.end_input();
    }

    /// How much of everything is in use.
    ///
    /// ```
    /// # fn look(session: &eddyline::session::Session) {
    /// let usage = session.usage();
    /// assert!(usage.calls_waiting <= usage.timers);
    /// # }
    /// ```
    pub fn usage(&self) -> Usage {
        let mut usage = self.core.usage();
        usage.tasks += self.host.tasks();
        usage
    }

    /// How many replies found no call that waits for them.
    ///
    /// ```
    /// # fn forge(session: &mut eddyline::session::Session) {
    /// let before = session.ignored_replies();
    /// session.receive(br#"{"src":"n2","dest":"n1","body":{"type":"x_ok","in_reply_to":77}}"#);
    /// assert_eq!(session.ignored_replies(), before + 1);
    /// # }
    /// ```
    pub fn ignored_replies(&self) -> u64 {
        self.core.ignored_replies()
    }
}

/// What is wrong with the header of a request.
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
