//! A cluster of child processes, as the driver's testbed on real time.
//!
//! ```text
//!                    one reactor, one wheel, one thread
//!   stdout of n0 ──line──> outline ──Packet──> network: fate, latency
//!   stderr of n0 ──line──> log                    │ at once, or by the wheel
//!   pidfd of n0  ────────> its end                v arrival: cut? down?
//!                              stdin of n1   service   client ──> driver
//! ```
//!
//! A turn flushes what waits for the nodes, waits for the next edge or timer, serves the
//! sources that are ready, and fires the timers that are due. Replies come before alarms, so
//! that a reply beats its own timeout. A turn has a bound; what is over it stays for the next
//! turn.
//!
//! Invariants:
//! - Each life of a node has its own pipes. Those of an earlier life are closed before the
//!   next one begins.
//! - Everything that a node can make grow has a bound: its lines, its stdin, its logs, its
//!   problems, the messages that are kept.
//! - No child outlives this value: dropping it kills every group. If SIGKILL ends the tester, its
//!   keeper does that.
//!
//! | file | content |
//! |---|---|
//! | `parts` | nodes, packets, timers |
//! | `work` | how much one turn does |
//! | `network` | a message from its line to its arrival |
//! | `lifecycle` | a node from its start to its end, and its streams |
//! | `faults` | kills, pauses, partitions |
//! | `held`, `memory` | the memory that nodes make a run hold, and its bound |
//! | `notes` | everything that is kept for the record, and its bounds |
//! | `blame` | what nodes do wrong, and their stderr |
//! | `bed` | the calls of the driver |
//! | `on_nats`, `broker`, `relay` | NATS in place of the pipes: the run, its server, and the way of the nodes to it |
//! | `undelivered` | requests that get no reply on NATS |

mod bed;
mod blame;
mod broker;
mod faults;
pub(super) mod held;
mod lifecycle;
mod memory;
mod network;
mod notes;
mod on_nats;
mod outline;
mod parts;
mod relay;
#[cfg(test)]
mod tests;
mod undelivered;
mod work;

pub(super) use notes::Notes;

use super::plan::Plan;
use super::progress::Progress;
use crate::random::Random;
use crate::reactor::Reactor;
use crate::sys::Keeper;
use crate::time::{Clock, Instant, MonotonicClock, Wheel};
use crate::workload::faults::{Conditions, FaultKind, Faults, Network, Schedule};
use crate::workload::{Happening, SERVICE_NAMES, Services, Statistics};
use broker::Broker;
use held::Held;
use parts::{Address, Client, Due, End, Packet, Server, Stream};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use work::{WORK_MAX, Work};

/// The longest wait. An interrupt that comes between the look at its flag and the wait is
/// noticed after this time.
const WAIT_MAX: Duration = Duration::from_millis(200);

/// How often it is looked whether a node has stopped itself: the kernel tells of that only by
/// SIGCHLD.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Child processes under one reactor.
pub(super) struct Processes {
    plan: Plan,
    clock: MonotonicClock,
    reactor: Reactor<Stream>,
    wheel: Wheel<Due>,
    /// Empty between turns; kept for its memory.
    due: Vec<Due>,
    /// Messages that are due, and had no place in the work of an earlier turn.
    late: VecDeque<Packet>,
    work: Work,
    work_max: Duration,
    /// The time to which everything has happened.
    reached: Instant,
    happenings: VecDeque<Happening>,
    servers: Vec<Server>,
    /// Kills the children if the tester is killed; `None` if there is no shell.
    keeper: Option<Rc<Keeper>>,
    /// The names of the nodes, followed by those of the services.
    names: Vec<Rc<str>>,
    by_name: HashMap<Rc<str>, Address>,
    clients: Vec<Client>,
    /// The way of all messages, on NATS.
    broker: Option<Box<Broker>>,
    services: Services,
    network: Network,
    schedule: Schedule,
    faults: Faults,
    partition_draws: Random,
    next_message: u64,
    /// The bytes of the messages that wait in the wheel.
    in_flight_bytes: usize,
    held: Held,
    /// Whether the load ends because the run holds much.
    is_full: bool,
    is_load_over: bool,
    /// When it is next looked whether a node has stopped itself.
    next_look: Instant,
    statistics: Statistics,
    notes: Notes,
    progress: Progress,
    /// Set by a signal.
    signal: Arc<AtomicBool>,
    is_interrupted: bool,
    is_broken: bool,
    /// Why the tester itself cannot go on. No node is to blame.
    failure: Option<io::Error>,
}

