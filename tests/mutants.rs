//! Bugs planted in the Raft of the example `lin_kv`, which simulations must find. The sound
//! example passes the same simulations with the same seeds.
//!
//! `mutate!` replaces texts in the example's source. A mutant whose text is not there
//! any more does not compile.
//!
//! A copy of the example takes ten seconds to compile, so the bugs share two copies.

#![allow(clippy::unwrap_used, reason = "tests")]

use eddyline::Node;
use eddyline::sim::workload::LinKv;
use eddyline::sim::{Cluster, Event, Fault, Latency, Partition, Simulation};
use serde_json::{Value, json};
use std::cell::Cell;
use std::ops::Range;
use std::time::Duration;

/// The bugs. Each can be switched on, so that the example is compiled once and not for each.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bug {
    VotesTwice,
    ComparesNoLogs,
    CountsEarlierTerms,
}

thread_local! {
    /// The bug of the nodes that run on this thread.
    static BUG: Cell<Option<Bug>> = const { Cell::new(None) };
}

fn has(bug: Bug) -> bool {
    BUG.get() == Some(bug)
}

/// Runs a part of a test with a bug.
fn with<T>(bug: Bug, part: impl FnOnce() -> T) -> T {
    BUG.set(Some(bug));
    let result = part();
    BUG.set(None);
    result
}

#[allow(dead_code, reason = "its `main`")]
mod raft {
    mutate::mutate!("examples/lin_kv.rs",
        "let is_given = self.voted.0 == self.term && self.voted.1 != candidate;" =>
        "let is_given = !crate::has(crate::Bug::VotesTwice) && self.voted.0 == self.term && self.voted.1 != candidate;",
        "is_late || request.last < self.last()" =>
        "is_late || (!crate::has(crate::Bug::ComparesNoLogs) && request.last < self.last())");
}

/// It sends one entry in a message. Otherwise a new leader's first message has an entry of
/// its own term, which commits all others rightly.
#[allow(dead_code, reason = "its `main`")]
mod raft_in_small_messages {
    mutate::mutate!("examples/lin_kv.rs",
        "const ENTRIES_MAX: usize = 100;" => "const ENTRIES_MAX: usize = 1;",
        "let is_own = self.has(self.term, index);" =>
        "let is_own = crate::has(crate::Bug::CountsEarlierTerms) || self.has(self.term, index);");
}

const NODES: usize = 5;

/// The seeds whose histories are not linearizable.
fn found<N: Node>(simulation: fn(u64) -> Simulation, seeds: Range<u64>) -> Vec<u64> {
    let is_found = |seed: &u64| {
        let failure = simulation(*seed).run::<N, _>(LinKv::new()).err();
        failure.is_some_and(|failure| failure.mentions("is not linearizable"))
    };
    seeds.filter(is_found).collect()
}

fn simulation(seed: u64) -> Simulation {
    let simulation = Simulation::new(seed).nodes(NODES).clients(20);
    simulation.recovery(Duration::from_secs(1))
}

/// One node is a bridge between two halves from the start. A message takes 100 ms, so both
/// halves may have a candidate at the same time. Each candidate needs the vote of the
/// bridge, which may vote for one of them only.
fn two_candidates(seed: u64) -> Simulation {
    let span = Duration::ZERO..Duration::from_secs(4);
    simulation(seed)
        .latency(Latency::constant_ms(100))
        .partition(Partition::Bridge, span.clone())
        .duration(span.end)
}

/// Each second another minority is cut off, often with the leader. The nodes that are left
/// have different logs, because the leader sends an entry at once to two nodes only.
fn many_elections(seed: u64) -> Simulation {
    let mut simulation = simulation(seed).latency(Latency::exponential_ms(30));
    for second in 1..10 {
        let span = Duration::from_secs(second)..Duration::from_millis(second * 1000 + 900);
        simulation = simulation.partition(Partition::Halves, span);
    }
    simulation.duration(Duration::from_secs(10))
}

#[test]
fn a_node_that_votes_twice_in_a_term_is_found() {
    let search = || found::<raft::LinKv>(two_candidates, 0..20);
    let seeds = with(Bug::VotesTwice, search);
    eprintln!("votes twice: found by the seeds {seeds:?}");
    assert!(!seeds.is_empty());
    assert_eq!(search(), [0; 0]);
}

#[test]
fn a_node_that_compares_no_logs_is_found() {
    let search = || found::<raft::LinKv>(many_elections, 0..10);
    let seeds = with(Bug::ComparesNoLogs, search);
    eprintln!("compares no logs: found by the seeds {seeds:?}");
    assert!(!seeds.is_empty());
    assert_eq!(search(), [0; 0]);
}

/// A cluster whose links are cut by hand when certain messages were sent.
struct Schedule {
    cluster: Cluster,
    /// The records of the trace before the present step.
    seen: usize,
}

impl Schedule {
    /// Only the nodes of a group reach each other.
    fn groups(&mut self, groups: &[&[usize]]) {
        self.cluster.apply(&Fault::Heal);
        let groups = groups.iter().map(|group| group.to_vec()).collect();
        self.cluster
            .apply(&Fault::Partition(Partition::Groups(groups)));
        self.seen = self.cluster.trace().records().len();
    }

