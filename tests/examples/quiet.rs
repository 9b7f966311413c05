//! Nodes send nothing when there is nothing to say, and an operation costs the same in a
//! full database as in an empty one.
//!
//! Messages to and from clients do not count: the reply to a read of a set contains the
//! set. `cargo test --test examples -- --nocapture quiet` prints the results.

use super::broadcast::{Broadcast, Shape};
use super::{echo::Echo, g_counter::GCounter, g_set::GSet, kafka::Kafka, lin_kv::LinKv};
use super::{pn_counter::PnCounter, txn_list_append::TxnListAppend};
use super::{txn_rw_register::TxnRwRegister, unique_ids::UniqueIds};
use eddyline::sim::{Cluster, Event, Fault, Latency, Simulation};
use serde_json::{Value, json};
use std::time::Duration;

const NODES: usize = 5;

/// How long replication may take after the load: longer than any example waits before it
/// sends a lost message again.
const SETTLES_IN: Duration = Duration::from_secs(20);

/// How long an idle cluster is watched.
const WATCHED: Duration = Duration::from_secs(60);

/// How many operations are measured. They spread evenly over the nodes.
const OPERATIONS: usize = 20;

/// How much more an operation may cost in the full database. The numbers in the messages
/// have one digit more, and a message may cross a tick.
const GROWTH_MAX: f64 = 1.1;

/// Counts of the messages among nodes and services.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Traffic {
    messages: usize,
    bytes: usize,
}

