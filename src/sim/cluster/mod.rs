//! A cluster on virtual time, driven by hand.

mod client;
mod delivery;
mod event;
mod lifecycle;
mod server;
mod view;

pub(super) use client::{CLIENT_TIMEOUT, reply_to};
pub(super) use event::Happening;

use super::address::AddressBook;
use super::fault::Fault;
use super::fingerprint::Fingerprint;
use super::latency::up_to;
use super::nemesis::Adversary;
use super::network::Network;
use super::partition::{Link, Partition};
use super::queue::Queue;
use super::service::Services;
use super::simulation::Plan;
use super::statistics::Statistics;
use super::trace::{self, Trace};
use crate::random::Random;
use crate::session::{Session, Settings};
use crate::time::{Clock, Instant, VirtualClock};
use client::Client;
use event::Event;
use server::{Server, State};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// Where a session's lines for people go.
pub(super) type Log = Box<dyn Fn(fmt::Arguments<'_>)>;

/// Makes a session of the author's node.
pub(super) type Spawn = Rc<dyn Fn(Settings, Rc<dyn Clock>, Log) -> Session>;

/// Lines for people, with the name of the node that wrote each.
type FreshLogs = Rc<RefCell<Vec<(Rc<str>, String)>>>;

/// How many lines for people are kept: the last 1,000.
const LOGS_MAX: usize = 1_000;

/// How many messages may arrive and timers fire while the time stands still: a
/// million. Without it two nodes that answer each message with another would, at a
/// latency of zero, let a test run for ever without a word.
const EVENTS_AT_ONCE_MAX: usize = 1_000_000;

/// The nodes start one after another within this time, in an order drawn from
/// the seed: peers' messages can come before a node's own `init`.
const BOOT_SPREAD: Duration = Duration::from_millis(10);

/// Something that Maelstrom does not forgive a node.
///
/// ```
/// # fn test(cluster: &eddyline::sim::Cluster) {
/// for violation in cluster.violations() {
///     eprintln!("{violation}"); // at 1.2s n0: `dest`: there is nobody called "n9": …
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When it happened.
    pub at: Instant,
    /// Who did it.
    pub node: String,
    /// The line that broke a rule; empty if none did.
    pub line: String,
    /// Which rule.
    pub why: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:?} {}: {}", self.at, self.node, self.why)?;
        if self.line.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.line)
    }
}

/// A cluster of nodes, Maelstrom's services and clients, on virtual time.
///
/// Made by [`Simulation::build`](super::Simulation::build), for tests that want
/// to say themselves what happens when; [`Simulation::run`](super::Simulation::run)
/// drives one with a workload. Nothing happens between two calls.
///
/// ```
/// use eddyline::sim::{Fault, Simulation};
/// use serde_json::json;
/// use std::time::Duration;
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
/// let mut cluster = Simulation::new(1).nodes(3).build::<Ping>();
/// let reply = cluster.call("n2", "ping", &())?;
/// assert_eq!(reply["type"], "ping_ok");
///
/// cluster.apply(&Fault::Pause(2));
/// assert_eq!(cluster.call("n2", "ping", &()).unwrap_err().code.number(), 0);
///
/// cluster.inject("c9", "n1", &json!({"type": "ping", "msg_id": 7}));
/// cluster.run_for(Duration::from_millis(1));
/// assert_eq!(cluster.take_received("c9")[0]["body"]["in_reply_to"], 7);
/// # Ok::<(), eddyline::Error>(())
/// ```
pub struct Cluster {
    seed: u64,
    clock: VirtualClock,
    queue: Queue<Event>,
    /// How many events have come since the time moved on.
    at_once: usize,
    book: AddressBook,
    spawn: Spawn,
    rpc_timeout: Duration,
    servers: Vec<Server>,
    services: Services,
    clients: Vec<Client>,
    next_client: u64,
    network: Network,
    next_message: u64,
    /// The schedule's partitions, and the links that each has cut.
    partitions: Vec<(Partition, Vec<Link>)>,
    adversary: Adversary,
    /// Faults have ended; the schedule's are passed over.
    is_calm: bool,
    node_seeds: Random,
    partition_draws: Random,
    statistics: Statistics,
    violations: Vec<Violation>,
    trace: Option<Trace>,
    fingerprint: Fingerprint,
    /// What the sessions have logged since their turn began.
    fresh_logs: FreshLogs,
    logs: VecDeque<String>,
    /// Empty between turns; kept for their memory.
    scratch: Vec<u8>,
    spare_lines: Vec<Vec<u8>>,
}

