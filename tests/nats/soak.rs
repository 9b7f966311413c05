//! A soak: three nodes in mixed load, while the server is killed and started again, for any
//! length of time. Each request is answered once, with what it asked for. Only requests that were
//! on their way when the server died may stay without an answer, and none gets two. Descriptors
//! and memory must stay flat.
//!
//! `.ci/soak-nats 600 60 4000` does so for ten minutes, with a new server every minute and 4,000
//! requests a second. The default is short.

use super::client::Client;
use super::support::Numbers;
use super::{OnNats, Server};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The time between two bursts.
const TICK: Duration = Duration::from_millis(10);

/// The most growth of a node's memory from the middle round to the last, in percent.
const GROWTH_MAX: usize = 5;

/// The shortest time after which memory must be flat.
const FLAT_FROM: Duration = Duration::from_secs(180);

/// The length of the longest request.
const REQUEST_BYTES_MAX: usize = 1000;

/// The requests of the warm-up, all at once: less than their timeout takes.
const WARM_UP_REQUESTS: usize = 1500;

/// The most requests that wait for their answers.
const WAITING_MAX: usize = 2000;

/// The timeout of the nodes' calls.
const RPC_TIMEOUT_MS: &str = "2000";

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("a whole number"))
}

/// The answer that a request must get.
#[derive(Debug, Clone, Copy)]
enum Awaited {
    Echo,
    /// The echo of another node, through the one that was asked.
    Proxied,
    /// Nothing has such a name: error 1.
    NotThere,
    /// The node calls this client, which never replies: error 0.
    Silence,
}

impl Awaited {
    fn draw(numbers: &mut Numbers) -> Awaited {
        match numbers.below(100) {
            0..60 => Awaited::Echo,
            60..90 => Awaited::Proxied,
            90..98 => Awaited::NotThere,
            _ => Awaited::Silence,
        }
    }

    fn request(self, node: usize, size: usize) -> Value {
        let inner = json!({"type": "echo", "echo": "x".repeat(size)});
        let target = match self {
            Awaited::Echo => return inner,
            Awaited::Proxied => format!("n{}", node % 3 + 1),
            Awaited::NotThere => "n9".to_owned(),
            Awaited::Silence => "c1".to_owned(),
        };
        json!({"type": "proxy", "target": target, "inner": inner})
    }

    fn is_met_by(self, body: &Value) -> bool {
        match self {
            Awaited::Echo => body["type"] == "echo_ok",
            Awaited::Proxied => body["result"]["type"] == "echo_ok",
            Awaited::NotThere => body["code"] == 1,
            Awaited::Silence => body["code"] == 0,
        }
    }
}

/// Everything that was asked. No number is used twice.
#[derive(Default)]
struct Ledger {
    waiting: HashMap<u64, Awaited>,
    /// Requests that were on their way when a server died. Some are answered later.
    lost: HashMap<u64, Awaited>,
    asked: u64,
    answered: u64,
    late: u64,
}

impl Ledger {
    fn ask(&mut self, client: &mut Client, node: usize, awaited: Awaited, size: usize) {
        let request = awaited.request(node, size);
        let number = client.send(&format!("n{node}"), request);
        self.waiting.insert(number, awaited);
        self.asked += 1;
    }

    /// Waits until at most so many requests wait.
    fn settle(&mut self, client: &mut Client, waiting: usize) {
        while self.waiting.len() > waiting {
            self.take(&client.receive().1);
        }
    }

    /// Takes a message to the client. Calls of the nodes stay without a reply.
    fn take(&mut self, payload: &str) {
        let message: Value = serde_json::from_str(payload).expect("JSON");
        let body = &message["body"];
        let Some(number) = body["in_reply_to"].as_u64() else {
            return;
        };
        if let Some(awaited) = self.waiting.remove(&number) {
            assert!(awaited.is_met_by(body), "{awaited:?}: {payload}");
            self.answered += 1;
        } else if self.lost.remove(&number).is_some() {
            self.late += 1;
        } else {
            panic!("an answer to no request, or the second one: {payload}");
        }
    }
}

