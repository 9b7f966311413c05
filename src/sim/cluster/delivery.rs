//! The way of a message: checked, sent, lost or late, and delivered.

use super::Cluster;
use super::parts::{Due, Life, Packet};
use crate::protocol::Envelope;
use crate::sim::address::Address;
use crate::sim::rules;
use crate::sim::trace::{self, Loss};
use crate::time::Clock;
use crate::wire::LINE_BYTES_MAX;
use crate::workload::Happening;
use crate::workload::faults::Fate;
use serde::Serialize;
use std::time::Duration;

/// How many lines' memory is kept, and of what size.
const SPARES_MAX: usize = 1024;
const SPARE_BYTES_MAX: usize = 4 << 10;

impl Cluster {
    /// Sends one line that a node has written, or records the rule that it breaks.
    /// Maelstrom would stop listening to that node.
    pub(super) fn send_from_node(&mut self, node: usize, line: &[u8]) {
        let src = Address::Node(node);
        match rules::destination(&self.book, src, line) {
            Ok(dest) => self.send(src, dest, line),
            Err(why) => self.violate(node, &String::from_utf8_lossy(line), why),
        }
    }

    /// Puts a message on the network.
    pub(super) fn send(&mut self, src: Address, dest: Address, line: &[u8]) {
        let id = self.next_message;
        self.next_message += 1;
        self.count_sent(src, dest);
        if let Some(trace) = &mut self.trace {
            let event = trace::Event::Sent {
                id,
                src: self.book.name(src).clone(),
                dest: self.book.name(dest).clone(),
                line: String::from_utf8_lossy(line).into(),
            };
            trace.push(self.clock.now(), event);
        }
        let fate = match (src, dest) {
            (Address::Client(client), _) | (_, Address::Client(client)) => {
                self.network.client_fate(self.mailboxes[client].brings_init)
            }
            _ => self.network.fate(),
        };
        match fate {
            Fate::Lost => {
                self.statistics.lost += 1;
                self.record(trace::Event::Dropped(id, Loss::Lost));
            }
            Fate::Arrives(delay, again) => {
                let packet = |line| Packet {
                    id,
                    src,
                    dest,
                    line,
                };
                if let Some(again) = again {
                    self.statistics.duplicated += 1;
                    self.deliver_after(again, packet(line.to_vec()));
                }
                let mut bytes = self.spare_lines.pop().unwrap_or_default();
                bytes.extend_from_slice(line);
                self.deliver_after(delay, packet(bytes));
            }
        }
    }

    /// Lets a message arrive after a delay. A receiver that takes one message at a time may take
    /// it later.
    fn deliver_after(&mut self, delay: Duration, packet: Packet) {
        let at = self.clock.now() + delay;
        let server = self.book.server(packet.dest);
        let Some(server) = server.filter(|&server| server < self.receivers.len()) else {
            return self.queue.push(at, Due::Arrival(packet));
        };
        self.receivers[server].waiting.push(at, packet);
        if !self.receivers[server].is_busy {
            self.take_next(server);
        }
    }

    /// Makes a receiver that is free take its next message, and wait until that is due. Its link
    /// is looked at now.
    fn take_next(&mut self, server: usize) {
        while let Some((due, packet)) = self.receivers[server].waiting.pop() {
            let from = self.book.server(packet.src);
            if from.is_some_and(|from| self.network.is_cut((from, server))) {
                self.statistics.cut += 1;
                self.lose(packet, Loss::Cut);
                continue;
            }
            self.receivers[server].is_busy = true;
            let at = due.max(self.clock.now());
            self.queue.push(at, Due::Arrival(packet));
            return;
        }
    }

    /// Delivers a message whose time has come, and lets its receiver take the next one.
    pub(super) fn arrive_and_take_next(&mut self, packet: Packet) -> Happening {
        let server = self.book.server(packet.dest);
        let happening = self.arrive(packet);
        if let Some(server) = server.filter(|&server| server < self.receivers.len()) {
            self.receivers[server].is_busy = false;
            self.take_next(server);
        }
        happening
    }

    fn count_sent(&mut self, src: Address, dest: Address) {
        let count = match (src, dest) {
            (Address::Client(_), _) | (_, Address::Client(_)) => &mut self.statistics.with_clients,
            (Address::Node(_), Address::Node(_)) => &mut self.statistics.between_nodes,
            _ => &mut self.statistics.with_services,
        };
        *count += 1;
    }

