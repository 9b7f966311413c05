//! The turn.

use super::Options;
use super::diagnostics::Diagnostics;
use super::phase::{DRAIN_DEADLINE, LAST_TURNS_MAX, Phase, STDERR_PATIENCE};
use super::source::Source;
use super::stdin::Stdin;
use super::stdout::{Flushed, Stdout};
use super::tcp_echo::TcpEcho;
use crate::node::{Context, Node};
use crate::reactor::Reactor;
use crate::session::{Session, Settings};
use crate::sys::Streams;
use crate::time::{Clock, Instant};
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// How many sources are served in one turn: 256, about a millisecond's work when
/// each has one small message. With 8,000 of them ready that is how long stdin
/// and the timers wait; they waited 50 ms when all were served.
const SOURCES_PER_TURN: usize = 256;

/// After how many bytes from sockets a turn serves no further source: 1 MiB, a
/// millisecond's copying in and out again. Sources that take their whole
/// [bound](crate::tcp) would take 50 ms together.
const SOCKET_BYTES_PER_TURN: usize = 1 << 20;

/// How many tasks that were woken are polled in one turn: 200, as many as
/// async-executor polls before it looks at I/O again.
pub(crate) const TASK_POLLS_PER_TURN: usize = 200;

/// For how long timers that are due wait for input that has arrived: 20 ms, in
/// which a node reads a hundred full pipes. A reply in there beats its timeout
/// even after a pause; under an endless flood of input timers are late by this
/// much and no more.
pub(crate) const DEFER_MAX: Duration = Duration::from_millis(20);

/// For how many turns they wait at least, however long those take: 2, which is a
/// full pipe and what the line buffer held.
const DEFER_TURNS_MIN: u32 = 2;

/// How late timers that are due may be seen without a question: 5 ms. Who sees
/// them later has stood still (SIGSTOP, a suspended machine, a long handler),
/// perhaps just between the wait and the clock, and looks for input once more
/// before they fire. That costs one `epoll_wait` that returns at once.
const LATE_MAX: Duration = Duration::from_millis(5);

/// A node process: a session, and the descriptors around it.
pub(crate) struct EventLoop {
    clock: Rc<dyn Clock>,
    reactor: Reactor<Source>,
    session: Session,
    stdin: Stdin,
    stdout: Stdout,
    tcp_echo: TcpEcho,
    diagnostics: Rc<Diagnostics>,
    /// stderr leads to where stdout leads.
    shares_output: bool,
    phase: Phase,
    /// Tasks were ready still when the last turn had polled its share.
    has_tasks_left: bool,
    /// Since when, and for how many turns, due timers have waited for input.
    deferred: Option<(Instant, u32)>,
    /// The clock of the turn before: what came by then, the last wait has seen.
    looked_at: Instant,
}

impl EventLoop {
    pub(crate) fn new<N: Node>(
        build: impl Fn(&Context) -> N + 'static,
        options: &Options,
        streams: Streams,
        clock: Rc<dyn Clock>,
    ) -> io::Result<EventLoop> {
        let mut reactor = Reactor::new()?;
        let diagnostics = Rc::new(Diagnostics::new(&mut reactor, streams.stderr));
        let stdin = Stdin::new(&mut reactor, streams.stdin, options.line_bytes_max)?;
        let shares_output = diagnostics.shares(&streams.stdout);
        let stdout = Stdout::new(&mut reactor, streams.stdout)?;
        let settings = Settings {
            rpc_timeout: options.rpc_timeout,
            seed: options.seed.unwrap_or_else(crate::sys::random_seed),
        };
        let log = diagnostics.clone();
        let session = Session::new(build, settings, clock.clone(), move |text| log.line(text));
        let waker = reactor.waker()?;
        session.ready_queue().on_unpark(move || {
            // It fails only when the kernel's counter is full, and then the
            // loop is awake already.
            let _awake = waker.wake();
        });
        let tcp_echo = TcpEcho::new(options.tcp_bind, options.tcp_connections_max, clock.clone());
        Ok(EventLoop {
            clock,
            reactor,
            session,
            stdin,
            stdout,
            tcp_echo,
            diagnostics,
            shares_output,
            phase: Phase::Serving,
            has_tasks_left: false,
            deferred: None,
            looked_at: Instant::ZERO,
        })
    }

    /// How many events came for sources that were gone.
    #[cfg(any(test, feature = "lab"))]
    pub(crate) fn stale_events(&self) -> u64 {
        self.reactor.stale_events()
    }