/// Whether a line is a message that a leader sends without need, or an answer to one.
fn is_heartbeat(line: &str) -> bool {
    line.contains(r#""entries":[]"#) || line.contains(r#""type":"appended""#)
}

/// The traffic of the last part of a run, from the record of that number.
fn traffic(cluster: &Cluster, since: usize, counts: fn(&str) -> bool) -> Traffic {
    let trace = cluster.trace();
    assert_eq!(trace.left_out(), 0);
    let is_client = |name: &str| name.starts_with('c');
    let lines = trace.records()[since..]
        .iter()
        .filter_map(|record| match &record.event {
            Event::Sent {
                src, dest, line, ..
            } if !is_client(src) && !is_client(dest) && counts(line) => Some(line.len()),
            _ => None,
        });
    Traffic {
        messages: lines.clone().count(),
        bytes: lines.sum(),
    }
}

fn records(cluster: &Cluster) -> usize {
    cluster.trace().records().len()
}

fn simulation() -> Simulation {
    let latency = Latency::constant_ms(10);
    Simulation::new(1).nodes(NODES).latency(latency).trace()
}

/// An operation: its type and fields, from its number.
type Operation = fn(usize) -> (&'static str, Value);

fn operate(cluster: &mut Cluster, operation: Operation, number: usize) -> eddyline::Result<Value> {
    let (kind, fields) = operation(number);
    cluster.call(&format!("n{}", number % NODES), kind, &fields)
}

/// An idle cluster, after operations on a network that loses messages, and the number of
/// its first record.
fn idle(build: Build, operation: Operation) -> (Cluster, usize) {
    let mut cluster = build(simulation().loss(0.05));
    for number in 0..OPERATIONS {
        // An operation may fail. A lost message must not keep the cluster awake.
        let _may_fail = operate(&mut cluster, operation, number).unwrap();
    }
    cluster.run_for(SETTLES_IN);
    let since = records(&cluster);
    cluster.run_for(WATCHED);
    (cluster, since)
}

/// The traffic of `OPERATIONS` operations after `stored` ones.
fn cost(build: Build, operation: Operation, stored: usize) -> Traffic {
    let mut cluster = build(simulation());
    for number in 0..stored {
        operate(&mut cluster, operation, number).unwrap();
    }
    cluster.run_for(SETTLES_IN);
    let since = records(&cluster);
    for number in stored..stored + OPERATIONS {
        operate(&mut cluster, operation, number).unwrap();
        // Each operation is measured by itself and not in a batch with others.
        cluster.run_for(Duration::from_secs(5));
    }
    traffic(&cluster, since, |line| !is_heartbeat(line))
}

type Build = fn(Simulation) -> Cluster;

#[track_caller]
fn assert_frugal(name: &str, build: Build, operation: Operation) {
    assert_goes_quiet(build, operation);
    let (few, many) = (cost(build, operation, 50), cost(build, operation, 500));
    assert_no_growth(name, few, many);
}

#[track_caller]
fn assert_goes_quiet(build: Build, operation: Operation) {
    let (cluster, since) = idle(build, operation);
    assert_eq!(
        traffic(&cluster, since, |line| !is_heartbeat(line)).messages,
        0
    );
}

#[track_caller]
fn assert_no_growth(name: &str, few: Traffic, many: Traffic) {
    eprintln!("{name}: {OPERATIONS} operations, 50 stored: {few:?}, 500 stored: {many:?}");
    for (few, many) in [(few.messages, many.messages), (few.bytes, many.bytes)] {
        assert!(many as f64 <= few as f64 * GROWTH_MAX, "{few}, {many}");
    }
}

#[test]
fn quiet_echo_and_unique_ids() {
    let echo = |number| ("echo", json!({ "echo": number }));
    assert_frugal("echo", |simulation| simulation.build::<Echo>(), echo);
    let generate = |_| ("generate", json!({}));
    let build: Build = |simulation| simulation.build::<UniqueIds>();
    assert_frugal("unique-ids", build, generate);
}

#[test]
fn quiet_g_set() {
    let add = |number| ("add", json!({ "element": number }));
    assert_frugal("g-set", |simulation| simulation.build::<GSet>(), add);
}

#[test]
fn quiet_pn_counter() {
    let add = |number| ("add", json!({ "delta": 1 + number % 7 }));
    let build: Build = |simulation| simulation.build::<PnCounter>();
    assert_frugal("pn-counter", build, add);
}

#[test]
fn quiet_g_counter() {
    let add = |number| match number % 2 {
        0 => ("add", json!({ "delta": number })),
        _ => ("read", json!({})),
    };
    let build: Build = |simulation| simulation.build::<GCounter>();
    assert_frugal("g-counter", build, add);
}

#[test]
fn quiet_broadcast() {
    let broadcast = |number| ("broadcast", json!({ "message": number }));
    let direct: Build =
        |simulation| simulation.build_with(|cx| Broadcast::shaped(cx, Shape::Direct));
    assert_frugal("broadcast, direct", direct, broadcast);
    let hub: Build = |simulation| simulation.build_with(|cx| Broadcast::shaped(cx, Shape::Hub));
    assert_frugal("broadcast, hub", hub, broadcast);
}

#[test]
fn quiet_kafka() {
    let build: Build = |simulation| simulation.build::<Kafka>();
    // Many keys. Those of the measured messages are the same both times, because their
    // owners decide whether a message is forwarded.
    let send = |number: usize| {
        (
            "send",
            json!({ "key": format!("{}", number % 450), "msg": 7 }),
        )
    };
    assert_frugal("kafka, keys", build, send);
    // One log, with its readers at its end.
    let follow = |number: usize| match number % 4 {
        0 => ("send", json!({ "key": "k", "msg": number })),
        1 => ("poll", json!({ "offsets": { "k": number / 4 } })),
        2 => ("commit_offsets", json!({ "offsets": { "k": number / 4 } })),
        _ => ("list_committed_offsets", json!({ "keys": ["k"] })),
    };
    assert_frugal("kafka, one log", build, follow);
}

#[test]
fn quiet_txn_rw_register() {
    let build: Build = |simulation| simulation.build::<TxnRwRegister>();
    let txn = |number: usize| {
        let (key, read) = (number + 1000, 1000 + number / 2);
        (
            "txn",
            json!({ "txn": [["w", key, 1], ["r", read, null], ["w", key, 2]] }),
        )
    };
    assert_frugal("txn-rw-register", build, txn);
}

#[test]
fn quiet_txn_list_append() {
    let build: Build = |simulation| simulation.build::<TxnListAppend>();
    let keys = |number: usize| {
        let (key, read) = (number + 1000, 1000 + number / 2);
        (
            "txn",
            json!({ "txn": [["append", key, 1], ["r", read, null]] }),
        )
    };
    assert_frugal("txn-list-append, keys", build, keys);
    let one = |number: usize| {
        let append = json!(["append", 1, number + 1000]);
        ("txn", json!({ "txn": [append] }))
    };
    assert_frugal("txn-list-append, one list", build, one);
}

#[test]
fn a_restarted_node_reads_a_long_log_of_transactions() {
    let mut cluster = simulation().build::<TxnListAppend>();
    let append = json!({ "txn": [["append", 1, 7]] });
    for _ in 0..500 {
        cluster.call("n0", "txn", &append).unwrap();
    }
    cluster.apply(&Fault::Crash(1));
    cluster.apply(&Fault::Restart(1));
    let read = json!({ "txn": [["r", 1, null]] });
    let reply = cluster.call("n1", "txn", &read).unwrap();
    assert_eq!(reply["txn"][0][2].as_array().unwrap().len(), 500);
}

/// At most one heartbeat in 50 ms to each follower, and its answer. Neither contains
/// entries.
#[test]
fn quiet_lin_kv() {
    let build: Build = |simulation| simulation.build::<LinKv>();
    let write = |number: usize| ("write", json!({ "key": number, "value": number }));
    assert_frugal("lin-kv", build, write);
    let (cluster, since) = idle(build, write);
    let Traffic { messages, bytes } = traffic(&cluster, since, is_heartbeat);
    eprintln!("lin-kv: {messages} heartbeats and answers in {WATCHED:?}, {bytes} bytes");
    let rounds = WATCHED.as_millis() as usize / 50 + 1;
    assert!(messages <= rounds * (NODES - 1) * 2, "{messages} messages");
    assert!(bytes <= messages * 120, "{bytes} bytes");
}

// Nodes gossip only news. So a node that starts again must ask for the rest.
#[test]
fn a_restarted_node_learns_what_its_peers_know() {
    let mut set = simulation().build::<GSet>();
    let mut counter = simulation().build::<PnCounter>();
    set.call("n0", "add", &json!({ "element": 7 })).unwrap();
    counter.call("n0", "add", &json!({ "delta": 7 })).unwrap();
    for (mut cluster, value) in [(set, json!([7])), (counter, json!(7))] {
        cluster.run_for(SETTLES_IN);
        cluster.apply(&Fault::Crash(1));
        cluster.run_for(SETTLES_IN);
        cluster.apply(&Fault::Restart(1));
        cluster.run_for(SETTLES_IN);
        assert_eq!(cluster.call("n1", "read", &()).unwrap()["value"], value);
    }
}
