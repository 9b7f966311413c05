//! The turn.
//!
//! [`turn`](EventLoop::turn) is the list of the steps, and each step is short. The
//! decisions are functions of facts, in files of their own:
//!
//! | decision | file |
//! |---|---|
//! | how long to wait, when to read the clock | `timing.rs` |
//! | which timers fire | `expiry.rs` |
//! | which phase the process is in, and when it ends | `phase.rs` |
//! | which output is written first | `outputs.rs` |
//!
//! # Invariants
//! - Reads, writes and polls are bounded in each step. Timers that are due all fire, and
//!   sources that have finished are all closed: their bound is their number.
//! - The loop waits only if nothing is left to do: no source was carried over, no task is
//!   ready, and every operation that was asked for has begun, or waits in a queue with a
//!   deadline.
//! - Only the step `close` takes a source out of the reactor. Connections are closed there,
//!   the standard streams and the listener by their owners, later. A readiness event that
//!   still comes for a source that is gone is dropped, by the generation in its token.
//!
//! `look!(…)` shows the microscope a snapshot. It is nothing in a release build, and not
//! the *look* of `expiry.rs`, which is a reading of the clock.
//!
//! Read next: `timing.rs`, `expiry.rs`, `phase.rs`, then the sources.

use super::broker::{self, Broker};
use super::diagnostics::Diagnostics;
use super::expiry::Looks;
use super::options::Options;
use super::outputs::Outputs;
use super::phase::{Phase, Work};
use super::source::Source;
use super::stdin::Stdin;
use super::tcp_echo::TcpEcho;
use super::timing::{TurnClock, earlier, timeout};
#[cfg(any(test, feature = "microscope"))]
use crate::microscope::Moment;
use crate::node::{Context, Node};
use crate::protocol::Init;
use crate::reactor::Reactor;
use crate::session::{Session, Settings};
use crate::sys::Streams;
use crate::task::Threads;
use crate::time::{Clock, Instant};
use std::io;
use std::rc::Rc;

/// How many sources a turn serves: 256, about a millisecond's work when each has one
/// small message. The others come first in the next turn. With 8,000 sources ready and
/// all of them served, stdin and the timers waited 50 ms.
const SOURCES_PER_TURN: usize = 256;

/// After how many bytes from all sources a turn serves no further one: 1 MiB, about a
/// millisecond's copying in and out again. 256 sources that take their whole
/// [bound](crate::tcp) would take 50 ms together.
const SOCKET_BYTES_PER_TURN: usize = 1 << 20;

/// How many tasks a turn polls: 200, as many as async-executor polls before it looks at
/// I/O again.
pub(crate) const TASK_POLLS_PER_TURN: usize = 200;

/// A node process: a session, and the descriptors around it.
pub(crate) struct EventLoop {
    clock: TurnClock,
    pub(super) reactor: Reactor<Source>,
    pub(super) session: Session,
    pub(super) stdin: Stdin,
    outputs: Outputs,
    pub(super) tcp_echo: TcpEcho,
    /// The way of all messages, if that is not stdin and stdout.
    pub(super) broker: Option<Box<Broker>>,
    pub(super) phase: Phase,
    looks: Looks,
    /// How many turns have begun.
    turns: u64,
    /// Tasks were still ready when the last turn had polled its share.
    has_tasks_left: bool,
}

