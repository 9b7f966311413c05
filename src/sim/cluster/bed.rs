//! The cluster as the driver's testbed.

use super::Cluster;
use super::parts::Due;
use crate::protocol::{Fields, Numbers, write_fields, write_header};
use crate::sim::address::Address;
use crate::sim::trace::Trace;
use crate::time::Instant;
use crate::workload::{Happening, Request, Statistics, Testbed};
use std::rc::Rc;
use std::time::Duration;

/// How long the nodes may take to answer `init`. The cluster gives each 10 s, and
/// starts the last one within 10 ms.
const BOOT_LIMIT: Duration = Duration::from_secs(11);

impl Testbed for Cluster {
    fn nodes(&self) -> Vec<String> {
        Cluster::nodes(self)
    }

    fn boot(&mut self) {
        let limit = self.now() + BOOT_LIMIT;
        while !self.is_broken() && !self.is_ready() && self.now() < limit && self.step() {}
    }

    fn is_running(&self, node: usize) -> bool {
        Cluster::is_running(self, node)
    }

    fn is_broken(&self) -> bool {
        !self.violations.is_empty()
    }

    fn now(&self) -> Duration {
        self.since_start()
    }

    fn advance(&mut self, until: Duration) -> Option<Happening> {
        let until = Instant::ZERO + until;
        if self.queue.next_at().is_some_and(|at| at <= until) {
            return self.next_happening();
        }
        self.clock.advance_to(until);
        None
    }

    fn set_alarm(&mut self, at: Duration, alarm: u64) {
        self.queue.push_late(Instant::ZERO + at, Due::Alarm(alarm));
    }

    fn open_client(&mut self) -> usize {
        self.open_mailbox()
    }

    fn client_name(&self, client: usize) -> Rc<str> {
        self.book.name(Address::Client(client)).clone()
    }

    fn close_client(&mut self, client: usize) {
        self.mailboxes[client].is_open = false;
    }

    fn request(&mut self, client: usize, node: usize, request: &Request, msg_id: u64) {
        let (src, dest) = (Address::Client(client), Address::Node(node));
        let mut line = Vec::with_capacity(128);
        let numbers = Numbers {
            msg_id: Some(msg_id),
            in_reply_to: None,
        };
        let names = (&**self.book.name(src), &**self.book.name(dest));
        write_header(&mut line, names, (request.kind, ""), numbers);
        let written = write_fields::<()>(&mut line, Fields::Raw(&request.fields));
        line.pop();
        debug_assert!(written.is_ok(), "a request is made of JSON");
        self.send(src, dest, &line);
    }

    fn recycle_line(&mut self, line: Vec<u8>) {
        self.recycle(line);
    }

    fn blame(&mut self, node: usize, why: String, line: &str) {
        self.violate(node, line, why);
    }

    fn end_faults(&mut self) {
        self.calm();
    }

    fn statistics(&self) -> Statistics {
        Cluster::statistics(self)
    }
}

impl Cluster {
    pub(in crate::sim) fn take_trace(&mut self) -> Trace {
        self.trace.take().unwrap_or_default()
    }

    pub(in crate::sim) fn fingerprint(&self) -> u64 {
        self.fingerprint.number()
    }
}
