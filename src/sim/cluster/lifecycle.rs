//! The life of a node: its boot, its `init`, its timers and the end of each turn.

use super::parts::{Due, Life, Packet, Server};
use super::{Cluster, LOGS_MAX, LogSink};
use crate::protocol::{Envelope, Error, ErrorCode};
use crate::session::{Session, Settings};
use crate::sim::address::Address;
use crate::sim::clocks::NodeClock;
use crate::sim::trace;
use crate::time::Instant;
use serde_json::json;
use std::rc::Rc;
use std::time::Duration;

/// How long a node may take to answer `init`: Maelstrom's 10 s.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many tasks may be polled without the time moving on: a million. Without a limit, a
/// task that always wakes itself would stop the whole simulation.
const POLLS_MAX: usize = 1_000_000;

/// How many tasks are polled before the limit above is checked again.
const POLLS: usize = 1_000;

impl Cluster {
    /// Starts a node: a new session, and an `init` from a new client.
    pub(super) fn boot_node(&mut self, node: usize) {
        let settings = Settings {
            seed: self.node_seeds.next_u64(),
            rpc_timeout: self.rpc_timeout,
        };
        let name = self.book.name(Address::Node(node)).clone();
        let logs = self.fresh_logs.clone();
        let log: LogSink = Box::new(move |text| {
            logs.borrow_mut().push((name.clone(), text.to_string()));
        });
        let born = self.now();
        let clock = NodeClock::new(self.clock.clone(), born, self.walls[node].clone());
        let session: Session = (self.spawn)(settings, Rc::new(clock), log);
        let client = self.open_mailbox();
        self.mailboxes[client].brings_init = true;
        self.servers[node] = Server {
            init_from: Some(client),
            born,
            ..Server::new(Life::Running(Box::new(session)))
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
            .push(deadline, Due::InitDeadline { node, client });
    }

    /// Whether a message to a client answers an `init`. If so, takes note of it.
    pub(super) fn answers_init(&mut self, client: usize, packet: &Packet) -> bool {
        let Address::Node(node) = packet.src else {
            return false;
        };
        if self.servers[node].init_from != Some(client) {
            return false;
        }
        self.mailboxes[client].is_open = false;
        self.servers[node].init_from = None;
        let envelope = Envelope::parse(&packet.line);
        let kind = envelope.ok().and_then(|envelope| envelope.header.kind);
        if kind.as_deref() == Some("init_ok") {
            self.servers[node].ready = true;
        } else {
            let line = String::from_utf8_lossy(&packet.line);
            self.violate(node, &line, "`init` was not answered by init_ok");
        }
        true
    }

    pub(super) fn check_init(&mut self, node: usize, client: usize) {
        if self.servers[node].init_from == Some(client) && self.servers[node].is_running() {
            self.violate(node, "", "`init` was not answered within 10 s");
        }
    }

    /// Fires the due timers of a node, if it still waits for that time.
    pub(super) fn wake(&mut self, node: usize, at: Instant) {
        let server = &mut self.servers[node];
        if server.wake_at != Some(at) {
            return;
        }
        let own_time = server.own_time(at);
        if let Life::Running(session) = &mut server.life {
            server.wake_at = None;
            session.expire(own_time);
            self.finish_turn(node);
        }
    }

    /// Finishes a turn of a node: runs its tasks, sends its lines, and sets the time at
    /// which it is woken next.
    pub(super) fn finish_turn(&mut self, node: usize) {
        let now = self.now();
        let server = &mut self.servers[node];
        let Life::Running(session) = &mut server.life else {
            return;
        };
        let never_waits = run_tasks(session);
        let mut bytes = std::mem::take(&mut self.scratch);
        {
            let mut output = session.output();
            bytes.extend_from_slice(output.pending());
            let len = output.len();
            output.consume(len);
        }
        let task_failure = session.take_task_failure();
        if let Some(deadline) = session.next_deadline() {
            // A deadline of the past is due now, after everything that arrives now.
            let at = server.cluster_time(deadline).max(now);
            if server.wake_at.is_none_or(|known| at < known) {
                server.wake_at = Some(at);
                self.queue.push_late(at, Due::Wake(node, at));
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
        if never_waits {
            let why = "its tasks do not stop: a million polls at one instant";
            self.violate(node, "", why);
        }
        if let Some(why) = task_failure {
            self.violate(node, "", why);
        }
    }

    fn take_logs(&mut self) {
        let fresh = std::mem::take(&mut *self.fresh_logs.borrow_mut());
        let now = self.now();
        for (node, text) in fresh {
            self.record(trace::Event::Log(node.clone(), text.clone()));
            if self.logs.len() == LOGS_MAX {
                self.logs.pop_front();
            }
            self.logs.push_back(format!("{now:?} {node}: {text}"));
        }
    }
}

/// Runs tasks until all of them wait. Returns true if they do not: the limit is reached.
fn run_tasks(session: &mut Session) -> bool {
    let mut polls = 0;
    loop {
        let more = session.run_tasks(POLLS);
        while let Some((id, _)) = session.next_operation() {
            let error = Error::new(
                ErrorCode::NotSupported,
                "there are no TCP sockets in a simulation",
            );
            session.complete_operation(id, Err(error));
        }
        polls += POLLS;
        if polls >= POLLS_MAX {
            return true;
        }
        if !more && !session.has_ready_tasks() {
            return false;
        }
    }
}