impl EventLoop {
    pub(crate) fn new<N: Node>(
        build: impl Fn(&Context) -> N + 'static,
        options: &Options,
        streams: Streams,
        clock: Rc<dyn Clock>,
    ) -> io::Result<EventLoop> {
        let mut reactor = Reactor::new()?;
        let is_terminal = streams.stdin.is_terminal();
        let stdin = Stdin::new(&mut reactor, streams.stdin, options.line_bytes_max)?;
        let outputs = Outputs::new(&mut reactor, streams.stdout, streams.stderr)?;
        let settings = Settings {
            rpc_timeout: options.rpc_timeout,
            seed: options.seed.unwrap_or_else(crate::sys::random_seed),
        };
        let diagnostics = outputs.diagnostics();
        let log = move |text: std::fmt::Arguments<'_>| diagnostics.line(text);
        let mut session = Session::new(build, settings, clock.clone(), log);
        let waker = reactor.waker()?;
        let wake = move || {
            // A wake fails only when the kernel's counter is full. Then a wake is
            // pending, and ends the wait.
            let _awake = waker.wake();
        };
        session.ready_queue().on_ring(wake.clone());
        let broker = Broker::of(options, clock.clone(), wake)?;
        if broker.is_some() {
            session.limit_notices();
            stdin.leave(&mut reactor);
        } else if is_terminal {
            invite(&outputs.diagnostics(), options.identity.as_ref());
        }
        if let Some(identity) = &options.identity {
            session.identify(identity).map_err(|error| {
                let text = format!("the node cannot have this identity: {}", error.text);
                io::Error::new(io::ErrorKind::InvalidInput, text)
            })?;
        }
        let tcp_echo = TcpEcho::new(options.tcp_bind, options.tcp_connections_max);
        Ok(EventLoop {
            clock: TurnClock::new(clock),
            reactor,
            session,
            stdin,
            outputs,
            tcp_echo,
            broker,
            phase: Phase::Serving,
            looks: Looks::default(),
            turns: 0,
            // The first turn does not wait if something was said or begun already.
            has_tasks_left: is_terminal || options.identity.is_some(),
        })
    }

    /// Sets the threads for closures that block.
    pub(crate) fn set_threads(&mut self, threads: impl Threads + 'static) {
        self.session.set_threads(threads);
    }

    /// How many events came for sources that had been closed.
    #[cfg(any(test, feature = "lab"))]
    pub(crate) fn stale_events(&self) -> u64 {
        self.reactor.stale_events()
    }

    /// Checks what must be so between two turns.
    #[cfg(any(test, feature = "lab"))]
    pub(crate) fn assert_invariants(&self) {
        self.reactor.assert_invariants();
        self.tcp_echo.assert_invariants();
    }

    /// One turn of the loop. Returns whether there will be another.
    ///
    /// The order matters. A reply that arrived beats its own timeout, so readiness comes
    /// before timers. Everything that a turn said leaves in one write, so the flush comes
    /// after the tasks. A source may finish in any step, so closing comes last: no step
    /// has to ask whether an earlier one has closed its source.
    ///
    /// The phase is decided after the flush, when everything has been written that can be.
    pub(crate) fn turn(&mut self) -> io::Result<bool> {
        self.turns += 1;
        let is_timed = self.wait()?; // 1. wait
        look!(self.look(Moment::Waited { turn: self.turns }));
        if is_timed {
            self.clock.now(); // 2. read the clock
            look!(self.look(Moment::Clock));
        }
        self.deliver(); // 3. deliver readiness, bounded
        if is_timed {
            self.expire(); // 4. expire timers: without a deadline none is due
        }
        self.run_tasks(); // 5. run tasks, bounded
        self.flush()?; // 6. flush
        self.advance()?; // the phase follows from the facts
        self.close_finished(); // 7. close
        self.goes_on()
    }

    /// Waits for readiness, a deadline or a waker. Returns whether something had a
    /// deadline.
    fn wait(&mut self) -> io::Result<bool> {
        self.clock.forget();
        let deadline = self.next_deadline();
        let has_work = self.reactor.has_carried_over() || self.has_tasks_or_parks();
        let timeout = timeout(has_work, deadline, || self.clock.fresh());
        look!(self.look_at_wait(timeout));
        let waited = self.reactor.wait(timeout);
        self.session.ready_queue().unpark();
        waited.map(|()| deadline.is_some())
    }

    fn next_deadline(&self) -> Option<Instant> {
        match self.phase.runs_tasks() {
            true => earlier(self.phase.deadline(), self.session.next_deadline()),
            false => self.phase.deadline(),
        }
    }

    /// Whether a task is ready. If not, the queue is parked: from here on a waker that
    /// is used on another thread ends the wait.
    fn has_tasks_or_parks(&self) -> bool {
        self.phase.runs_tasks() && (self.has_tasks_left || !self.session.ready_queue().park())
    }