    /// Delivers a message that has arrived, unless its link is cut or its receiver is gone.
    pub(super) fn arrive(&mut self, packet: Packet) -> Happening {
        let link = (self.book.server(packet.src), self.book.server(packet.dest));
        if let (Some(from), Some(to)) = link
            && self.receivers.is_empty()
            && self.network.is_cut((from, to))
        {
            self.statistics.cut += 1;
            return self.lose(packet, Loss::Cut);
        }
        match packet.dest {
            Address::Node(node) if packet.id < self.servers[node].first_message => {
                self.statistics.to_the_dead += 1;
                self.lose(packet, Loss::Down)
            }
            Address::Node(node) => match &mut self.servers[node].life {
                Life::Running(_) => {
                    self.note_arrival(&packet);
                    self.receive(node, packet);
                    self.finish_turn(node);
                    Happening::Inside
                }
                Life::Paused(_, waiting) => {
                    waiting.push(packet);
                    Happening::Inside
                }
                Life::Unborn | Life::Held | Life::Down => {
                    self.statistics.to_the_dead += 1;
                    self.lose(packet, Loss::Down)
                }
            },
            Address::Service(service) => {
                self.note_arrival(&packet);
                self.serve(service, packet);
                Happening::Inside
            }
            Address::Client(client) if !self.mailboxes[client].is_open => {
                self.statistics.too_late += 1;
                self.lose(packet, Loss::Gone)
            }
            Address::Client(client) => {
                self.note_arrival(&packet);
                if self.answers_init(client, &packet) {
                    return Happening::Inside;
                }
                let line = packet.line;
                Happening::Received { client, line }
            }
        }
    }

    pub(super) fn lose(&mut self, packet: Packet, loss: Loss) -> Happening {
        self.record(trace::Event::Dropped(packet.id, loss));
        self.recycle(packet.line);
        Happening::Inside
    }

    pub(super) fn note_arrival(&mut self, packet: &Packet) {
        self.statistics.delivered += 1;
        self.fingerprint.add(self.now().as_nanos(), &packet.line);
        self.record(trace::Event::Arrived(packet.id));
    }

    /// Hands a message to a session that runs.
    pub(super) fn receive(&mut self, node: usize, packet: Packet) {
        if let Life::Running(session) = &mut self.servers[node].life {
            // As the event loop does: a longer line does not reach the session.
            if packet.line.len() > LINE_BYTES_MAX {
                session.receive_too_long(&packet.line, LINE_BYTES_MAX);
            } else {
                session.receive(&packet.line);
            }
        }
        self.recycle(packet.line);
    }

    fn serve(&mut self, service: usize, packet: Packet) {
        let client = self.book.name(packet.src).clone();
        let reply = Envelope::parse(&packet.line)
            .ok()
            .and_then(|envelope| self.services.answer(service, &client, envelope.body));
        self.recycle(packet.line);
        if let Some(body) = reply {
            self.send_value(Address::Service(service), packet.src, &body);
        }
    }

    /// Sends a message with this body.
    pub(super) fn send_value(&mut self, src: Address, dest: Address, body: &impl Serialize) {
        #[derive(Serialize)]
        struct Message<'a, B> {
            src: &'a str,
            dest: &'a str,
            body: &'a B,
        }
        let message = Message {
            src: self.book.name(src),
            dest: self.book.name(dest),
            body,
        };
        // JSON values always serialise.
        if let Ok(line) = serde_json::to_vec(&message) {
            self.send(src, dest, &line);
        }
    }

    /// Keeps the memory of a line for another one.
    pub(super) fn recycle(&mut self, mut line: Vec<u8>) {
        if self.spare_lines.len() < SPARES_MAX && line.capacity() <= SPARE_BYTES_MAX {
            line.clear();
            self.spare_lines.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::Simulation;
    use crate::{Context, Node, Request, Result};
    use std::rc::Rc;

    struct Mute;

    impl Node for Mute {
        fn new(_: &Context) -> Self {
            Mute
        }

        async fn handle(self: Rc<Self>, _: Context, _: Request) -> Result<()> {
            Ok(())
        }
    }

    /// The rule that a line of n0's breaks; empty if it is sent.
    fn wrong(line: &str) -> String {
        let mut cluster = Simulation::new(1).nodes(2).build::<Mute>();
        cluster.send_from_node(0, line.as_bytes());
        let violations = cluster.violations().iter().map(ToString::to_string);
        violations.collect()
    }

    #[test]
    fn a_line_that_maelstrom_does_not_take_is_a_violation() {
        for line in [
            r#"{"src":"n0","dest":"n1","body":{"type":"x"}}"#,
            r#"{"src":"n0","dest":"seq-kv","body":{"type":"x"}}"#,
            r#"{ "id": 7, "dest": "n\u0031", "src": "n0", "body": {} }"#,
        ] {
            assert_eq!(wrong(line), "");
        }
        for (line, why) in [
            ("", "no message"),
            ("Hello", "no message"),
            (
                r#"{"src":"n0","dest":"n9","body":{"type":"x"}}"#,
                "is called \"n9\"",
            ),
            (
                r#"{"src":"n0","dest":"c5","body":{"type":"x"}}"#,
                "is called \"c5\"",
            ),
            (
                r#"{"src":"n0","dest":"n1","body":{},"extra":1}"#,
                "unknown field `extra`",
            ),
            (r#"{"src":"n0","dest":5,"body":{}}"#, "expected a string"),
            (r#"{"dest":"n1","body":{}}"#, "missing field `src`"),
            (r#"{"src":"n0","dest":"n1","body":[]}"#, "not an object"),
        ] {
            let violation = wrong(line);
            assert!(violation.contains(why), "{line}: {violation}");
            assert!(violation.contains("n0"), "{violation}");
        }
    }
}
