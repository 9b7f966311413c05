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

use super::parts::Stream;
use super::relay::{Relay, use_up};
use crate::carrier::Carrier;
use crate::engine::{Nats, Sink};
use crate::notices::Topic;
use crate::random::Random;
use crate::reactor::{Interest, Reactor, Token};
use crate::source::{Readiness, Reason};
use crate::sys::{self, Child, Keeper};
use crate::time::{Clock, Instant, MonotonicClock};
use crate::wire::{LINE_BYTES_MAX, Line, LineBuffer};
use crate::workload::SERVICE_NAMES;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The longest line of the server's log that is kept whole: 4 KiB.
const LOG_LINE_BYTES_MAX: usize = 4 << 10;

/// How many reads of its log one turn makes, so that a server that floods it does not hold the
/// tester up.
const LOG_READS_PER_TURN: usize = 16;

/// The words of the server's log in front of its address.
const LISTENING: &str = "Listening for client connections on ";

/// The server, the relay in front of it, and the tester's own connection.
pub(super) struct Broker {
    pub(super) program: PathBuf,
    /// The arguments of the program.
    pub(super) arguments: Vec<OsString>,
    /// Whether the program has ever listened. If not, it may be no nats-server.
    pub(super) has_listened: bool,
    server: Option<Server>,
    pub(super) relay: Relay,
    pub(super) carrier: Carrier,
    /// Whether the tester was connected when that was looked at last.
    was_connected: bool,
    pub(super) mail: Mail,
    cluster: String,
    /// For the times of its faults.
    random: Random,
    pause_max: Duration,
    /// Whether a fault has ended the server, and the tester is not connected again.
    pub(super) is_down: bool,
    /// Whether there are no faults any more.
    pub(super) is_calm: bool,
    /// When a fault of the server or the relay ended last.
    pub(super) mended: Instant,
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
        clock: MonotonicClock,
    ) -> io::Result<Broker> {
        let now = clock.now();
        let relay = Relay::new(nodes + 1, reactor)?;
        let cluster = format!("test-{:016x}", sys::random_seed());
        let nats = Nats::new(&relay.url(nodes), &cluster).map_err(io::Error::other)?;
        let names = SERVICE_NAMES.map(str::to_owned).to_vec();
        Ok(Broker {
            program: program.to_owned(),
            // On a free port of loopback.
            arguments: ["-a", "127.0.0.1", "-p", "-1"].map(OsString::from).into(),
            has_listened: false,
            server: None,
            // The address is an IP address, so no look-up ever wakes the tester.
            carrier: Carrier::new(
                &nats,
                names,
                LINE_BYTES_MAX,
                None,
                Rc::new(clock),
                Arc::new(|| {}),
            ),
            relay,
            was_connected: false,
            mail: Mail::default(),
            cluster,
            random,
            pause_max,
            is_down: false,
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

    /// When the carrier has work at the latest. Without a server it has none.
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

    /// Whether the tester is connected, if that has changed since it was asked last.
    pub(super) fn change_of_connection(&mut self) -> Option<bool> {
        let is_connected = self.carrier.is_ready();
        let was_connected = std::mem::replace(&mut self.was_connected, is_connected);
        (was_connected != is_connected).then_some(is_connected)
    }

    /// Whether the server takes messages of the tester.
    pub(super) fn takes_messages(&self) -> bool {
        self.carrier.is_ready() && self.carrier.has_room()
    }

    pub(super) fn publish(&mut self, line: &[u8]) {
        self.carrier.publish(line, &mut self.mail);
    }

    /// Starts the server. Its log tells later where it listens.
    pub(super) fn start(
        &mut self,
        reactor: &mut Reactor<Stream>,
        keeper: Option<&Rc<Keeper>>,
    ) -> io::Result<()> {
        let (child, pipes) = Child::spawn(&self.program, &self.arguments, keeper)?;
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
    pub(super) fn kill(&mut self, reactor: &mut Reactor<Stream>) -> Option<(String, String)> {
        let mut server = self.server.take()?;
        let status = server.child.end();
        reactor.finish(server.stderr);
        reactor.finish(server.end);
        self.relay.close_all(reactor);
        Some((status, server.said))
    }

    pub(super) fn has_server(&self) -> bool {
        self.server.is_some()
    }

    /// Whether this source tells of the server's end.
    pub(super) fn is_end(&self, token: Token) -> bool {
        let server = self.server.as_ref();
        server.is_some_and(|server| server.end == token)
    }

    /// The time until the server's next fault, or until its end.
    pub(super) fn pause(&mut self) -> Duration {
        self.pause_max.mul_f64(self.random.fraction())
    }

    /// Reads the server's log, and takes its port out of it. Each line is handed out.
    pub(super) fn read_log(&mut self, reactor: &mut Reactor<Stream>, line: &mut dyn FnMut(&str)) {
        let Some(server) = &mut self.server else {
            return;
        };
        for _ in 0..LOG_READS_PER_TURN {
            let Some(Stream::Server(pipe)) = reactor.get(server.stderr) else {
                return;
            };
            match pipe.read(server.log.space()) {
                Ok(count) if count > 0 => server.log.filled(count),
                // It is empty or has ended. Either raises an edge if there is more.
                _ => return use_up(reactor, server.stderr, Readiness::READABLE),
            }
            while let Some(Line::Whole(text) | Line::TooLong { excerpt: text }) =
                server.log.next_line()
            {
                server.said = String::from_utf8_lossy(text).into_owned();
                let address = server.said.split_once(LISTENING);
                let port = address.and_then(|(_, at)| at.rsplit(':').next()?.parse().ok());
                server.port = server.port.or(port);
                self.has_listened |= port.is_some();
                line(&server.said);
            }
        }
        reactor.carry_over(server.stderr, Reason::BoundReached);
    }
}

/// Lines that have come by NATS and were not taken, and lines for people.
#[derive(Default)]
pub(super) struct Mail {
    pub(super) lines: Vec<Vec<u8>>,
    /// Errors in place of replies to the tester's own requests.
    pub(super) undelivered: Vec<Vec<u8>>,
    pub(super) said: Vec<String>,
}

impl Sink for Mail {
    fn line(&mut self, line: &[u8]) {
        self.lines.push(line.to_vec());
    }

    fn undelivered(&mut self, error: &[u8]) {
        self.undelivered.push(error.to_vec());
    }

    fn too_long(&mut self, excerpt: &[u8]) {
        let text = String::from_utf8_lossy(excerpt);
        self.said.push(format!("a message is too long: {text}"));
    }

    fn log(&mut self, _topic: Topic, text: fmt::Arguments<'_>) {
        self.said.push(text.to_string());
    }
}