    fn deliver(&mut self) {
        let mut bytes = 0;
        for _ in 0..SOURCES_PER_TURN {
            let Some((token, source, readiness)) = self.reactor.next_ready() else {
                break;
            };
            let session = &mut self.session;
            let progress = match source {
                Source::Stdin(_) => self.stdin.ready(readiness, session),
                // The flush serves them, in this turn.
                Source::Stdout(_) | Source::Stderr(_) => continue,
                Source::Listener(_) => self.tcp_echo.accept(readiness, &mut self.reactor, session),
                Source::Connection(connection) => self.tcp_echo.serve(connection, readiness),
                Source::Exchange(send) => {
                    let number = send.number;
                    let progress = send.exchange.ready(readiness);
                    progress.map(|echoed| self.tcp_echo.end_exchange(session, number, echoed))
                }
                Source::Broker(socket) => match &mut self.broker {
                    Some(broker) => broker.ready(token, socket, readiness, session, &self.clock),
                    None => continue,
                },
            };
            bytes += progress.received_bytes;
            self.reactor.apply(token, &progress);
            look!(self.look(Moment::Served {
                token,
                readiness,
                progress
            }));
            if bytes >= SOCKET_BYTES_PER_TURN {
                break;
            }
        }
    }

    /// Fires the timers whose input has been looked for.
    fn expire(&mut self) {
        if !self.phase.runs_tasks() {
            return;
        }
        let (deadline, now) = (self.session.next_deadline(), self.clock.now());
        let input_waits = match &self.broker {
            None => self.stdin.has_more(&self.reactor),
            Some(broker) => broker.has_more(&self.reactor),
        };
        let due_by = self.looks.due_by(deadline, now, input_waits);
        self.session.expire(due_by);
        look!(self.look(Moment::Expired { due_by, now }));
        while let Some(key) = self.session.next_expired() {
            match (key, &mut self.broker) {
                (broker::DEADLINE, Some(broker)) => broker.expire(&mut self.session, now),
                (key, _) => self
                    .tcp_echo
                    .expire(&mut self.reactor, &mut self.session, key),
            }
        }
    }

    /// Runs ready tasks, and begins the operations that they asked for.
    fn run_tasks(&mut self) {
        if !self.phase.runs_tasks() {
            return;
        }
        self.has_tasks_left = self.session.run_tasks(TASK_POLLS_PER_TURN);
        while let Some(operation) = self.session.next_operation() {
            self.tcp_echo
                .begin(&mut self.reactor, &mut self.session, operation);
        }
    }

    /// Enters the phases that follow from the facts. In nearly every turn none is gathered:
    /// serving goes on as long as stdin and the reader of stdout do.
    fn advance(&mut self) -> io::Result<()> {
        let is_serving = self.phase == Phase::Serving;
        if is_serving && !self.stdin.has_ended() && !self.outputs.has_lost_reader() {
            return Ok(());
        }
        self.advance_to_the_end()
    }

    /// Not inlined: every turn would save the registers that it needs.
    #[cold]
    #[inline(never)]
    fn advance_to_the_end(&mut self) -> io::Result<()> {
        loop {
            let unwritten = self.outputs.unwritten(&mut self.session);
            let work = self.work();
            let next = self.phase.next(work, unwritten, self.turns, &self.clock);
            if next == self.phase {
                return Ok(());
            }
            debug_assert!(next > self.phase, "{:?} became {next:?}", self.phase);
            self.enter(next);
            look!(self.look(Moment::Phase));
            self.flush()?;
        }
    }

    /// The work that keeps the process from its end.
    fn work(&self) -> Work {
        if !self.stdin.has_ended() {
            Work::Input
        } else if self.session.operations_in_flight() > 0 {
            Work::Operations
        } else if self.session.has_ready_tasks() {
            Work::Tasks
        } else if self.session.may_go_on() {
            Work::Handlers
        } else {
            Work::Nothing
        }
    }

    /// Begins a phase.
    fn enter(&mut self, phase: Phase) {
        match phase {
            Phase::GivingUp { .. } => self.tcp_echo.give_up(&mut self.reactor, &mut self.session),
            Phase::Flushing { .. } => self.tell_unanswered(),
            Phase::FlushingStdout => self.outputs.close_stderr(),
            _ => {}
        }
        self.phase = phase;
    }

    fn tell_unanswered(&self) {
        let unanswered = self.session.unanswered();
        if unanswered > 0 {
            self.session.log(format_args!(
                "stdin has ended: requests that get no reply, since their handlers still wait: \
                 {unanswered}"
            ));
        }
    }

