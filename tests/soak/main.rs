//! A soak test: the real binary under mixed load, for any length of time. It checks that
//! each request is answered once and correctly, and that no descriptor is left open after
//! a round. In a long run, memory must stay flat.
//!
//! `.ci/soak 3600 50` runs it for an hour with half of the machine. The default is short
//! and small. The load comes from a seed, but the timing comes from the machine. So a
//! seed replays the requests, not the whole run.

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod ledger;
mod meter;
mod peers;

use clients::Clients;
use ledger::Ledger;
use meter::{FLAT_FROM, Meter};
use peers::Peers;
use rustix::process::Signal;
use std::time::Duration;
use support::{Launch, Node, Numbers, client, wait_until};

/// Settings from environment variables.
struct Settings {
    /// `EDDYLINE_SOAK_SECONDS`
    length: Duration,
    /// `EDDYLINE_SOAK_SHARE`: the share of all processors for node and load, in percent.
    share: u64,
    /// `EDDYLINE_SEED`
    seed: u64,
}

impl Settings {
    fn from_environment() -> Settings {
        let number = |name: &str, default: u64| match std::env::var(name) {
            Ok(text) => text
                .parse()
                .unwrap_or_else(|_| panic!("{name}: expected a number, not {text:?}")),
            Err(_) => default,
        };
        Settings {
            length: Duration::from_secs(number("EDDYLINE_SOAK_SECONDS", 6)),
            share: number("EDDYLINE_SOAK_SHARE", 25),
            seed: number("EDDYLINE_SEED", 1),
        }
    }
}

const INIT: &str = r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2","n3","n4","n5"]}}"#;

/// The timeout of the node's calls. Slow nodes answer in less than half of it.
const RPC_TIMEOUT_MS: u64 = 4_000;

/// Ticks of a round. After a round, there is no load for a moment.
const TICKS_PER_ROUND: usize = 40;

/// The most requests in a tick. It is also the most that may wait after a tick.
const REQUESTS_PER_TICK: usize = 400;

/// The most bytes for a stopped node: half of its pipe.
const PAUSED_BYTES_MAX: usize = 32 << 10;

/// The most calls that wait for a slow node or a timeout. Their memory is part of the
/// memory that must stay flat.
const WAITING_MAX: usize = 1_000;

/// The calls of the warm-up, more than in any tick.
const WARM_UP_CALLS: usize = 3_000;

/// The bytes of each of these calls. They fill the largest blocks (4 KiB) that the node
/// keeps for later requests.
const WARM_UP_BYTES: usize = 3_800;

/// In one of this number of ticks, the node is stopped while its input arrives.
const TICKS_PER_PAUSE: usize = 25;

struct Soak {
    node: Node,
    numbers: Numbers,
    ledger: Ledger,
    peers: Peers,
    clients: Clients,
    /// Malformed lines. Each is reported on stderr.
    bad_lines: usize,
    reported: usize,
}

