//! The way of a message: sent, lost or late, and delivered.

use super::Processes;
use super::outline::Outline;
use super::parts::{Address, Client, Due, Packet};
use crate::harness::record::MessageFate;
use crate::time::Clock;
use crate::workload::Happening;
use crate::workload::faults::Fate;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

/// The most bytes that wait for a node which does not read its stdin: 64 MiB. Further messages
/// to it are lost.
const INPUT_BYTES_MAX: usize = 64 << 20;

/// The most bytes of messages that are on their way: 64 MiB. Further ones are lost.
const IN_FLIGHT_BYTES_MAX: usize = 64 << 20;

/// Latencies are whole milliseconds, as Maelstrom's are.
fn millis(delay: Duration) -> u128 {
    (delay.as_micros() + 500) / 1000
}

/// The fate of a message, for a line that shows it.
fn told(fate: &Fate) -> String {
    match *fate {
        Fate::Lost => ", lost".to_owned(),
        Fate::Arrives(delay, again) => {
            let after = match millis(delay) {
                0 => String::new(),
                millis => format!(", {millis} ms"),
            };
            let again = again.map_or_else(String::new, |again| {
                format!(" and again after {} ms", millis(again))
            });
            after + &again
        }
    }
}

impl Processes {
    /// Takes a line of a node's stdout.
    pub(super) fn take_line(&mut self, node: usize, line: &[u8]) {
        self.servers[node].lines += 1;
        let name = self.names[node].clone();
        let outline = match Outline::read(line, &name) {
            Ok(outline) => outline,
            Err(why) => return self.blame_line(node, line, why),
        };
        match self.find(&outline.dest) {
            Some(dest) => {
                self.send(Address::Node(node), dest, outline.body.get());
                if let Address::Client(client) = dest {
                    self.look_at_answer(node, client, line, outline.body.get());
                }
            }
            None => {
                let dest = &outline.dest;
                let why = format!("`dest`: no node, service or client is called {dest:?}");
                self.blame_line(node, line, why);
            }
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<Address> {
        if let Some(address) = self.by_name.get(name) {
            return Some(*address);
        }
        let client: usize = name.strip_prefix('c')?.parse().ok()?;
        let is_its_name = |client: &Client| &*client.name == name;
        let known = self.clients.get(client).is_some_and(is_its_name);
        known.then_some(Address::Client(client))
    }

    pub(super) fn name(&self, address: Address) -> &Rc<str> {
        match address {
            Address::Node(node) => &self.names[node],
            Address::Service(service) => &self.names[self.servers.len() + service],
            Address::Client(client) => &self.clients[client].name,
        }
    }

    /// Puts a message on the network.
    pub(super) fn send(&mut self, src: Address, dest: Address, body: &str) {
        let id = self.next_message;
        self.next_message += 1;
        let statistics = &mut self.statistics;
        let (fate, count) = match (src, dest) {
            (Address::Client(_), _) | (_, Address::Client(_)) => {
                (self.network.client_fate(true), &mut statistics.with_clients)
            }
            (Address::Node(_), Address::Node(_)) => {
                (self.network.fate(), &mut statistics.between_nodes)
            }
            _ => (self.network.fate(), &mut statistics.with_services),
        };
        *count += 1;
        let names = (self.name(src).clone(), self.name(dest).clone());
        if self.plan.log_net_send {
            let (from, to) = &names;
            let fate = told(&fate);
            self.progress.say(&format!(
                "sent: message {id} of {from} to {to}{fate}: {body}"
            ));
        }
        let now = self.since_start();
        self.notes.sent(id, now, names, body);
        match fate {
            Fate::Lost => {
                self.statistics.lost += 1;
                self.notes.fate(id, MessageFate::Lost);
            }
            Fate::Arrives(delay, again) => {
                if let Some(again) = again {
                    self.statistics.duplicated += 1;
                    let body = body.into();
                    self.arrive_after(
                        again,
                        Packet {
                            id,
                            src,
                            dest,
                            body,
                        },
                    );
                }
                let body = body.into();
                self.arrive_after(
                    delay,
                    Packet {
                        id,
                        src,
                        dest,
                        body,
                    },
                );
            }
        }
    }

    fn arrive_after(&mut self, delay: Duration, packet: Packet) {
        if millis(delay) == 0 {
            return self.arrive(packet);
        }
        if self.in_flight_bytes > IN_FLIGHT_BYTES_MAX {
            return self.overflow(&packet);
        }
        self.in_flight_bytes += packet.weight();
        let at = self.clock.now() + delay;
        self.wheel.insert(at, Due::Arrival(packet));
    }

    /// Loses a message that the network cannot hold, and blames its node once.
    fn overflow(&mut self, packet: &Packet) {
        self.statistics.lost += 1;
        self.notes.fate(packet.id, MessageFate::Lost);
        if let Address::Node(node) = packet.src
            && !std::mem::replace(&mut self.servers[node].is_flooding, true)
        {
            let why = format!(
                "it sends too much: {} MiB of messages are on their way, and further ones are lost",
                IN_FLIGHT_BYTES_MAX >> 20
            );
            self.blame_node(node, why);
        }
    }

    /// Delivers a message that has arrived, unless its link is cut or its receiver is down.
    pub(super) fn arrive(&mut self, packet: Packet) {
        let nodes = self.servers.len();
        let server = |address| match address {
            Address::Node(node) => Some(node),
            Address::Service(service) => Some(nodes + service),
            Address::Client(_) => None,
        };
        if let (Some(from), Some(to)) = (server(packet.src), server(packet.dest))
            && self.network.is_cut((from, to))
        {
            self.statistics.cut += 1;
            return self.notes.fate(packet.id, MessageFate::Cut);
        }
        match packet.dest {
            Address::Node(node) => {
                let server = &self.servers[node];
                if server.process.is_none() || packet.id < server.first_message {
                    self.statistics.to_the_dead += 1;
                    return self.notes.fate(packet.id, MessageFate::ToTheDead);
                }
                let broker = self.broker.as_ref();
                if broker.is_some_and(|broker| !broker.takes_messages()) {
                    return self.lose_without_server(&packet);
                }
                self.note_arrival(&packet);
                self.hand_to_node(node, &packet);
            }
            Address::Service(service) => {
                self.note_arrival(&packet);
                let client = self.name(packet.src).clone();
                self.work.count_service();
                let before = self.services.held_bytes();
                let reply = self.services.answer(service, &client, &packet.body);
                if let Address::Node(node) = packet.src {
                    let after = self.services.held_bytes();
                    self.held.change_values(node, before, after);
                }
                if let Some(reply) = reply
                    && self.is_heard_by(packet.src)
                {
                    self.send(packet.dest, packet.src, &reply.to_string());
                }
            }
            Address::Client(client) => {
                if !self.clients[client].is_open {
                    self.statistics.too_late += 1;
                }
                self.note_arrival(&packet);
                let Client {
                    is_open,
                    is_for_init,
                    ..
                } = self.clients[client];
                if is_open && !is_for_init {
                    let mut line = Vec::with_capacity(packet.body.len() + 64);
                    self.write_line(&packet, &mut line);
                    self.happenings
                        .push_back(Happening::Received { client, line });
                }
            }
        }
    }

    fn note_arrival(&mut self, packet: &Packet) {
        self.statistics.delivered += 1;
        let now = self.since_start();
        self.notes.arrived(packet.id, now);
        if self.plan.log_net_recv {
            let dest = self.name(packet.dest);
            let text = format!("received: message {} by {dest}: {}", packet.id, packet.body);
            self.progress.say(&text);
        }
    }

    /// Writes a message as a line, without its newline. Names need no escapes: the plan has
    /// checked them.
    fn write_line(&self, packet: &Packet, line: &mut Vec<u8>) {
        let (id, src, dest) = (packet.id, self.name(packet.src), self.name(packet.dest));
        let body = &packet.body;
        let _never_fails = write!(
            line,
            r#"{{"id":{id},"src":"{src}","dest":"{dest}","body":{body}}}"#
        );
    }

    /// Whether a receiver takes messages. A reply is not made for one that does not.
    ///
    /// | receiver | takes messages |
    /// |---|---|
    /// | a service or a client | yes |
    /// | a node that is down | no |
    /// | a node that has closed its stdin, or was named for leaving it unread | no |
    /// | a node for which more than 64 MiB wait | no, and it is named |
    /// | any other node | yes |
    fn is_heard_by(&mut self, receiver: Address) -> bool {
        let Address::Node(node) = receiver else {
            return true;
        };
        let Some(process) = &mut self.servers[node].process else {
            return false;
        };
        if process.is_deaf || process.input.len() <= INPUT_BYTES_MAX {
            return !process.is_deaf;
        }
        process.is_deaf = true;
        let why = format!(
            "it does not read its stdin: {} MiB wait for it, and further messages to it are lost",
            INPUT_BYTES_MAX >> 20
        );
        self.blame_node(node, why);
        false
    }

    /// Appends a message to what waits for a node's stdin, or sends it by NATS.
    pub(super) fn hand_to_node(&mut self, node: usize, packet: &Packet) {
        if self.broker.is_some() {
            let mut line = Vec::with_capacity(packet.body.len() + 64);
            self.write_line(packet, &mut line);
            if let Some(broker) = &mut self.broker {
                broker.publish(&line);
            }
            return;
        }
        if !self.is_heard_by(Address::Node(node)) {
            return;
        }
        let Some(process) = &mut self.servers[node].process else {
            return;
        };
        let mut draft = process.input.begin();
        self.write_line(packet, &mut draft);
        draft.push(b'\n');
        if let Some(process) = &mut self.servers[node].process {
            process.input.commit(&mut draft);
        }
    }
}
