//! A run on NATS: a nats-server of the tester's, the nodes on it, and the tester's clients and
//! services, which speak by subjects.
//!
//! ```text
//!   n1, n2, n3 ── relay ── nats-server ── relay ── carrier: c0, c1, …, lin-kv, seq-kv, …
//!                   │           │
//!               cuts a node   is killed and
//!               off           starts again
//! ```
//!
//! Messages between nodes do not pass the tester one by one. So it neither counts, delays, loses
//! nor repeats them. All other faults strike as on pipes, and the server's end is one more.

use super::Processes;
use super::parts::{Address, Due, Stream};
use super::relay::{Relay, use_up};
use crate::client::Carrier;
use crate::engine::{Nats, Sink};
use crate::protocol::Envelope;
use crate::random::Random;
use crate::reactor::{Interest, Reactor, Token};
use crate::source::Readiness;
use crate::sys::{self, Child};
use crate::time::{Clock, Instant};
use crate::wire::{Line, LineBuffer};
use crate::workload::SERVICE_NAMES;
use crate::workload::faults::FaultKind;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// How long the server may take until the tester is connected to it: 10 s, as an `init`.
const START_MAX: Duration = Duration::from_secs(10);

/// The time between two `init` to a node that is not connected yet.
const INIT_PAUSE: Duration = Duration::from_millis(20);

/// The longest line of the server's log that is kept whole: 4 KiB.
const LOG_LINE_BYTES_MAX: usize = 4 << 10;

/// The words of the server's log in front of its address.
const LISTENING: &str = "Listening for client connections on ";

/// The name of the server's log.
const NAME: &str = "nats-server";

/// The server, the relay in front of it, and the tester's own connection.
pub(super) struct Broker {
    program: PathBuf,
    server: Option<Server>,
    pub(super) relay: Relay,
    carrier: Carrier,
    mail: Mail,
    cluster: String,
    /// For the times of its faults.
    random: Random,
    pause_max: Duration,
    is_calm: bool,
    /// When a fault of the server or the relay ended last.
    mended: Instant,
}

/// The server's process.
struct Server {
    child: Child,
    stderr: Token,
    end: Token,
    log: LineBuffer,
    /// The last line of its log.
    said: String,
    /// `None` until it listens.
    port: Option<u16>,
}

impl Broker {
    /// A broker for so many nodes, without its server. The longest time between two of the
    /// server's faults is `pause_max`.
    pub(super) fn new(
        program: &Path,
        nodes: usize,
        (random, pause_max): (Random, Duration),
        reactor: &mut Reactor<Stream>,
        now: Instant,
    ) -> io::Result<Broker> {
        let relay = Relay::new(nodes + 1, reactor)?;
        let cluster = format!("test-{:016x}", sys::random_seed());
        let nats = Nats::new(&relay.url(nodes), &cluster).map_err(io::Error::other)?;
        let names = SERVICE_NAMES.map(str::to_owned).to_vec();
        Ok(Broker {
            program: program.to_owned(),
            server: None,
            carrier: Carrier::new(&nats, names, now),
            relay,
            mail: Mail::default(),
            cluster,
            random,
            pause_max,
            is_calm: false,
            mended: now,
        })
    }

    /// The options that bring a node to the server.
    pub(super) fn options(&self, node: usize, names: &[String]) -> Vec<OsString> {
        let pairs = [
            ("--node", names[node].clone()),
            ("--nodes", names.join(",")),
            ("--nats", self.relay.url(node)),
            ("--cluster", self.cluster.clone()),
        ];
        let words = pairs.into_iter();
        words
            .flat_map(|(option, value)| [option.into(), value.into()])
            .collect()
    }

    /// The server's port, if it listens.
    pub(super) fn port(&self) -> Option<u16> {
        self.server.as_ref()?.port
    }

    /// When [`Processes::flush_broker`] has work at the latest. Without a server it has none.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.port().map(|_| self.carrier.deadline())
    }

    /// From when on a node could reach the server; `None` if it cannot now.
    pub(super) fn reachable_since(&self, node: usize) -> Option<Instant> {
        let is_cut = self.relay.is_cut(node) || self.port().is_none();
        (!is_cut).then_some(self.mended)
    }

    /// The tester receives messages to this client too.
    pub(super) fn add_client(&mut self, name: &str) {
        self.carrier.add_name(name);
    }

    pub(super) fn publish(&mut self, line: &[u8]) {
        self.carrier.publish(line, &mut self.mail);
    }

    fn start(&mut self, reactor: &mut Reactor<Stream>) -> io::Result<()> {
        let arguments = ["-a", "127.0.0.1", "-p", "-1"].map(OsString::from);
        let (child, pipes) = Child::spawn(&self.program, &arguments)?;
        let mut insert = |pipe| reactor.insert(Stream::Server(pipe), Interest::READABLE);
        self.server = Some(Server {
            child,
            stderr: insert(pipes.stderr)?,
            end: insert(pipes.end)?,
            log: LineBuffer::with_limit(LOG_LINE_BYTES_MAX),
            said: String::new(),
            port: None,
        });
        Ok(())
    }

    /// Kills the server. Returns its status and its last words.
    fn kill(&mut self, reactor: &mut Reactor<Stream>) -> Option<(String, String)> {
        let mut server = self.server.take()?;
        let status = server.child.end();
        reactor.finish(server.stderr);
        reactor.finish(server.end);
        self.relay.close_all(reactor);
        Some((status, server.said))
    }
}

