//! A cluster: nodes, services and clients on one queue of events and virtual time.
//!
//! ```text
//!               queue of events, by virtual time
//!                           │ pop, move the clock there
//!        ┌──────────────────┼─────────────────┬───────────────┐
//!     Arrival             Wake, Boot       Moment           Alarm
//!        │                  │                 │               │
//!   cut? ─> lost        session.expire     apply a fault   to the driver
//!        │                  │
//!   node: session.receive ──┴─> run its tasks, send its lines, wake it at its deadline
//!   service: answer and send
//!   client: to the driver, or into the inbox
//! ```
//!
//! Invariants:
//! - The time moves only in [`advance`](Cluster) and never back. Between two calls nothing
//!   happens.
//! - Timers and alarms come after everything else of their instant: a reply beats its own
//!   timeout.
//! - Each cause draws from a stream of its own, and the order in which the streams are
//!   forked from the seed never changes. A seed's run is the same for all versions.
//!
//! | file | content |
//! |---|---|
//! | `parts` | messages, events, nodes, clients |
//! | `delivery` | a message from its line to its arrival |
//! | `lifecycle` | a node from its boot to its turns |
//! | `faults` | crashes, pauses, partitions |
//! | `by_hand` | the calls of a test |
//! | `bed` | the calls of the driver |
//!
//! Read next: `parts`, then `delivery`.

mod bed;
mod by_hand;
mod delivery;
mod faults;
mod lifecycle;
mod parts;

use super::address::AddressBook;
use super::clocks::WallClock;
use super::plan::Plan;
use super::queue::Queue;
use super::rules::Violation;
use super::trace::{self, Fingerprint, Trace};
use crate::random::Random;
use crate::session::{Session, Settings};
use crate::time::{Clock, Instant, VirtualClock};
use crate::workload::faults::{Faults, Network, Schedule};
use crate::workload::{Happening, Services, Statistics, duration_below};
use parts::{Due, Life, Mailbox, Receiver, Server};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// Where a session's lines for people go.
pub(super) type LogSink = Box<dyn Fn(fmt::Arguments<'_>)>;

/// Makes a session of the author's node.
pub(super) type Spawn = Rc<dyn Fn(Settings, Rc<dyn Clock>, LogSink) -> Session>;

/// Lines for people, with the name of the node that wrote each.
type FreshLogs = Rc<RefCell<Vec<(Rc<str>, String)>>>;

/// How many lines for people are kept: the last 1,000.
const LOGS_MAX: usize = 1_000;

/// How many messages may arrive and timers fire while the time stands still: a
/// million. Without a limit, two nodes that answer each message with another would let
/// a test without latency run for ever, without a word.
const EVENTS_AT_ONCE_MAX: usize = 1_000_000;

/// The nodes start one after another within this time, in a random order. Messages of
/// other nodes can arrive before a node's own `init`.
const BOOT_SPREAD: Duration = Duration::from_millis(10);

/// A cluster of nodes, Maelstrom's services and clients, on virtual time.
///
/// [`Simulation::build`](super::Simulation::build) makes one for a test that decides
/// itself what happens when. [`Simulation::run`](super::Simulation::run) makes one and
/// drives it with a workload. Nothing happens between two calls.
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
    queue: Queue<Due>,
    /// How many events have come since the time moved on.
    at_once: usize,
    book: AddressBook,
    spawn: Spawn,
    rpc_timeout: Duration,
    servers: Vec<Server>,
    services: Services,
    mailboxes: Vec<Mailbox>,
    next_client: u64,
    network: Network,
    /// Of all nodes and services, or of none: then each message arrives when it is due.
    receivers: Vec<Receiver>,
    next_message: u64,
    schedule: Schedule,
    faults: Faults,
    /// The wall clock of each node's machine.
    walls: Vec<WallClock>,
    node_seeds: Random,
    partition_draws: Random,
    statistics: Statistics,
    violations: Vec<Violation>,
    trace: Option<Trace>,
    fingerprint: Fingerprint,
    /// Lines that the sessions have logged since their turn began.
    fresh_logs: FreshLogs,
    logs: VecDeque<String>,
    /// Empty between turns; kept for its memory.
    scratch: Vec<u8>,
    spare_lines: Vec<Vec<u8>>,
}