    /// A node hears the others, and they do not hear it.
    fn mute(&mut self, node: usize) {
        let others = (0..NODES).filter(|&other| other != node);
        let links = others.map(|other| (format!("n{node}"), format!("n{other}")));
        let links = Partition::Links(links.collect());
        self.cluster.apply(&Fault::Partition(links));
    }

    /// Waits until a node has sent a message of a kind whose body has these fields.
    /// Returns the numbers of the sender and the receiver.
    fn await_message(&mut self, kind: &str, fields: &Value) -> (usize, usize) {
        let number = |name: &str| name.strip_prefix('n')?.parse::<usize>().ok();
        let fits = |line: &str| {
            let message: Value = serde_json::from_str(line).unwrap();
            let body = &message["body"];
            let mut fields = fields.as_object().unwrap().iter();
            body["type"] == kind && fields.all(|(name, value)| body[name] == *value)
        };
        for _ in 0..2000 {
            let trace = self.cluster.trace();
            let mut records = trace.records()[self.seen..].iter();
            let sent = records.find_map(|record| match &record.event {
                Event::Sent {
                    src, dest, line, ..
                } if line.contains(kind) && fits(line) => Some((number(src)?, number(dest)?)),
                _ => None,
            });
            if let Some(numbers) = sent {
                return numbers;
            }
            self.seen = trace.records().len();
            self.cluster.run_for(Duration::from_millis(5));
        }
        panic!("no {kind} with {fields} in 10 s")
    }
}

/// The schedule of figure 8 in the paper about Raft. Returns whether the write of 2 was
/// acknowledged in step 3, and the value that is read in the end.
///
/// ```text
///   step            1    2    3    4     each leader's entry 3, by its term
///   first leader    1    1    1
///   its follower    1    1    1
///   second leader         2         2    (alone in step 2)
///   other nodes               1    2    (step 3 counts: a majority has entry 3)
/// ```
fn figure_8<N: Node>(seed: u64) -> (bool, Value) {
    let simulation = Simulation::new(seed).nodes(NODES).trace();
    let mut cluster = simulation.latency(Latency::constant_ms(40)).build::<N>();
    cluster.run_for(Duration::from_secs(2));
    let write = |value| json!({ "type": "write", "msg_id": value, "key": 1, "value": value });
    let mut schedule = Schedule { cluster, seen: 0 };
    let (first, _) = schedule.await_message("append", &json!({ "commit": 1 }));
    let [follower, others @ ..] = [1, 2, 3, 4].map(|step| (first + step) % NODES);
    let leader = format!("n{first}");
    schedule.cluster.inject("c99", &leader, &write(1));
    schedule.cluster.run_for(Duration::from_secs(1));
    // 1. The first leader's entry reaches one follower.
    schedule.groups(&[&[first, follower]]);
    schedule.cluster.inject("c99", &leader, &write(2));
    schedule.cluster.run_for(Duration::from_millis(200));
    // 2. One of the others becomes leader. Its first entry reaches no node.
    schedule.groups(&[&others, &[first, follower]]);
    let (_, second) = schedule.await_message("request_vote_ok", &json!({ "pre": false }));
    schedule.mute(second);
    schedule.cluster.run_for(Duration::from_millis(100));
    // 3. The first leader or its follower is elected again, and others get its entry.
    let rest: Vec<usize> = others
        .into_iter()
        .filter(|&other| other != second)
        .collect();
    schedule.groups(&[&[first, follower, rest[0], rest[1]], &[second]]);
    let (_, third) = schedule.await_message("request_vote_ok", &json!({ "pre": false }));
    schedule.cluster.run_for(Duration::from_millis(45));
    schedule.cluster.take_received("c99");
    schedule
        .cluster
        .inject("c99", &format!("n{third}"), &write(2));
    schedule.await_message("appended", &json!({ "agreed": 3 }));
    schedule.mute(third);
    schedule.cluster.run_for(Duration::from_millis(50));
    let replies = schedule.cluster.take_received("c99");
    let is_acknowledged = replies
        .iter()
        .any(|reply| reply["body"]["type"] == "write_ok");
    // 4. The second leader is elected again, and replaces the entry.
    schedule.groups(&[&[second, rest[0], rest[1]]]);
    schedule.cluster.run_for(Duration::from_secs(4));
    let read = json!({ "key": 1 });
    let reply = schedule.cluster.call(&format!("n{second}"), "read", &read);
    (is_acknowledged, reply.unwrap()["value"].clone())
}

#[test]
fn a_leader_that_counts_entries_of_earlier_terms_is_found() {
    let is_lost = |result: &(bool, Value)| *result == (true, json!(1));
    let mut seeds = Vec::new();
    for seed in 0..10 {
        let run = || figure_8::<raft_in_small_messages::LinKv>(seed);
        if is_lost(&with(Bug::CountsEarlierTerms, run)) {
            seeds.push(seed);
        }
        let sound = run();
        assert!(!is_lost(&sound), "seed {seed}: a lost write");
    }
    eprintln!("counts entries of earlier terms: found by the seeds {seeds:?}");
    assert!(!seeds.is_empty());
}
