//! The lives of the nodes: booted, woken, paused, crashed.

use super::event::{Event, Packet};
use super::server::{Awaited, Server, State};
use super::{Cluster, EVENTS_AT_ONCE_MAX, Violation};
use crate::protocol::{Envelope, Error, ErrorCode};
use crate::session::{Session, Settings};
use crate::sim::address::Address;
use crate::sim::fault::Fault;
use crate::sim::partition::{Link, Partition};
use crate::sim::queue::Queue;
use crate::sim::trace::{self, Loss};
use crate::time::Instant;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a node may take to answer `init`: Maelstrom's 10 s.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many tasks may be polled without the time moving on: a million. A task
/// that wakes itself for ever would otherwise stop the simulation, not the node.
const POLLS_MAX: usize = 1_000_000;

/// How many tasks are polled between two looks at the limit above.
const POLLS: usize = 1_000;

impl Cluster {
    /// Starts a node: a new session, and an `init` from a new client.
    pub(super) fn boot(&mut self, node: usize) {
        let settings = Settings {
            seed: self.node_seeds.next_u64(),
            rpc_timeout: self.rpc_timeout,
        };
        let name = self.book.name(Address::Node(node)).clone();
        let logs = self.fresh_logs.clone();
        let log: super::Log = Box::new(move |text| {
            logs.borrow_mut().push((name.clone(), text.to_string()));
        });
        let session: Session = (self.spawn)(settings, std::rc::Rc::new(self.clock.clone()), log);
        let client = self.open_client();
        self.clients[client].is_midwife = true;
        self.servers[node] = Server {
            state: State::Running(Box::new(session)),
            wake_at: None,
            init_from: Some(client),
            ready: false,
            awaits: None,
        };
        let names: Vec<&str> = self.book.node_names().iter().map(|name| &**name).collect();
        let body = json!({
            "type": "init",
            "msg_id": 1,
            "node_id": names[node],
            "node_ids": names,
        });
        self.send_value(Address::Client(client), Address::Node(node), &body);
        let deadline = self.now() + INIT_TIMEOUT;
        self.queue
            .push(deadline, Event::InitDeadline { node, client });
    }

    /// Whether a message to a client was the answer to an `init`.
    pub(super) fn answers_init(&mut self, client: usize, packet: &Packet) -> bool {
        let Address::Node(node) = packet.src else {
            return false;
        };
        if self.servers[node].init_from != Some(client) {
            return false;
        }
        self.clients[client].is_open = false;
        self.servers[node].init_from = None;
        let envelope = Envelope::parse(&packet.line);
        let kind = envelope.ok().and_then(|envelope| envelope.header.kind);
        if kind.as_deref() == Some("init_ok") {
            self.servers[node].ready = true;
        } else {
            let line = String::from_utf8_lossy(&packet.line).into_owned();
            self.violate_node(node, line, "`init` was not answered by init_ok");
        }
        true
    }

    pub(super) fn check_init(&mut self, node: usize, client: usize) {
        if self.servers[node].init_from == Some(client) && self.servers[node].is_running() {
            self.violate_node(node, String::new(), "`init` was not answered within 10 s");
        }
    }

    /// Fires what is due at a node, if it still waits for that time.
    pub(super) fn wake(&mut self, node: usize, at: Instant) {
        let server = &mut self.servers[node];
        if server.wake_at != Some(at) {
            return;
        }
        if let State::Running(session) = &mut server.state {
            server.wake_at = None;
            session.expire(at);
            self.settle(node);
        }
    }

