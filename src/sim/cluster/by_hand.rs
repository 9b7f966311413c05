//! The calls of a test that drives a cluster by hand.

use super::parts::Mailbox;
use super::{BOOT_SPREAD, Cluster};
use crate::protocol::{Error, error_of};
use crate::sim::address::Address;
use crate::sim::rules::Violation;
use crate::sim::trace::Trace;
use crate::time::{Clock, Instant};
use crate::workload::{CLIENT_TIMEOUT, Happening, Statistics};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// Time.
impl Cluster {
    /// The virtual time now; it begins at zero.
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
        match self.next_happening() {
            None => return false,
            Some(Happening::Received { client, line }) => {
                if let Ok(message) = serde_json::from_slice(&line) {
                    self.mailboxes[client].inbox.push(message);
                }
                self.recycle(line);
            }
            Some(Happening::Inside | Happening::Undone { .. } | Happening::Alarm(_)) => {}
        }
        true
    }

    /// Lets everything happen that happens within `duration`, and moves the time on
    /// by it.
    ///
    /// ```
    /// # use {eddyline::sim::{Cluster, Fault, Partition}, std::time::Duration};
    /// # fn test(cluster: &mut Cluster) {
    /// cluster.apply(&Fault::Partition(Partition::Halves));
    /// cluster.run_for(Duration::from_secs(3)); // three seconds of a partition
    /// # }
    /// ```
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(duration, |_| false);
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
}

/// Clients.
impl Cluster {
    /// Sends a message from a client, which is made if there is none of that name.
    /// `dest` is a node or a service. The body is sent as it is: it needs a `type`, and
    /// a `msg_id` if a reply is wanted. In a cluster that was just built, the nodes are
    /// started before.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, serde_json::json};
    /// # fn test(cluster: &mut Cluster) {
    /// cluster.inject("c9", "n0", &json!({"type": "echo", "msg_id": 1, "echo": "hi"}));
    /// # }
    /// ```
    ///
    /// # Panics
    /// When there is no such `dest`, or `src` is a node or service.
    pub fn inject<T: Serialize + ?Sized>(&mut self, src: &str, dest: &str, body: &T) {
        self.start_all();
        let client = match self.book.find(src) {
            Some(Address::Client(client)) => client,
            Some(_) => panic!("{src:?} is no client: nodes and services send for themselves"),
            None => self.add_mailbox(src),
        };
        let Some(dest) = self.book.find(dest) else {
            panic!("no node, service or client is called {dest:?}");
        };
        match serde_json::to_value(body) {
            Ok(body) => self.send_value(Address::Client(client), dest, &body),
            Err(error) => panic!("the body does not serialise: {error}"),
        }
    }

    /// Takes all messages that have arrived for a client since the last time.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, std::time::Duration};
    /// # fn test(cluster: &mut Cluster) {
    /// cluster.run_for(Duration::from_millis(100));
    /// for message in cluster.take_received("c9") {
    ///     assert_eq!(message["body"]["type"], "echo_ok");
    /// }
    /// # }
    /// ```
    pub fn take_received(&mut self, client: &str) -> Vec<Value> {
        match self.book.find(client) {
            Some(Address::Client(client)) => std::mem::take(&mut self.mailboxes[client].inbox),
            _ => Vec::new(),
        }
    }

    /// Makes a new client call a node or service, and lets the time pass until the
    /// reply has come. Returns the reply's body. If nodes have not answered their `init` yet,
    /// it lets them do so before.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, serde_json::json};
    /// # fn test(cluster: &mut Cluster) -> eddyline::Result<()> {
    /// cluster.call("n0", "add", &json!({"element": 7}))?;
    /// assert_eq!(cluster.call("n0", "read", &())?["value"], json!([7]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error of the reply, or error 0 when no reply came within 5 s.
    pub fn call<T: Serialize + ?Sized>(
        &mut self,
        dest: &str,
        kind: &str,
        fields: &T,
    ) -> crate::Result<Value> {
        self.start_all();
        self.run_until(CLIENT_TIMEOUT, |cluster| cluster.is_ready());
        let mut body = serde_json::to_value(fields)
            .map_err(|error| Error::malformed_request(format!("the body: {error}")))?;
        if body.is_null() {
            body = Value::Object(serde_json::Map::new());
        }
        body["type"] = kind.into();
        body["msg_id"] = 1.into();
        let client = self.open_mailbox();
        let name = self.book.name(Address::Client(client)).clone();
        self.inject(&name, dest, &body);
        let arrived = |cluster: &Cluster| !cluster.mailboxes[client].inbox.is_empty();
        self.run_until(CLIENT_TIMEOUT, arrived);
        self.mailboxes[client].is_open = false;
        let Some(reply) = self.mailboxes[client].inbox.pop() else {
            let text = format!("no reply from {dest:?} within {CLIENT_TIMEOUT:?}");
            return Err(Error::timeout(text));
        };
        let body = reply["body"].clone();
        if body["type"] != "error" {
            return Ok(body);
        }
        Err(error_of(&body.to_string()))
    }

    /// Lets every node start: a message to a node that has no process would be lost.
    fn start_all(&mut self) {
        let started = Instant::ZERO + BOOT_SPREAD;
        if self.now() < started {
            self.run_for(started.since(self.now()));
        }
    }

    pub(super) fn open_mailbox(&mut self) -> usize {
        loop {
            let name = format!("c{}", self.next_client);
            self.next_client += 1;
            if self.book.find(&name).is_none() {
                return self.add_mailbox(&name);
            }
        }
    }

    fn add_mailbox(&mut self, name: &str) -> usize {
        self.mailboxes.push(Mailbox {
            is_open: true,
            brings_init: false,
            inbox: Vec::new(),
        });
        self.book.add_client(name)
    }
}

/// The state of the cluster.
impl Cluster {
    /// The seed that everything is drawn from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The nodes' names, in order.
    pub fn nodes(&self) -> Vec<String> {
        let names = self.book.node_names().iter();
        names.map(|name| name.to_string()).collect()
    }

    /// Whether every node that is not down has answered its `init`.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, std::time::Duration};
    /// # fn test(cluster: &mut Cluster) {
    /// assert!(cluster.run_until(Duration::from_secs(1), Cluster::is_ready));
    /// # }
    /// ```
    pub fn is_ready(&self) -> bool {
        let mut servers = self.servers.iter();
        self.now() >= Instant::ZERO + BOOT_SPREAD
            && servers.all(|server| server.ready || server.is_down())
    }

    /// Whether a node runs: it is neither paused nor down.
    ///
    /// ```
    /// # use eddyline::sim::Cluster;
    /// fn survivors(cluster: &Cluster) -> usize {
    ///     (0..cluster.nodes().len()).filter(|&node| cluster.is_running(node)).count()
    /// }
    /// ```
    pub fn is_running(&self, node: usize) -> bool {
        self.servers
            .get(node)
            .is_some_and(|server| server.is_running())
    }

    /// How many messages went where.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// The rules that nodes have broken, which Maelstrom would not have forgiven.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The last thousand lines that nodes wrote for people.
    ///
    /// ```
    /// # fn test(cluster: &eddyline::sim::Cluster) {
    /// assert!(cluster.logs().any(|line| line.contains("has won the election")));
    /// # }
    /// ```
    pub fn logs(&self) -> impl Iterator<Item = &str> {
        self.logs.iter().map(String::as_str)
    }

    /// The conversation so far; empty without
    /// [`Simulation::trace`](crate::sim::Simulation::trace).
    pub fn trace(&self) -> Trace {
        self.trace.clone().unwrap_or_default()
    }
}