impl Cluster {
    pub(super) fn new(plan: &Plan, spawn: Spawn) -> Cluster {
        // The order of the forks is part of what a seed means.
        let mut random = Random::new(plan.seed);
        let book = AddressBook::new(plan.nodes);
        let network = Network::new(plan.conditions.clone(), book.servers(), &mut random);
        let services = Services::new(random.fork());
        let adversary = Adversary::new(plan.nemesis.clone(), random.fork());
        let node_seeds = random.fork();
        let partition_draws = random.fork();
        let mut boots = random.fork();
        let mut cluster = Cluster {
            seed: plan.seed,
            clock: VirtualClock::default(),
            queue: Queue::new(),
            at_once: 0,
            servers: (0..plan.nodes).map(|_| Server::new()).collect(),
            book,
            spawn,
            rpc_timeout: plan.rpc_timeout,
            services,
            clients: Vec::new(),
            next_client: 0,
            network,
            next_message: 0,
            partitions: Vec::new(),
            adversary,
            is_calm: false,
            node_seeds,
            partition_draws,
            statistics: Statistics::default(),
            violations: Vec::new(),
            trace: plan.trace.then(Trace::default),
            fingerprint: Fingerprint::default(),
            fresh_logs: Rc::default(),
            logs: VecDeque::new(),
            scratch: Vec::new(),
            spare_lines: Vec::new(),
        };
        for node in 0..plan.nodes {
            let at = Instant::ZERO + up_to(BOOT_SPREAD, &mut boots);
            cluster.queue.push(at, Event::Boot(node));
        }
        cluster.schedule(plan);
        cluster
    }

    fn schedule(&mut self, plan: &Plan) {
        for (index, (partition, span)) in plan.partitions.iter().enumerate() {
            self.partitions.push((partition.clone(), Vec::new()));
            let (begin, end) = (Instant::ZERO + span.start, Instant::ZERO + span.end);
            self.queue.push(begin, Event::Partition(index));
            self.queue.push(end, Event::Mend(index));
        }
        for (at, fault) in &plan.faults {
            let event = Event::Fault(fault.clone());
            self.queue.push(Instant::ZERO + *at, event);
        }
        let first = self.adversary.pause();
        self.queue.push(Instant::ZERO + first, Event::Nemesis);
    }

    // Time.

    /// The virtual time now; it begins at zero.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, std::time::Duration};
    /// # fn test(cluster: &mut Cluster) {
    /// let begun = cluster.now();
    /// cluster.run_for(Duration::from_secs(1));
    /// assert_eq!(cluster.now().since(begun), Duration::from_secs(1));
    /// # }
    /// ```
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Lets the next thing happen, and moves the time to it. Returns false if
    /// nothing is left to happen.
    ///
    /// ```
    /// # use eddyline::sim::Cluster;
    /// # fn test(cluster: &mut Cluster) {
    /// while cluster.statistics().delivered < 100 && cluster.step() {}
    /// # }
    /// ```
    pub fn step(&mut self) -> bool {
        match self.advance() {
            None => return false,
            Some(Happening::Received { client, line }) => {
                if let Ok(message) = serde_json::from_slice(&line) {
                    self.clients[client].inbox.push(message);
                }
                self.recycle_line(line);
            }
            Some(Happening::Inside | Happening::Alarm(_)) => {}
        }
        true
    }