    /// Checks what must be so between two turns.
    #[cfg(any(test, feature = "lab"))]
    pub(crate) fn assert_invariants(&self) {
        self.reactor.assert_invariants();
    }

    /// One turn of the loop. Returns whether there will be another.
    ///
    /// The order is not free. A reply that arrived in this batch beats its own
    /// timeout, so readiness comes before timers; everything that this turn
    /// said leaves in one write, so the flush comes after the tasks; and what
    /// has finished is closed last, when no event of this batch can mean it.
    ///
    /// The clock is read only if something had a deadline when the wait began:
    /// nothing else can be due in this turn, and a reading is a quarter of what a
    /// turn with one message costs beside its system calls.
    pub(crate) fn turn(&mut self) -> io::Result<bool> {
        let is_timed = self.wait()?; // 1. wait
        let now = is_timed.then(|| self.clock.now()); // 2. read the clock
        self.deliver(); // 3. deliver readiness, bounded
        self.expire(now); // 4. expire timers
        self.run_tasks(now); // 5. run tasks, bounded
        self.flush(now)?; // 6. flush
        self.close_finished(); // 7. close
        if self.phase == Phase::Ended {
            // What came before was answered; only then is this said.
            return self.stdin.take_failure().map_or(Ok(false), Err);
        }
        Ok(true)
    }

    /// Waits for readiness, a deadline or a waker; not at all if work is left.
    /// Returns whether there was a deadline.
    fn wait(&mut self) -> io::Result<bool> {
        let deadline = self.next_deadline();
        // Read anew: what the last turn took is no reason to wait longer.
        let mut timeout = deadline.map(|deadline| deadline.since(self.clock.now()));
        // Whom a later step has woken is seen when the queue is parked, and
        // operations are asked for by tasks alone, whose step takes them all.
        if self.phase.runs_tasks() && (self.has_tasks_left || !self.session.ready_queue().park()) {
            timeout = Some(Duration::ZERO);
        }
        let waited = self.reactor.wait(timeout);
        self.session.ready_queue().unpark();
        waited.map(|()| deadline.is_some())
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadline = earlier(self.tcp_echo.next_deadline(), self.phase_deadline());
        match self.phase.runs_tasks() {
            true => earlier(deadline, self.session.next_deadline()),
            false => deadline,
        }
    }

    /// While flushing, only what waits for stderr's reader has a deadline.
    fn phase_deadline(&self) -> Option<Instant> {
        let waits = self.phase.runs_tasks()
            || (!self.diagnostics.is_empty() && !self.diagnostics.is_closed());
        self.phase.deadline().filter(|_| waits)
    }

    fn deliver(&mut self) {
        let mut bytes = 0;
        for _ in 0..SOURCES_PER_TURN {
            let Some(token) = self.reactor.next_ready() else {
                break;
            };
            let session = &mut self.session;
            let progress = match self.reactor.get_mut(token) {
                Some((Source::Stdin(_), readiness)) => self.stdin.ready(readiness, session),
                // The flush serves them, in this turn.
                Some((Source::Stdout(_) | Source::Stderr(_), _)) | None => continue,
                Some((Source::Listener(_), readiness)) => {
                    self.tcp_echo.accept(readiness, &mut self.reactor, session)
                }
                Some((Source::Connection(connection), readiness)) => {
                    self.tcp_echo.serve(connection, readiness)
                }
                Some((Source::Client(client), readiness)) => {
                    let send = (client.ticket, client.deadline);
                    let progress = client.exchange.ready(readiness);
                    progress.map(|outcome| self.tcp_echo.ended(session, send, outcome))
                }
            };
            bytes += progress.received_bytes;
            self.reactor.apply(token, &progress);
            if bytes >= SOCKET_BYTES_PER_TURN {
                break;
            }
        }
        if self.stdin.has_ended() && self.phase == Phase::Serving {
            let deadline = self.clock.now() + DRAIN_DEADLINE;
            self.phase = Phase::Draining { deadline };
        }
    }