/// The names of nodes and services by their place in the network, and their addresses. A node that
/// is called as a service takes its name.
fn names(nodes: &[String]) -> (Vec<Rc<str>>, HashMap<Rc<str>, Address>) {
    let names = nodes.iter().map(String::as_str).chain(SERVICE_NAMES);
    let names: Vec<Rc<str>> = names.map(Rc::from).collect();
    let services = (0..SERVICE_NAMES.len()).map(Address::Service);
    let nodes = (0..nodes.len()).map(Address::Node);
    // Nodes last, since the last one of a name counts.
    let of_services = names[nodes.len()..].iter().cloned().zip(services);
    let of_nodes = names.iter().cloned().zip(nodes);
    let by_name = of_services.chain(of_nodes).collect();
    (names, by_name)
}

impl Processes {
    pub(super) fn new(plan: &Plan, progress: Progress) -> io::Result<Processes> {
        // The order of the forks is part of what a seed means.
        let mut random = Random::new(plan.seed);
        let clock = MonotonicClock::start();
        let nodes = plan.nodes.len();
        let conditions = Conditions {
            latency: plan.latency,
            loss: plan.loss,
            duplication: plan.duplication,
            ..Conditions::default()
        };
        let network = Network::new(conditions, nodes + SERVICE_NAMES.len(), &mut random);
        let services = Services::new(random.fork());
        let faults = plan.faults();
        let mut asked = faults.asked();
        if plan.wants_broker_faults() {
            asked.push(FaultKind::Broker);
        }
        let schedule = Schedule::new(faults, random.fork(), plan.time_limit);
        let (names, by_name) = names(&plan.nodes);
        let partition_draws = random.fork();
        let mut reactor = Reactor::new()?;
        let broker = match &plan.nats_server {
            Some(program) => {
                let faults = (random.fork(), plan.broker_pause_max());
                let broker = Broker::new(program, nodes, faults, &mut reactor, clock)?;
                Some(Box::new(broker))
            }
            None => None,
        };
        Ok(Processes {
            plan: plan.clone(),
            reactor,
            wheel: Wheel::new(clock.now()),
            due: Vec::new(),
            late: VecDeque::new(),
            work: Work::begin(Instant::ZERO, WORK_MAX),
            work_max: WORK_MAX,
            reached: Instant::ZERO,
            happenings: VecDeque::new(),
            keeper: Keeper::start().ok().map(Rc::new),
            servers: (0..nodes).map(|_| Server::default()).collect(),
            names,
            by_name,
            clients: Vec::new(),
            broker,
            services,
            network,
            schedule,
            faults: Faults::new(asked),
            partition_draws,
            next_message: 0,
            in_flight_bytes: 0,
            held: Held::new(nodes),
            is_full: false,
            is_load_over: false,
            next_look: Instant::ZERO + LOOK_EVERY,
            statistics: Statistics::default(),
            notes: Notes::new(nodes),
            progress,
            signal: Arc::clone(&plan.interrupt),
            is_interrupted: false,
            is_broken: false,
            failure: None,
            clock,
        })
    }

    /// Ends every node, and returns what was kept of the run.
    ///
    /// # Errors
    /// When the kernel refused what the tester needs.
    pub(super) fn finish(mut self) -> io::Result<(Notes, Faults, Statistics)> {
        match self.failure.take() {
            Some(error) => Err(error),
            None => Ok((self.notes, self.faults, self.statistics)),
        }
    }

    /// Kills all nodes, and takes what they left.
    fn end_all(&mut self) {
        self.look_at_nodes();
        for node in 0..self.servers.len() {
            self.look_at_stdin(node);
        }
        // All are killed before the first is waited for.
        for server in &self.servers {
            if let Some(process) = &server.process {
                process.child.kill();
            }
        }
        for node in 0..self.servers.len() {
            let _status = self.end_process(node, End::Killed);
        }
        self.count_astray();
        self.tell_of_further_replies();
        let now = self.since_start();
        self.notes.end_logs(now);
    }

    /// Ends the run, because the tester itself cannot go on.
    fn fail(&mut self, error: io::Error) {
        self.is_broken = true;
        self.failure = Some(error);
    }

    /// The time since the start.
    fn since_start(&self) -> Duration {
        self.clock.now().since(Instant::ZERO)
    }

