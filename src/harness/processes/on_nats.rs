//! A run on NATS: the broker is started before the nodes, carries all messages, and has faults.

use super::Processes;
use super::broker::Broker;
use super::parts::{Address, Due, Packet, Stream};
use crate::protocol::Envelope;
use crate::reactor::Token;
use crate::source::Readiness;
use crate::sys;
use crate::time::{Clock, Instant};
use crate::workload::faults::FaultKind;
use std::ffi::OsString;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// How long the server may take until the tester is connected to it: 10 s, as an `init`.
const START_MAX: Duration = Duration::from_secs(10);

/// The time between two `init` to a node that is not connected yet.
const INIT_PAUSE: Duration = Duration::from_millis(20);

/// A node is not connected if the server has told so in the last second. An `init` is sent far
/// more often.
const ABSENT_MAX: Duration = Duration::from_secs(1);

/// The name of the server's log.
const NAME: &str = "nats-server";

impl Processes {
    /// The arguments of a node's program. On NATS its standard options follow.
    pub(super) fn arguments(&self, node: usize) -> Vec<OsString> {
        let mut arguments = self.plan.arguments.clone();
        if let Some(broker) = &self.broker {
            arguments.extend(broker.options(node, &self.plan.nodes));
        }
        arguments
    }

    /// Starts the server, and waits until the tester is connected to it.
    pub(super) fn boot_broker(&mut self) {
        self.start_server();
        let limit = self.clock.now() + START_MAX;
        let is_ready = |bed: &Processes| {
            let broker = bed.broker.as_ref();
            broker.is_none_or(|broker| broker.carrier.is_ready())
        };
        while !is_ready(self) && !self.is_broken && !self.is_interrupted {
            if self.clock.now() >= limit {
                let why = format!("it did not take a connection within {START_MAX:?}");
                return self.refuse_server(&why);
            }
            self.turn(limit);
        }
    }

    fn start_server(&mut self) {
        let Some(broker) = &mut self.broker else {
            return;
        };
        if let Err(error) = broker.start(&mut self.reactor, self.keeper.as_ref()) {
            if sys::is_shortage(&error) {
                return self.fail(error);
            }
            let advice = sys::start_advice(&error);
            self.stop_without_server(&format!("it does not start: {error}{advice}"));
        }
    }

    /// Ends the run, since there is no server. One that has never listened is a wrong program.
    fn stop_without_server(&mut self, why: &str) {
        match &self.broker {
            Some(broker) if !broker.has_listened => self.refuse_server(why),
            _ => self.break_off(format_args!("{NAME}: {why}")),
        }
    }

    /// Ends the run before it begins: the plan names a wrong program.
    fn refuse_server(&mut self, why: &str) {
        let program = self.broker.as_ref().map(|it| it.program.display());
        let program = program.map_or_else(String::new, |it| it.to_string());
        let text = format!(
            "the NATS server {program}: {why}. Is it a nats-server? Debian has one in the package \
             nats-server, as /usr/sbin/nats-server"
        );
        self.fail(io::Error::new(io::ErrorKind::InvalidInput, text));
    }

    /// Writes what waits for the server, and makes the tester's connection again if it is lost.
    pub(super) fn flush_broker(&mut self) {
        let now = self.clock.now();
        if let Some(broker) = &mut self.broker
            && broker.port().is_some()
        {
            let Broker { carrier, mail, .. } = &mut **broker;
            carrier.flush(&mut self.reactor, now, mail);
            self.close_finished();
            self.take_mail();
        }
    }

    pub(super) fn serve_carrier(&mut self, token: Token, readiness: Readiness, now: Instant) {
        if let Some(broker) = &mut self.broker
            && let Some(Stream::Carrier(fd)) = self.reactor.get(token)
        {
            let Broker { carrier, mail, .. } = &mut **broker;
            let progress = carrier.ready(token, fd, readiness, now, mail);
            self.reactor.apply(token, &progress);
            self.take_mail();
        }
    }

    /// Hands out what has come. A message of a node is taken as a line of its stdout.
    fn take_mail(&mut self) {
        let Some(broker) = &mut self.broker else {
            return;
        };
        let mail = std::mem::take(&mut broker.mail);
        let change = broker.change_of_connection();
        let at = self.since_start();
        for text in mail.said {
            self.notes
                .log(at, &Rc::from(NAME), format!("the tester: {text}"));
        }
        for line in mail.lines {
            let src = Envelope::parse(&line).map(|message| self.find(&message.src));
            if let Ok(Some(Address::Node(node))) = src {
                self.take_line(node, &line);
            }
        }
        for error in mail.undelivered {
            self.take_undelivered(&error);
        }
        match change {
            Some(true) => self.follow_broker_fault(),
            Some(false) => self.undo_requests(),
            None => {}
        }
    }

    // The life of the server.

    /// Serves the server's stderr or its end.
    pub(super) fn serve_server(&mut self, token: Token) {
        let at = self.since_start();
        let Some(broker) = &mut self.broker else {
            return;
        };
        let notes = &mut self.notes;
        broker.read_log(&mut self.reactor, &mut |line| {
            notes.log(at, &Rc::from(NAME), line.to_owned());
        });
        if broker.is_end(token)
            && let Some((status, said)) = broker.kill(&mut self.reactor)
        {
            let said = match said.is_empty() {
                true => said,
                false => format!("; its last words: {}", said.trim_end_matches('.')),
            };
            self.stop_without_server(&format!("it ended by itself, with {status}{said}"));
        }
    }