    /// Lets a node finish its turn: run what is ready, write what is to be
    /// written, and wait for the next timer.
    pub(super) fn settle(&mut self, node: usize) {
        let now = self.now();
        let State::Running(session) = &mut self.servers[node].state else {
            return;
        };
        let mut polls = 0;
        let endless = loop {
            let more = session.run_tasks(POLLS);
            while let Some((id, _)) = session.next_operation() {
                let error = Error::new(
                    ErrorCode::NotSupported,
                    "there are no TCP sockets in a simulation",
                );
                session.complete_operation(id, Err(error));
            }
            polls += POLLS;
            let endless = polls >= POLLS_MAX;
            if !more && !session.has_ready_tasks() || endless {
                break endless;
            }
        };
        let mut bytes = std::mem::take(&mut self.scratch);
        {
            let mut output = session.output();
            bytes.extend_from_slice(output.pending());
            let len = output.len();
            output.consume(len);
        }
        let server = &mut self.servers[node];
        if let State::Running(session) = &server.state
            && let Some(deadline) = session.next_deadline()
        {
            // A deadline of the past is due now, after all that arrives now.
            let at = deadline.max(now);
            if server.wake_at.is_none_or(|known| at < known) {
                server.wake_at = Some(at);
                self.queue.push_late(at, Event::Wake(node, at));
            }
        }
        self.take_logs();
        let mut rest = &bytes[..];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.send_from_node(node, &rest[..end]);
            rest = &rest[end + 1..];
        }
        bytes.clear();
        self.scratch = bytes;
        if endless {
            let why = "its tasks do not stop: a million polls at one instant";
            self.violate_node(node, String::new(), why);
        }
    }

    fn take_logs(&mut self) {
        let fresh = std::mem::take(&mut *self.fresh_logs.borrow_mut());
        let now = self.now();
        for (node, text) in fresh {
            self.record(trace::Event::Log(node.clone(), text.clone()));
            if self.logs.len() == super::LOGS_MAX {
                self.logs.pop_front();
            }
            self.logs.push_back(format!("{now:?} {node}: {text}"));
        }
    }

    /// Does something to the cluster, now. A node that is not there to be paused,
    /// resumed or restarted stays as it is.
    ///
    /// ```
    /// # use eddyline::sim::{Cluster, Fault};
    /// # fn test(cluster: &mut Cluster) {
    /// cluster.apply(&Fault::Crash(0));
    /// assert!(!cluster.is_running(0));
    /// cluster.apply(&Fault::Restart(0));
    /// # }
    /// ```
    ///
    /// # Panics
    /// When it names a node or service that the cluster does not have.
    pub fn apply(&mut self, fault: &Fault) {
        if let Fault::Pause(node)
        | Fault::Resume(node)
        | Fault::Crash(node)
        | Fault::Restart(node) = fault
        {
            let nodes = self.servers.len();
            assert!(*node < nodes, "there is no n{node} among {nodes} nodes");
        }
        match fault {
            Fault::Partition(partition) => {
                let links = self.draw_links(partition);
                self.network.cut(&links);
                return self.record_cut(partition, &links);
            }
            Fault::Heal => self.network.heal(),
            Fault::Pause(node) if self.is_running(*node) => {
                let server = &mut self.servers[*node];
                server.wake_at = None;
                server.state = match std::mem::replace(&mut server.state, State::Down) {
                    State::Running(session) => State::Paused(session, Vec::new()),
                    other => other,
                };
            }
            Fault::Pause(node) if self.servers[*node].has_not_begun() => {
                self.servers[*node].awaits = Some(Awaited::Resume);
            }
            Fault::Resume(node) if self.servers[*node].awaits == Some(Awaited::Resume) => {
                self.boot(*node);
            }
            Fault::Resume(node) => self.resume(*node),
            Fault::Crash(node) => self.crash(*node),
            Fault::Restart(node) if self.servers[*node].is_down() => self.boot(*node),
            Fault::Pause(_) | Fault::Restart(_) => return,
        }
        self.record(trace::Event::Fault(fault.to_string()));
    }

    fn crash(&mut self, node: usize) {
        let server = std::mem::replace(&mut self.servers[node], Server::new());
        self.servers[node].awaits = Some(Awaited::Restart);
        if let State::Paused(_, waiting) = server.state {
            for packet in waiting {
                self.statistics.to_the_dead += 1;
                self.lose(packet, Loss::Down);
            }
        }
    }

    /// As the event loop has it after a pause: first everything that came, then
    /// the timers.
    fn resume(&mut self, node: usize) {
        let server = &mut self.servers[node];
        match std::mem::replace(&mut server.state, State::Down) {
            State::Paused(session, waiting) => {
                server.state = State::Running(session);
                for packet in waiting {
                    self.note_arrival(&packet);
                    self.receive(node, packet);
                }
                self.settle(node);
            }
            other => server.state = other,
        }
    }

    pub(super) fn draw_links(&mut self, partition: &Partition) -> Vec<Link> {
        let book = &self.book;
        partition.links(self.servers.len(), &mut self.partition_draws, |name| {
            book.find(name).and_then(|address| book.server(address))
        })
    }

    /// Says who no longer hears whom: those who reach the same nodes together.
    pub(super) fn record_cut(&mut self, partition: &Partition, links: &[Link]) {
        if self.trace.is_none() {
            return;
        }
        let mut unheard: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &(from, to) in links {
            unheard.entry(from).or_default().push(to);
        }
        let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for (from, mut to) in unheard {
            to.sort_unstable();
            groups.entry(to).or_default().push(from);
        }
        let names = |servers: &[usize]| {
            let names = servers
                .iter()
                .map(|&server| &**self.book.server_name(server));
            names.collect::<Vec<&str>>().join(",")
        };
        let groups = groups
            .iter()
            .map(|(to, from)| format!("{} ↛ {}", names(from), names(to)));
        let groups = groups.collect::<Vec<String>>().join("; ");
        let fault = Fault::Partition(partition.clone());
        self.record(trace::Event::Fault(format!("{fault}: {groups}")));
    }

    /// Ends a run whose time stands still: whatever is on its way is dropped, so
    /// that whoever waits for something finds that nothing comes.
    #[cold]
    pub(super) fn stop_the_storm(&mut self) {
        self.queue = Queue::new();
        self.violate(Violation {
            at: self.now(),
            node: "the cluster".to_owned(),
            line: String::new(),
            why: format!(
                "{EVENTS_AT_ONCE_MAX} messages and timers at one instant: nodes answer each message with another, \
                 or something sleeps for no time in a loop; some latency would let the time move on"
            ),
        });
    }

    pub(super) fn violate_node(&mut self, node: usize, line: String, why: &str) {
        let node = self.book.name(Address::Node(node)).to_string();
        self.violate(Violation {
            at: self.now(),
            node,
            line,
            why: why.to_owned(),
        });
    }
}