impl Cluster {
    pub(super) fn new(plan: &Plan, spawn: Spawn) -> Cluster {
        // The order of the forks is part of what a seed means.
        let mut random = Random::new(plan.seed);
        let book = AddressBook::new(plan.nodes);
        let network = Network::new(plan.conditions.clone(), book.servers(), &mut random);
        let busy_servers = if plan.one_at_a_time {
            book.servers()
        } else {
            0
        };
        let services = Services::new(random.fork());
        let schedule = Schedule::new(plan.faults.clone(), random.fork(), plan.load().duration);
        let node_seeds = random.fork();
        let partition_draws = random.fork();
        let mut boots = random.fork();
        let mut skews = random.fork();
        let mut cluster = Cluster {
            seed: plan.seed,
            clock: VirtualClock::default(),
            queue: Queue::new(),
            at_once: 0,
            servers: (0..plan.nodes).map(|_| Server::new(Life::Unborn)).collect(),
            book,
            spawn,
            rpc_timeout: plan.rpc_timeout,
            services,
            mailboxes: Vec::new(),
            next_client: 0,
            network,
            receivers: (0..busy_servers)
                .map(|_| Receiver {
                    waiting: Queue::new(),
                    is_busy: false,
                })
                .collect(),
            next_message: 0,
            schedule,
            faults: Faults::new(plan.faults.asked()),
            walls: (0..plan.nodes)
                .map(|_| WallClock::skewed(plan.clock_skew, &mut skews))
                .collect(),
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
            let at = Instant::ZERO + duration_below(&mut boots, BOOT_SPREAD);
            cluster.queue.push(at, Due::Boot(node));
        }
        for (at, moment) in cluster.schedule.moments() {
            let at = Instant::ZERO + at;
            cluster.queue.push(at, Due::Moment(moment));
        }
        cluster
    }

    /// Lets the next event happen, and moves the time to it. `None` if there is none, or
    /// too many at one instant.
    fn next_happening(&mut self) -> Option<Happening> {
        let (at, due) = self.queue.pop()?;
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
        match due {
            Due::Arrival(packet) => return Some(self.arrive_and_take_next(packet)),
            Due::Alarm(alarm) => return Some(Happening::Alarm(alarm)),
            Due::Wake(node, at) => self.wake(node, at),
            Due::Boot(node) => {
                if matches!(self.servers[node].life, Life::Unborn) {
                    self.boot_node(node);
                }
            }
            Due::InitDeadline { node, client } => self.check_init(node, client),
            Due::Moment(moment) => self.change(moment),
        }
        Some(Happening::Inside)
    }

    /// Ends a run whose time stands still. Everything on its way is dropped, so that
    /// nothing is left to wait for.
    #[cold]
    fn stop_the_storm(&mut self) {
        self.queue = Queue::new();
        self.violations.push(Violation {
            at: self.now(),
            node: "the cluster".to_owned(),
            line: String::new(),
            why: format!(
                "{EVENTS_AT_ONCE_MAX} messages and timers at one instant: nodes answer each message with another, \
                 or something sleeps for no time in a loop; some latency would let the time move on"
            ),
        });
    }

    /// Records that a node broke a rule.
    fn violate(&mut self, node: usize, line: &str, why: impl Into<String>) {
        self.violations.push(Violation {
            at: self.now(),
            node: self.book.node_names()[node].to_string(),
            line: line.to_owned(),
            why: why.into(),
        });
    }

    /// Writes into the trace, if there is one.
    fn record(&mut self, event: trace::Event) {
        if let Some(trace) = &mut self.trace {
            trace.push(self.clock.now(), event);
        }
    }
}
