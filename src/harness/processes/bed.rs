//! The processes as the driver's testbed.

use super::Processes;
use super::lifecycle::INIT_TIMEOUT;
use super::parts::{Address, Client, Due, Server};
use crate::protocol::ErrorCode;
use crate::time::{Clock, Instant};
use crate::workload::{Happening, Operation, Outcome, Request, Statistics, Testbed};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The wheel's tick. A timer goes off at the first whole millisecond after its deadline.
const TICK_NANOS: u64 = 1_000_000;

impl Testbed for Processes {
    fn nodes(&self) -> Vec<String> {
        self.plan.nodes.clone()
    }

    fn boot(&mut self) {
        self.boot_broker();
        for node in 0..self.servers.len() {
            if !self.is_broken {
                self.start_node(node);
            }
        }
        // The deadline of each `init` breaks the run off before this one.
        let limit = self.clock.now() + INIT_TIMEOUT + Duration::from_secs(1);
        let is_awaited = |bed: &Processes| bed.servers.iter().any(Server::is_awaited);
        while !self.is_broken
            && !self.is_interrupted()
            && is_awaited(self)
            && self.clock.now() < limit
        {
            self.turn(limit);
        }
    }

    fn end(&mut self) {
        self.end_all();
        if self.failure.is_none() {
            let text =
                "the nodes have ended, and the history is checked: a signal ends the tester now";
            self.progress.say(text);
        }
        self.progress.finish();
        self.plan.has_no_nodes.store(true, Ordering::Relaxed);
    }

    fn is_running(&self, node: usize) -> bool {
        self.is_up(node)
    }

    fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn is_interrupted(&self) -> bool {
        self.is_interrupted || self.is_full
    }

    fn note(&mut self, operation: &Operation) {
        self.progress.count(&operation.outcome);
        self.held.add_operation(operation);
        if let Outcome::Fail(error) | Outcome::Info(error) = &operation.outcome
            && error.code == ErrorCode::Timeout
        {
            self.servers[operation.node].is_slow = true;
        }
    }

    fn now(&self) -> Duration {
        self.since_start()
    }

    fn advance(&mut self, until: Duration) -> Option<Happening> {
        let nanos = (Instant::ZERO + until).as_nanos();
        let until = Instant::from_nanos(nanos.div_ceil(TICK_NANOS).saturating_mul(TICK_NANOS));
        let was_interrupted = self.is_interrupted();
        loop {
            if let Some(happening) = self.happenings.pop_front() {
                return Some(happening);
            }
            if self.reached >= until {
                return None;
            }
            if self.is_broken || self.is_interrupted() != was_interrupted {
                return Some(Happening::Inside);
            }
            self.turn(until);
        }
    }

    fn set_alarm(&mut self, at: Duration, alarm: u64) {
        let at = Instant::ZERO + at;
        self.wheel.insert(at, Due::Alarm(alarm));
    }

    fn open_client(&mut self) -> usize {
        self.new_client()
    }

    fn client_name(&self, client: usize) -> Rc<str> {
        self.clients[client].name.clone()
    }

    fn close_client(&mut self, client: usize) {
        self.clients[client].is_open = false;
    }

    fn request(&mut self, client: usize, node: usize, request: &Request, msg_id: u64) {
        let (kind, fields) = (request.kind, request.fields.get());
        // `{"a":1}` becomes `"a":1}`, after the comma that it needs; `{}` becomes `}`.
        let rest = fields
            .trim_start()
            .strip_prefix('{')
            .unwrap_or("}")
            .trim_start();
        let comma = if rest.starts_with('}') { "" } else { "," };
        let kind = serde_json::Value::from(kind);
        let body = format!(r#"{{"type":{kind},"msg_id":{msg_id}{comma}{rest}"#);
        self.clients[client].last_msg_id = msg_id;
        self.clients[client].unanswered.push(msg_id);
        self.send(Address::Client(client), Address::Node(node), &body);
    }

    fn recycle_line(&mut self, line: Vec<u8>) {
        drop(line);
    }

    fn blame(&mut self, node: usize, why: String, line: &str) {
        if line.is_empty() {
            self.blame_node(node, why);
        } else {
            self.blame_reply(node, why, line);
        }
    }

    /// A node that a fault strikes in the setup could not be judged.
    fn begin_faults(&mut self) {
        self.begin_schedule();
        self.begin_broker_faults();
    }

    fn end_faults(&mut self) {
        self.is_load_over = true;
        self.calm();
    }

    fn statistics(&self) -> Statistics {
        self.statistics
    }
}

impl Processes {
    pub(super) fn new_client(&mut self) -> usize {
        let client = self.clients.len();
        let name = format!("c{client}");
        if let Some(broker) = &mut self.broker {
            broker.add_client(&name);
        }
        self.clients.push(Client {
            name: name.into(),
            is_open: true,
            is_for_init: false,
            last_msg_id: 0,
            unanswered: Vec::new(),
        });
        client
    }
}