    /// Writes, and lets stdin go on if the reader of stdout has caught up.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.broker {
            None => {
                self.outputs.flush(&mut self.reactor, &mut self.session)?;
                self.stdin.resume(&mut self.reactor, &self.session);
            }
            Some(broker) => {
                broker.flush(&mut self.reactor, &mut self.session, &self.clock);
                self.outputs.flush_stderr();
            }
        }
        look!(self.look(Moment::Flushed));
        Ok(())
    }

    fn close_finished(&mut self) {
        self.tcp_echo
            .close_finished(&mut self.reactor, &mut self.session);
        look!(self.look(Moment::Closed));
        debug_assert!(!(self.phase.runs_tasks() && self.session.has_operations()));
    }

    /// Whether there is another turn. A stdin that failed is an error, but only after
    /// everything that came before was answered.
    fn goes_on(&mut self) -> io::Result<bool> {
        match self.phase {
            Phase::Ended => self.stdin.take_failure().map_or(Ok(false), Err),
            _ => Ok(true),
        }
    }
}

/// Tells a person at the terminal what the node waits for, and gives a line to begin with.
/// Without a line a new node looks as if it had stopped.
fn invite(diagnostics: &Diagnostics, identity: Option<&Init>) {
    let first = || Init {
        node_id: "n1".to_owned(),
        node_ids: vec!["n1".to_owned()],
    };
    diagnostics.line(format_args!(
        "stdin is a terminal: this node waits for messages, one JSON object on each line; \
         Ctrl-D ends it; paste this line to begin:"
    ));
    let init = identity.cloned().unwrap_or_else(first);
    diagnostics.line_to_paste(init.line("c0", Some(1)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing;
    use crate::node::Request;
    use crate::protocol::Result;
    use crate::sys::{Input, Output};
    use crate::time::VirtualClock;
    use crate::wire::READ_BYTES;
    use std::cell::Cell;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    const INIT: &str = r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2"]}}"#;

    /// Calls another node, and waits for the reply as long as its request says.
    struct Caller;

    #[derive(serde::Deserialize)]
    struct Ask {
        timeout_ms: u64,
    }

    impl Node for Caller {
        fn new(_: &Context) -> Caller {
            Caller
        }

        async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
            let Ask { timeout_ms } = request.body()?;
            let call = cx.sync_rpc("n2", "ping", &());
            call.timeout(Duration::from_millis(timeout_ms)).await?;
            cx.reply(&request, &())
        }
    }

    /// A clock in front of which the process may stand still.
    #[derive(Default)]
    struct Pausing {
        time: VirtualClock,
        /// The readings before the pause, and when it ends.
        pause: Cell<Option<(u32, Instant)>>,
        /// The event that happens meanwhile.
        meanwhile: Cell<Option<Box<dyn FnOnce()>>>,
    }

    impl Clock for Pausing {
        fn now(&self) -> Instant {
            match self.pause.take() {
                Some((0, until)) => {
                    self.meanwhile.take().into_iter().for_each(|act| act());
                    self.time.advance_to(until);
                }
                Some((readings, until)) => self.pause.set(Some((readings - 1, until))),
                None => {}
            }
            self.time.now()
        }

        fn unix_time(&self) -> Duration {
            self.time.unix_time()
        }
    }

    /// The loop of a `Caller` on pipes.
    struct World {
        event_loop: EventLoop,
        clock: Rc<Pausing>,
        stdin: Rc<OwnedFd>,
        stdout: OwnedFd,
    }

    impl World {
        /// With a call for each timeout. Their numbers are 1, 2 and so on.
        fn new(timeouts_ms: &[u64]) -> World {
            let (stdin, stdin_writer) = testing::pipe();
            let (stdout_reader, stdout) = testing::pipe();
            rustix::pipe::fcntl_setpipe_size(&stdin_writer, 8 * READ_BYTES).unwrap();
            rustix::io::ioctl_fionbio(&stdout_reader, true).unwrap();
            let streams = Streams {
                stdin: Input::from_fd(stdin).unwrap(),
                stdout: Output::from_fd(stdout).unwrap(),
                stderr: None,
            };
            let clock = Rc::new(Pausing::default());
            let options = Options::default();
            let made = EventLoop::new(Caller::new, &options, streams, clock.clone());
            let mut world = World {
                event_loop: made.unwrap(),
                clock,
                stdin: Rc::new(stdin_writer),
                stdout: stdout_reader,
            };
            write(&world.stdin, INIT);
            for (msg_id, timeout_ms) in (10..).zip(timeouts_ms) {
                write(
                    &world.stdin,
                    &format!(
                        r#"{{"src":"c1","dest":"n1","body":{{"type":"ask","msg_id":{msg_id},"timeout_ms":{timeout_ms}}}}}"#
                    ),
                );
            }
            let heard = world.turn_at(0);
            assert_eq!(heard.matches("ping").count(), timeouts_ms.len());
            world
        }

        /// The messages that the node sends in a turn that begins at a time.
        fn turn_at(&mut self, millis: u64) -> String {
            self.clock.time.advance_to(Instant::from_millis(millis));
            assert!(self.event_loop.turn().unwrap());
            let mut heard = vec![0; 64 << 10];
            let read = rustix::io::read(&self.stdout, &mut heard).unwrap_or(0);
            String::from_utf8_lossy(&heard[..read]).into_owned()
        }

        /// The process will stand still in the next turn, between the wait and the
        /// clock: its first reading is the one in front of the wait.
        fn pause_until(&self, millis: u64, meanwhile: impl FnOnce() + 'static) {
            let until = Instant::from_millis(millis);
            self.clock.pause.set(Some((1, until)));
            self.clock.meanwhile.set(Some(Box::new(meanwhile)));
        }
    }

    fn write(stdin: &OwnedFd, text: &str) {
        let line = format!("{text}\n");
        assert_eq!(
            rustix::io::write(stdin, line.as_bytes()),
            Ok(line.len()),
            "the pipe has room"
        );
    }

    fn reply(stdin: &OwnedFd, call: u64) {
        write(
            stdin,
            &format!(
                r#"{{"src":"n2","dest":"n1","body":{{"type":"ping_ok","in_reply_to":{call}}}}}"#
            ),
        );
    }

    /// As many bytes as that many turns read, of replies without a call.
    fn noise(stdin: &OwnedFd, turns: usize) {
        let line = r#"{"src":"n2","dest":"n1","body":{"type":"x","in_reply_to":99}}"#;
        let lines = vec![line; turns * READ_BYTES / (line.len() + 1)];
        write(stdin, &lines.join("\n"));
    }

    /// Found by a seed of the injected runs: the look that follows a pause is followed
    /// by a second pause.
    #[test]
    fn a_reply_that_came_in_a_second_pause_beats_its_deadline() {
        let mut world = World::new(&[500, 2_500]);
        world.pause_until(2_000, || {});
        assert_eq!(world.turn_at(499), "", "nothing is sure yet");
        let stdin = world.stdin.clone();
        world.pause_until(4_000, move || reply(&stdin, 2));
        let heard = world.turn_at(2_000);
        assert!(heard.contains(r#""in_reply_to":10"#), "{heard}");
        assert!(heard.contains(r#""code":0"#), "{heard}");
        assert!(!heard.contains(r#""in_reply_to":11"#), "{heard}");
        let heard = world.turn_at(4_000);
        assert!(heard.contains("ask_ok"), "{heard}");
    }

    /// The time for which the first call's timer was held back does not count for the
    /// second one's, whose reply waits behind more input than one turn reads.
    #[test]
    fn a_timer_is_held_back_for_input_though_another_one_was_before_it() {
        let mut world = World::new(&[1_000, 1_050]);
        noise(&world.stdin, 2);
        reply(&world.stdin, 1);
        for millis in [1_000, 1_001] {
            assert_eq!(world.turn_at(millis), "", "its reply is not read yet");
        }
        noise(&world.stdin, 3);
        reply(&world.stdin, 2);
        let mut heard = String::new();
        for millis in 1_100..1_110 {
            heard += &world.turn_at(millis);
            if heard.matches("ask_ok").count() == 2 {
                return;
            }
            assert!(!heard.contains("error"), "{heard}");
        }
        panic!("the replies are not read: {heard}");
    }
}