    // The relay.

    pub(super) fn serve_gate(&mut self, gate: usize) {
        if let Some(broker) = &mut self.broker {
            let port = broker.port();
            broker.relay.accept(&mut self.reactor, gate, port);
        }
    }

    pub(super) fn serve_pair(&mut self, pair: u64) {
        if let Some(broker) = &mut self.broker {
            broker.relay.pump(&mut self.reactor, pair);
        }
    }

    /// Cuts a node off from the server, or lets it have it again.
    fn hold_up(&mut self, node: usize, is_cut: bool) {
        let Some(broker) = &mut self.broker else {
            return;
        };
        broker.relay.set_cut(node, is_cut);
        if !is_cut {
            let pairs = broker.relay.pairs_of(node);
            self.serve_gate(node);
            pairs.into_iter().for_each(|pair| self.serve_pair(pair));
        }
    }

    // The faults of both.

    /// Sets the time of the first one, if they were asked for.
    pub(super) fn begin_broker_faults(&mut self) {
        if self.plan.wants_broker_faults() {
            self.await_broker_fault();
        }
    }

    fn await_broker_fault(&mut self) {
        if let Some(broker) = &mut self.broker {
            let at = self.clock.now() + broker.pause();
            self.wheel.insert(at, Due::Broker);
        }
    }

    /// Sets the time of the next fault once the tester is connected again: on a busy machine the
    /// server may take long to start, and faults in that time would leave none between them.
    fn follow_broker_fault(&mut self) {
        if let Some(broker) = &mut self.broker
            && std::mem::take(&mut broker.is_down)
        {
            self.await_broker_fault();
        }
    }

    /// Kills the server, or starts it again.
    pub(super) fn change_broker(&mut self) {
        let Some(broker) = &mut self.broker else {
            return;
        };
        if broker.is_calm {
            return;
        }
        if broker.has_server() {
            let _status = broker.kill(&mut self.reactor);
            broker.is_down = true;
            let now = self.since_start();
            for node in 0..self.servers.len() {
                self.faults.begin(FaultKind::Broker, node, "", now);
            }
            self.await_broker_fault();
        } else {
            self.mend_broker();
        }
    }

    fn mend_broker(&mut self) {
        self.start_server();
        self.note_mended();
        let now = self.since_start();
        for node in 0..self.servers.len() {
            self.faults.end(FaultKind::Broker, node, now);
        }
    }

    fn note_mended(&mut self) {
        if let Some(broker) = &mut self.broker {
            broker.mended = self.clock.now();
        }
    }

    /// Cuts off the nodes that hear from no other one when these links are cut.
    pub(super) fn cut_off(&mut self, links: &[(usize, usize)]) {
        let nodes = self.servers.len();
        for node in 0..nodes {
            let cut = links.iter().filter(|&&(_, to)| to == node).count();
            if cut > 0 && cut + 1 == nodes {
                self.hold_up(node, true);
            }
        }
    }

    /// Lets every node have the server again.
    pub(super) fn heal_relay(&mut self) {
        for node in 0..self.servers.len() {
            self.hold_up(node, false);
        }
        self.note_mended();
    }

    /// Ends the faults of the server and the relay, for good.
    pub(super) fn calm_broker(&mut self) {
        let Some(broker) = &mut self.broker else {
            return;
        };
        broker.is_calm = true;
        if !broker.has_server() {
            self.mend_broker();
        }
        self.heal_relay();
    }

    // Messages to nodes.

    /// Sets the time for the next `init`, on NATS.
    pub(super) fn await_init(&mut self, node: usize, client: usize) {
        if self.broker.is_some() {
            let at = self.clock.now() + INIT_PAUSE;
            self.wheel.insert(at, Due::InitAgain { node, client });
        }
    }

    /// Sends the `init` again: the node may not have been connected.
    pub(super) fn init_again(&mut self, node: usize, client: usize) {
        let server = &self.servers[node];
        if server.init_from != Some(client) || server.process.is_none() {
            return;
        }
        // It is the same message, so no record has it twice.
        let again = Packet {
            id: server.init_message,
            src: Address::Client(client),
            dest: Address::Node(node),
            body: self.init(node).into(),
        };
        self.hand_to_node(node, &again);
        self.await_init(node, client);
    }

    /// Why a node that has sent no message did not answer its `init`.
    pub(super) fn silence_on_nats(&self, node: usize) -> String {
        let now = self.clock.now();
        let url = self.broker.as_ref().map(|broker| broker.relay.url(node));
        let url = url.unwrap_or_default();
        match self.servers[node].absent_at {
            Some(at) if now.since(at) < ABSENT_MAX => format!(
                "it runs, and has not connected to the NATS server {url}. It got --node, --nodes, \
                 --nats and --cluster behind its own arguments: does its program obey them, as one \
                 with `eddyline::main` does? A program for stdin and stdout alone is tested \
                 without --nats-server"
            ),
            _ => format!(
                "it is connected to the NATS server {url}, and has sent no message. Does it \
                 publish as the subjects of a cluster say?"
            ),
        }
    }
}