    /// Lets everything happen that does within `duration`, and moves the time
    /// on by it.
    ///
    /// ```
    /// # use {eddyline::sim::{Cluster, Fault, Partition}, std::time::Duration};
    /// # fn test(cluster: &mut Cluster) {
    /// cluster.apply(&Fault::Partition(Partition::Halves));
    /// cluster.run_for(Duration::from_secs(3)); // three seconds of a partition
    /// # }
    /// ```
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now() + duration;
        while self.queue.next_at().is_some_and(|at| at <= end) {
            self.step();
        }
        self.clock.advance_to(end);
    }

    /// Steps until `done`, and at most for `limit`. Returns whether it was done.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, std::time::Duration};
    /// # fn test(cluster: &mut Cluster) {
    /// assert!(cluster.run_until(Duration::from_secs(5), |cluster| {
    ///     cluster.logs().any(|line| line.ends_with("is the leader"))
    /// }));
    /// # }
    /// ```
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Cluster) -> bool) -> bool {
        let end = self.now() + limit;
        loop {
            if done(self) {
                return true;
            }
            if self.queue.next_at().is_none_or(|at| at > end) {
                self.clock.advance_to(end);
                return done(self);
            }
            self.step();
        }
    }

    /// When the next thing happens.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.queue.next_at()
    }

    pub(super) fn advance(&mut self) -> Option<Happening> {
        let (at, event) = self.queue.pop()?;
        self.at_once = if at == self.now() {
            self.at_once + 1
        } else {
            0
        };
        if self.at_once > EVENTS_AT_ONCE_MAX {
            self.stop_the_storm();
            return None;
        }
        self.clock.advance_to(at);
        match event {
            Event::Arrival(packet) => return Some(self.arrive(packet)),
            Event::Alarm(alarm) => return Some(Happening::Alarm(alarm)),
            Event::Wake(node, at) => self.wake(node, at),
            // Whoever was crashed or paused before it ever started stays down, and
            // whoever was started by hand is not started twice.
            Event::Boot(node) => {
                if self.servers[node].has_not_begun() {
                    self.boot(node);
                }
            }
            Event::InitDeadline { node, client } => self.check_init(node, client),
            Event::Fault(fault) => {
                let breaks = matches!(
                    fault,
                    Fault::Partition(_) | Fault::Pause(_) | Fault::Crash(_)
                );
                if !(self.is_calm && breaks) {
                    self.apply(&fault);
                }
            }
            Event::Partition(index) if !self.is_calm => {
                let partition = self.partitions[index].0.clone();
                let links = self.draw_links(&partition);
                self.network.cut(&links);
                self.partitions[index].1 = links;
                self.record_cut(&partition, &self.partitions[index].1.clone());
            }
            Event::Mend(index) => {
                let links = std::mem::take(&mut self.partitions[index].1);
                if !links.is_empty() && !self.is_calm {
                    self.network.mend(&links);
                    let what = format!("healed: {:?}", self.partitions[index].0);
                    self.record(trace::Event::Fault(what));
                }
            }
            Event::Partition(_) => {}
            Event::Nemesis => self.nemesis_turn(),
        }
        Some(Happening::Inside)
    }

    fn nemesis_turn(&mut self) {
        if self.is_calm {
            return;
        }
        let up: Vec<bool> = self.servers.iter().map(Server::is_running).collect();
        if let Some(fault) = self.adversary.next(&up) {
            self.apply(&fault);
        }
        let next = self.now() + self.adversary.pause();
        self.queue.push(next, Event::Nemesis);
    }

    /// Ends all faults: links heal, paused nodes go on, nothing is lost or
    /// doubled any more, and the schedule breaks nothing new. Latency stays, and
    /// so do nodes that crashed for good.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, std::time::Duration};
    /// # fn test(cluster: &mut Cluster) {
    /// cluster.calm();
    /// cluster.run_for(Duration::from_secs(10)); // time to recover
    /// # }
    /// ```
    pub fn calm(&mut self) {
        self.is_calm = true;
        self.network.calm();
        let remedy = self.adversary.stop();
        for node in 0..self.servers.len() {
            if matches!(self.servers[node].state, State::Paused(..)) {
                self.apply(&Fault::Resume(node));
            }
        }
        self.record(trace::Event::Fault("all faults ended".to_owned()));
        if let Some(restart @ Fault::Restart(_)) = remedy {
            self.apply(&restart);
        }
    }

    /// Has `advance` return this alarm at that time.
    pub(super) fn set_alarm(&mut self, at: Instant, alarm: u64) {
        self.queue.push_late(at, Event::Alarm(alarm));
    }

    pub(super) fn take_trace(&mut self) -> Trace {
        self.trace.take().unwrap_or_default()
    }

    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint.number()
    }

    fn record(&mut self, event: trace::Event) {
        if let Some(trace) = &mut self.trace {
            trace.push(self.clock.now(), event);
        }
    }

    pub(super) fn violate(&mut self, violation: Violation) {
        self.violations.push(violation);
    }
}
