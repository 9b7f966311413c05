//! A soak: the real binary under mixed load for as long as one likes. Every
//! request is answered once and as it must be, descriptors go back to where they
//! were after every round, and in a long run memory stays flat.
//!
//! `.ci/soak 3600 50` runs it for an hour at half of the machine; without being
//! told, it is short and small. The load comes from a seed, but what happens at
//! once is the machine's business: a seed replays the requests, not the run.

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

/// What the run is told by the environment.
struct Settings {
    /// `EDDYLINE_SOAK_SECONDS`
    length: Duration,
    /// `EDDYLINE_SOAK_SHARE`, in percent of all processors, load included.
    share: u64,
    /// `EDDYLINE_SEED`
    seed: u64,
}

impl Settings {
    fn from_environment() -> Settings {
        let number = |name: &str, default: u64| match std::env::var(name) {
            Ok(text) => text
                .parse()
                .unwrap_or_else(|_| panic!("{name} wants a number, not {text:?}")),
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

/// How long the node waits for the nodes that it calls. Slow ones answer within
/// less than half of it.
const RPC_TIMEOUT_MS: u64 = 4_000;

/// Ticks of a round, after which everything comes to rest.
const TICKS_PER_ROUND: usize = 40;

/// Requests of a tick at most, and how many may wait for an answer after it.
const REQUESTS_PER_TICK: usize = 400;

/// What is written to a node that is stopped: half of what its pipe holds.
const PAUSED_BYTES_MAX: usize = 32 << 10;

/// Calls in flight that a slow node or their timeout will end. Bounded, since what
/// they hold is a part of the memory that must stay flat.
const WAITING_MAX: usize = 1_000;

/// Calls of the warm-up, and bytes of each: more at once than any tick, and in
/// blocks as large as the node keeps for the next ones (4 KiB).
const WARM_UP_CALLS: usize = 3_000;
const WARM_UP_BYTES: usize = 3_800;

/// One tick in so many finds the node stopped.
const TICKS_PER_PAUSE: usize = 25;

struct Soak {
    node: Node,
    numbers: Numbers,
    ledger: Ledger,
    peers: Peers,
    clients: Clients,
    /// Lines that were no messages; each is named on stderr.
    bad_lines: usize,
    named: usize,
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
        // A seed's neighbours differ in few bits; after some numbers in all.
        (0..20).for_each(|_| _ = numbers.below(2));
        Soak {
            node,
            numbers,
            ledger: Ledger::default(),
            peers: Peers::default(),
            clients: Clients::new(u16::try_from(port).expect("a port")),
            bad_lines: 0,
            named: 0,
        }
    }

    /// A burst at the start, so that what the node keeps for the next burst is there
    /// before memory is looked at: it would grow for minutes until chance has
    /// brought the longest lines to each block that is kept.
    fn warm_up(&mut self) {
        let calls = (0..WARM_UP_CALLS).map(|_| self.ledger.ask_the_dead(WARM_UP_BYTES));
        let batch: String = calls.collect();
        self.node.write(batch.as_bytes());
        self.settle(|ledger| ledger.waiting() == 0);
    }

    /// Load, with TCP clients coming and going, and then rest.
    fn round(&mut self, meter: &mut Meter) {
        for _ in 0..TICKS_PER_ROUND {
            self.tick();
            meter.pace();
        }
        self.clients.leave();
        self.settle(|ledger| ledger.waiting_briefly() == 0);
    }

    fn tick(&mut self) {
        self.clients.come_and_go(&mut self.numbers);
        let batch = self.requests();
        let is_paused = self.numbers.below(TICKS_PER_PAUSE) == 0;
        if is_paused {
            self.node.take_in_until_input_is_read();
            self.node.signal(Signal::STOP);
            let process = self.node.process();
            wait_until("the node has stopped", || process.is_stopped());
        }
        self.clients.speak(&mut self.numbers);
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
        self.clients.listen(&mut self.numbers);
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

    /// Takes in what the node says until `is_enough`.
    fn settle(&mut self, is_enough: impl Fn(&Ledger) -> bool) {
        loop {
            while let Some(line) = self.node.line_at_hand() {
                self.take(&line);
            }
            while self.node.stderr_line_at_hand().is_some() {
                self.named += 1;
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
        if self.peers.take(line) {
            return;
        }
        let ended = self.ledger.take(line);
        if let Some(id) = ended {
            self.peers.gave_up(id);
        }
    }

    /// Waits until every request has its answer, sends what comes too late, and
    /// holds that nothing else was said.
    fn finish(mut self) -> Ledger {
        self.peers.hurry();
        self.settle(|ledger| ledger.waiting() == 0);
        let too_late = self.peers.due();
        self.node.write(too_late.as_bytes());
        self.node.check();
        while self.named < self.bad_lines {
            let line = self.node.stderr_line();
            assert!(line.contains("a line that is no message"), "{line}");
            self.named += 1;
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