/// The memory and the descriptors of each node.
type Held = [(usize, usize); 3];

fn held(nodes: &[OnNats; 3]) -> Held {
    nodes.each_ref().map(|node| {
        let process = node.0.process();
        (process.memory(), process.open_files())
    })
}

/// Checks that nothing grew between the middle and the last round.
fn assert_flat(rounds: &[Held], length: Duration) {
    for round in rounds {
        eprintln!("bytes and descriptors of each node: {round:?}");
    }
    let (middle, last) = (rounds[rounds.len() / 2], rounds[rounds.len() - 1]);
    for ((memory, files), (memory_last, files_last)) in middle.into_iter().zip(last) {
        assert_eq!(files, files_last, "descriptors are left open");
        let most = memory + memory * GROWTH_MAX / 100;
        assert!(length < FLAT_FROM || memory_last <= most, "memory grows");
    }
}

#[test]
fn nodes_answer_each_request_once_however_often_the_server_dies() {
    let length = Duration::from_secs(setting("EDDYLINE_SOAK_SECONDS", 3));
    let round = Duration::from_secs(setting("EDDYLINE_SOAK_ROUND", 1));
    let rate = setting("EDDYLINE_SOAK_RATE", 1000);
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let options = ["--rpc-timeout-ms", RPC_TIMEOUT_MS];
    let mut nodes = ["n1", "n2", "n3"].map(|name| OnNats::start(name, &server.url(), &options));
    let (mut ledger, mut numbers, mut rounds) = (Ledger::default(), Numbers(7), Vec::new());
    let mut client = Client::connect(server.port, "c1");
    // A burst first, so that all blocks that the nodes keep have their largest size. Otherwise
    // they would grow for minutes, whenever the machine has been busy for a moment.
    for number in 0..WARM_UP_REQUESTS {
        let (node, size) = (number % 3 + 1, REQUEST_BYTES_MAX);
        ledger.ask(&mut client, node, Awaited::Proxied, size);
    }
    ledger.settle(&mut client, 0);
    let began = Instant::now();
    loop {
        let until = Instant::now() + round;
        let mut due = Instant::now();
        while Instant::now() < until {
            for _ in 0..rate / 100 {
                let (node, awaited) = (numbers.below(3) + 1, Awaited::draw(&mut numbers));
                let size = numbers.below(REQUEST_BYTES_MAX);
                ledger.ask(&mut client, node, awaited, size);
            }
            // A machine that is too busy for the rate gets fewer requests.
            ledger.settle(&mut client, WAITING_MAX);
            due = Instant::now().max(due + TICK);
            while let Some(payload) = client.receive_until(due) {
                ledger.take(&payload);
            }
        }
        rounds.push(held(&nodes));
        if began.elapsed() >= length {
            break;
        }
        // The requests that are on their way now may be lost.
        ledger.lost.extend(ledger.waiting.drain());
        let next_number = client.next_number();
        server.restart();
        for node in &mut nodes {
            node.wait_for("connected to");
        }
        client = Client::connect(server.port, "c1");
        client.count_from(next_number);
    }
    ledger.settle(&mut client, 0);
    let Ledger {
        asked,
        answered,
        late,
        lost,
        ..
    } = ledger;
    assert_eq!(answered + late + lost.len() as u64, asked);
    let (servers, took) = (rounds.len(), began.elapsed());
    let used = nodes.each_ref().map(|node| node.0.process().cpu_ticks());
    eprintln!(
        "{asked} requests in {took:?}, {servers} servers: {answered} answered, {late} more after a \
         server's end, {} lost with one; the nodes used {used:?} ticks of 10 ms",
        lost.len()
    );
    assert_flat(&rounds, length);
    nodes.into_iter().for_each(OnNats::end);
}