/// Lines that have come by NATS and were not taken, and lines for people.
#[derive(Default)]
struct Mail {
    lines: Vec<Vec<u8>>,
    said: Vec<String>,
}

impl Sink for Mail {
    fn line(&mut self, line: &[u8]) {
        self.lines.push(line.to_vec());
    }

    fn too_long(&mut self, excerpt: &[u8]) {
        let text = String::from_utf8_lossy(excerpt);
        self.said.push(format!("a message is too long: {text}"));
    }

    fn log(&mut self, text: fmt::Arguments<'_>) {
        self.said.push(text.to_string());
    }
}

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
                return self.break_off(format_args!(
                    "{NAME} did not take a connection within {START_MAX:?}"
                ));
            }
            self.turn(limit);
        }
    }

    fn start_server(&mut self) {
        let Some(broker) = &mut self.broker else {
            return;
        };
        if let Err(error) = broker.start(&mut self.reactor) {
            let program = broker.program.display().to_string();
            let advice = sys::start_advice(&error);
            self.break_off(format_args!("{program} does not start: {error}{advice}"));
        }
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

    pub(super) fn serve_carrier(&mut self, token: Token, now: Instant) {
        if let Some(broker) = &mut self.broker {
            let Broker { carrier, mail, .. } = &mut **broker;
            carrier.serve(&mut self.reactor, token, now, mail);
            self.take_mail();
        }
    }

    /// Hands out what has come. A message of a node is taken as a line of its stdout.
    fn take_mail(&mut self) {
        let Some(broker) = &mut self.broker else {
            return;
        };
        let Mail { lines, said } = std::mem::take(&mut broker.mail);
        let at = self.since_start();
        for text in said {
            self.notes
                .log(at, &Rc::from(NAME), format!("the tester: {text}"));
        }
        for line in lines {
            let src = Envelope::parse(&line).map(|message| self.find(&message.src));
            if let Ok(Some(Address::Node(node))) = src {
                self.take_line(node, &line);
            }
        }
    }

    // The life of the server.

    /// Serves the server's stderr or its end.
    pub(super) fn serve_server(&mut self, token: Token) {
        self.read_log();
        let broker = self.broker.as_deref_mut();
        if let Some(broker) = broker
            && broker
                .server
                .as_ref()
                .is_some_and(|server| server.end == token)
            && let Some((status, said)) = broker.kill(&mut self.reactor)
        {
            self.break_off(format_args!(
                "{NAME} ended by itself, with {status}: {said}"
            ));
        }
    }

    /// Reads the log, and takes the port out of it.
    fn read_log(&mut self) {
        let at = self.since_start();
        let broker = self.broker.as_deref_mut();
        let Some(server) = broker.and_then(|broker| broker.server.as_mut()) else {
            return;
        };
        while let Some(Stream::Server(pipe)) = self.reactor.get(server.stderr) {
            match pipe.read(server.log.space()) {
                Ok(count) if count > 0 => server.log.filled(count),
                // It is empty or has ended. Either raises an edge if there is more.
                _ => return use_up(&mut self.reactor, server.stderr, Readiness::READABLE),
            }
            while let Some(Line::Whole(line) | Line::TooLong { excerpt: line }) =
                server.log.next_line()
            {
                server.said = String::from_utf8_lossy(line).into_owned();
                let address = server.said.split_once(LISTENING);
                let port = address.and_then(|(_, at)| at.rsplit(':').next()?.parse().ok());
                server.port = server.port.or(port);
                self.notes.log(at, &Rc::from(NAME), server.said.clone());
            }
        }
    }

    // Its faults.

    /// Sets the time of the first one, if they were asked for.
    pub(super) fn begin_broker_faults(&mut self) {
        if self.plan.wants_broker_faults() {
            self.await_broker_fault();
        }
    }

    fn await_broker_fault(&mut self) {
        if let Some(broker) = &mut self.broker {
            let pause = broker.pause_max.mul_f64(broker.random.fraction());
            self.wheel.insert(self.clock.now() + pause, Due::Broker);
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
        if broker.server.is_some() {
            let _status = broker.kill(&mut self.reactor);
            let now = self.since_start();
            for node in 0..self.servers.len() {
                self.faults.begin(FaultKind::Broker, node, "", now);
            }
        } else {
            self.mend_broker();
        }
        self.await_broker_fault();
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
        if broker.server.is_none() {
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
        if server.init_from == Some(client) && server.process.is_some() {
            self.send_init(node, client);
            self.await_init(node, client);
        }
    }
}