    fn expire(&mut self, now: Option<Instant>) {
        let Some(now) = now else {
            return; // nothing had a deadline
        };
        let looked_at = std::mem::replace(&mut self.looked_at, now);
        self.tcp_echo
            .expire(&mut self.reactor, &mut self.session, now);
        if !self.phase.runs_tasks() {
            return;
        }
        // A reply that has arrived beats its timeout, wherever in the pipe it
        // stands: what is there is read first, as long as that is not for ever.
        let deadline = self.session.next_deadline();
        let is_due = deadline.is_some_and(|deadline| deadline <= now);
        let was_looked_for = deadline.is_some_and(|deadline| deadline <= looked_at);
        let is_late = deadline.is_some_and(|deadline| now.since(deadline) > LATE_MAX);
        if is_late && !was_looked_for {
            return;
        }
        if is_due && self.stdin.has_more(&self.reactor) {
            let (since, turns) = self.deferred.unwrap_or((now, 0));
            if now.since(since) < DEFER_MAX || turns < DEFER_TURNS_MIN {
                self.deferred = Some((since, turns + 1));
                return;
            }
        }
        if was_looked_for && now.since(looked_at) > LATE_MAX {
            // It stood still again, behind that look: what is due since then waits
            // for the next.
            return self.session.expire(looked_at);
        }
        self.deferred = None;
        self.session.expire(now);
    }

    /// Runs what is ready, and carries out what it asked of the sockets.
    fn run_tasks(&mut self, now: Option<Instant>) {
        if !self.phase.runs_tasks() {
            return;
        }
        self.has_tasks_left = self.session.run_tasks(TASK_POLLS_PER_TURN);
        while let Some(operation) = self.session.next_operation() {
            self.tcp_echo
                .begin(&mut self.reactor, &mut self.session, operation);
        }
        self.drain(now);
    }

    /// After the end of stdin: flushing comes when nothing is in flight any more.
    /// Who waits for a socket when its time is over has an error to tell.
    fn drain(&mut self, now: Option<Instant>) {
        if let Phase::Draining { deadline } = self.phase
            && now.is_some_and(|now| now >= deadline)
            && self.session.usage().operations > 0
        {
            self.tcp_echo.give_up(&mut self.reactor, &mut self.session);
            let turns_left = LAST_TURNS_MAX;
            self.phase = Phase::GivingUp { turns_left };
        }
        let is_over = match &mut self.phase {
            Phase::Draining { deadline } => now.is_some_and(|now| now >= *deadline),
            Phase::GivingUp { turns_left } => {
                *turns_left -= 1;
                *turns_left == 0
            }
            Phase::Serving | Phase::Flushing { .. } | Phase::Ended => return,
        };
        let is_busy = self.has_tasks_left
            || self.session.has_ready_tasks()
            || self.session.usage().operations > 0;
        if is_over || !is_busy {
            let unanswered = self.session.unanswered();
            // Others wait for replies that cannot come any more, or sleep.
            if is_over && unanswered > 0 {
                self.session.log(format_args!(
                    "stdin has ended: requests that get no reply, since their handlers still \
                     wait when their time is over: {unanswered}"
                ));
            }
            let deadline = self.clock.now() + STDERR_PATIENCE;
            self.phase = Phase::Flushing { deadline };
        }
    }

    fn flush(&mut self, now: Option<Instant>) -> io::Result<()> {
        if self.shares_output && self.diagnostics.is_inside_line() {
            // Nor a message into the middle of stderr's line.
            self.diagnostics.flush();
        }
        let flushed = match self.shares_output && self.diagnostics.is_inside_line() {
            true => Ok(Flushed::Fine),
            false => self.stdout.flush(&mut self.reactor, &mut self.session),
        };
        let flushed = flushed.inspect_err(|_| self.diagnostics.flush())?;
        self.stdin.resume(&mut self.reactor, &self.session);
        // stderr may be the same pipe: never into the middle of a message.
        let is_shared = self.shares_output && self.stdout.is_inside_line();
        self.diagnostics.bar(is_shared);
        self.diagnostics.flush();
        match (flushed, self.phase) {
            (Flushed::ReaderGone, _) => {
                self.diagnostics.bar(false);
                self.diagnostics.flush();
                self.phase = Phase::Ended;
            }
            (Flushed::Fine, Phase::Flushing { deadline }) => {
                if now.is_some_and(|now| now >= deadline) {
                    self.diagnostics.close();
                }
                let told = self.diagnostics.is_empty() || self.diagnostics.is_closed();
                if told && self.session.output().is_empty() {
                    self.phase = Phase::Ended;
                }
            }
            (Flushed::Fine, _) => {}
        }
        Ok(())
    }

    fn close_finished(&mut self) {
        self.tcp_echo
            .close_finished(&mut self.reactor, &mut self.session);
    }
}

/// The earlier one of two deadlines, of which either may be none.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