impl Soak {
    fn start(settings: &Settings) -> Soak {
        let launch = Launch::new().rpc_timeout_ms(RPC_TIMEOUT_MS);
        let mut node = launch.start();
        assert_eq!(node.ask(INIT)["body"]["type"], "init_ok");
        let start = r#"{"type":"tcp_echo_start","msg_id":1,"port":0}"#;
        let reply = node.ask(&client(start));
        let port = reply["body"]["port"].as_u64().expect("a port");
        let mut numbers = Numbers(settings.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // Neighbouring seeds differ in few bits. After some steps they differ in many.
        (0..20).for_each(|_| _ = numbers.below(2));
        Soak {
            node,
            numbers,
            ledger: Ledger::default(),
            peers: Peers::default(),
            clients: Clients::new(u16::try_from(port).expect("a port")),
            bad_lines: 0,
            reported: 0,
        }
    }

    /// Sends a burst, so that all blocks that the node keeps have their largest size
    /// before memory is measured. Otherwise they would grow for minutes, whenever a long
    /// line happens to use a small block.
    fn warm_up(&mut self) {
        let calls = (0..WARM_UP_CALLS).map(|_| self.ledger.ask_dead_node(WARM_UP_BYTES));
        let batch: String = calls.collect();
        self.node.write(batch.as_bytes());
        self.settle(|ledger| ledger.waiting() == 0);
    }

    /// Runs load with TCP clients, then waits until it is over.
    fn round(&mut self, meter: &mut Meter) {
        for _ in 0..TICKS_PER_ROUND {
            self.tick();
            meter.pace();
        }
        self.clients.leave();
        self.settle(|ledger| ledger.waiting_briefly() == 0);
    }

    fn tick(&mut self) {
        self.clients.connect_and_leave(&mut self.numbers);
        let batch = self.requests();
        let is_paused = self.numbers.below(TICKS_PER_PAUSE) == 0;
        if is_paused {
            self.node.take_output_until_input_is_read();
            self.node.signal(Signal::STOP);
            let process = self.node.process();
            wait_until("the node has stopped", || process.is_stopped());
        }
        self.clients.send(&mut self.numbers);
        let at_once = if is_paused {
            PAUSED_BYTES_MAX
        } else {
            usize::MAX
        };
        let (first, rest) = batch.as_bytes().split_at(batch.len().min(at_once));
        self.node.write(first);
        if is_paused {
            self.node.signal(Signal::CONT);
        }
        self.node.write(rest);
        self.clients.receive(&mut self.numbers);
        self.settle(|ledger| ledger.waiting_briefly() <= REQUESTS_PER_TICK);
    }

    fn requests(&mut self) -> String {
        let mut batch = self.peers.due();
        for _ in 0..self.numbers.below(REQUESTS_PER_TICK) {
            if self.numbers.below(200) == 0 {
                batch += "a line that is no message\n";
                self.bad_lines += 1;
            }
            let may_wait = self.ledger.waiting_for_long() < WAITING_MAX;
            batch += &self.ledger.ask(&mut self.numbers, may_wait);
        }
        batch
    }

    /// Takes the node's output until `is_enough`.
    fn settle(&mut self, is_enough: impl Fn(&Ledger) -> bool) {
        loop {
            while let Some(line) = self.node.line_at_hand() {
                self.take(&line);
            }
            while self.node.stderr_line_at_hand().is_some() {
                self.reported += 1;
            }
            let answers = self.peers.due();
            self.node.write(answers.as_bytes());
            if is_enough(&self.ledger) {
                return;
            }
            if answers.is_empty() {
                let line = self.node.line();
                self.take(&line);
            }
        }
    }

    fn take(&mut self, line: &str) {
        if Peers::is_for_peer(line) {
            self.peers.take(line);
        } else if let Some(id) = self.ledger.take(line) {
            self.peers.call_ended(id);
        }
    }

    /// Waits until every request has its answer, and sends the late answers. Then checks
    /// that there is no other output.
    fn finish(mut self) -> Ledger {
        self.peers.hurry();
        self.settle(|ledger| ledger.waiting() == 0);
        let too_late = self.peers.due();
        self.node.write(too_late.as_bytes());
        self.node.check();
        while self.reported < self.bad_lines {
            let line = self.node.stderr_line();
            assert!(line.contains("a line that is no message"), "{line}");
            self.reported += 1;
        }
        self.node.finish_quietly();
        self.ledger
    }
}

#[test]
fn mixed_load_is_answered_once_in_flat_memory() {
    let settings = Settings::from_environment();
    let mut soak = Soak::start(&settings);
    if settings.length >= FLAT_FROM {
        soak.warm_up();
    }
    let mut meter = Meter::start(soak.node.process(), settings.length, settings.share);
    while !meter.is_over() {
        soak.round(&mut meter);
        meter.sample();
    }
    eprintln!("seed {}; {}", settings.seed, soak.clients.summary());
    eprintln!("{} bad lines\n\n{}\n", soak.bad_lines, meter.summary());
    let ledger = soak.finish();
    eprintln!("{}", ledger.summary());
    ledger.assert_all_answered();
    meter.assert_flat();
}