    /// One turn: lets things happen, and waits for them until `until` at the latest.
    fn turn(&mut self, until: Instant) {
        for node in 0..self.servers.len() {
            self.flush(node);
        }
        self.flush_broker();
        let now = self.clock.now();
        let broker = self.broker.as_ref().and_then(|broker| broker.deadline());
        let deadlines = [self.wheel.next_deadline(), broker];
        let next = deadlines.into_iter().flatten().fold(until, Instant::min);
        let timeout = match self.late.is_empty() {
            true => next.since(now).min(WAIT_MAX),
            false => Duration::ZERO,
        };
        if let Err(error) = self.reactor.wait(Some(timeout)) {
            return self.fail(error);
        }
        let now = self.clock.now();
        self.work = Work::begin(now, self.work_max);
        while !self.is_work_over()
            && let Some((token, stream, readiness)) = self.reactor.next_ready()
        {
            match *stream {
                Stream::Node { node, kind, .. } => self.serve(token, node, kind, readiness),
                Stream::Server(_) => self.serve_server(token),
                Stream::Carrier(_) => self.serve_carrier(token, readiness, now),
                Stream::Gate { number, .. } => self.serve_gate(number),
                Stream::Side { pair, .. } => self.serve_pair(pair),
            }
            // At once: a source that was served may have ended others, which wait in the queue.
            self.close_finished();
        }
        self.expire(now);
        self.close_finished();
        self.reached = self.reached.max(now);
        self.look_at_signal();
        self.look_at_memory();
        if now >= self.next_look {
            self.next_look = now + LOOK_EVERY;
            self.look_at_nodes();
        }
        self.show_progress(now);
    }

    /// Takes the sources that have finished out of the reactor, and closes them.
    fn close_finished(&mut self) {
        while let Some(stream) = self.reactor.take_finished() {
            drop(stream);
        }
    }

    /// Fires the timers that are due. Of the messages as many arrive as the work allows.
    fn expire(&mut self, now: Instant) {
        self.work = Work::begin(self.clock.now(), self.work_max);
        while !self.is_work_over()
            && let Some(packet) = self.late.pop_front()
        {
            self.end_flight(packet);
        }
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for due in due.drain(..) {
            self.fire(due);
        }
        self.due = due;
    }

    fn is_work_over(&mut self) -> bool {
        self.work.is_over(|| self.clock.now())
    }

    fn end_flight(&mut self, packet: Packet) {
        self.work.count(packet.body.len());
        self.in_flight_bytes -= packet.weight();
        self.arrive(packet);
    }

    fn fire(&mut self, due: Due) {
        match due {
            Due::Alarm(alarm) => self.happenings.push_back(Happening::Alarm(alarm)),
            Due::Arrival(packet) if self.late.is_empty() && !self.is_work_over() => {
                self.end_flight(packet);
            }
            // It keeps its place behind those that were due before.
            Due::Arrival(packet) => self.late.push_back(packet),
            Due::Moment(moment) => self.change(moment),
            Due::InitDeadline { node, client } => self.check_init(node, client),
            Due::InitAgain { node, client } => self.init_again(node, client),
            Due::Broker => self.change_broker(),
            Due::StdoutClosed { node, life } => self.check_stdout(node, life),
        }
    }

    /// The first signal ends the load, the second one the run.
    fn look_at_signal(&mut self) {
        if !self.signal.swap(false, Ordering::Relaxed) {
            return;
        }
        if self.is_interrupted {
            self.break_off(format_args!("interrupted for the second time"));
        } else {
            self.is_interrupted = true;
            let text = "interrupted: the load ends here; interrupt again to end everything at once";
            self.progress.say(text);
        }
    }

    /// Ends the run for a reason that is no node's fault.
    fn break_off(&mut self, why: std::fmt::Arguments<'_>) {
        self.is_broken = true;
        let at = self.since_start();
        self.notes.tester_problem(at, why.to_string());
        self.progress.say(&why.to_string());
    }

    fn show_progress(&mut self, now: Instant) {
        self.progress.flush();
        if !self.progress.is_due(now) {
            return;
        }
        let names = |wanted: fn(&Server) -> bool| {
            let nodes = self.servers.iter().zip(&self.names);
            let nodes = nodes.filter(|(server, _)| wanted(server));
            nodes.map(|(_, name)| &**name).collect::<Vec<&str>>()
        };
        let down = names(|server| server.process.is_none());
        let paused = names(|server| server.is_paused);
        let is_cut = self
            .faults
            .spans()
            .iter()
            .any(|span| span.to.is_none() && span.kind == FaultKind::Partition);
        let delivered = self.statistics.delivered;
        self.progress.show(now, delivered, is_cut, &down, &paused);
    }
}
