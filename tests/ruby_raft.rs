//! A Raft node written as in the Raft chapter of Maelstrom's guide, which uses Ruby: the parts
//! of that node have their counterparts here. `examples/lin_kv.rs` is the Raft to copy.
//!
//! | there | here |
//! |---|---|
//! | a handler for each type, an answer with a type of its own | a `match` on `kind()`, `reply_as` |
//! | a lock around the state | a `RefCell` that no `.await` lies within |
//! | a call to all others, with a closure for the replies | one task for each call |
//! | threads for elections and replication | `start`, with `every` |
//! | a follower asks the leader and passes the reply on | `reply_to`: the leader answers the client |
//! | an error that there is no leader | the same, with the leader's name as far as it is known |

#![allow(clippy::unwrap_used, reason = "tests")]

use eddyline::node::ReplyAddress;
use eddyline::sim::workload::LinKv;
use eddyline::sim::{Cluster, Latency, Nemesis, Outcome, Simulation, seeds};
use eddyline::time::Instant;
use eddyline::{Context, Error, ErrorCode, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

const TICK_EVERY: Duration = Duration::from_millis(50);

/// Each node waits for one to two times this long for its leader, and a leader for its followers.
const ELECTION_AFTER: Duration = Duration::from_millis(400);

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Op {
    Read { key: u64 },
    Write { key: u64, value: Value },
    Cas { key: u64, from: Value, to: Value },
}

/// An operation in the log, with the client that waits for its result.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    term: u64,
    to: ReplyAddress,
    op: Op,
}

#[derive(Serialize, Deserialize)]
struct Forward {
    to: ReplyAddress,
    op: Op,
}

/// The fields of `request_vote` and `append_entries`. A candidate tells the term and the index of
/// its last entry; a leader those of the entry before the ones that it sends.
#[derive(Serialize, Deserialize)]
struct Req {
    term: u64,
    log: (u64, usize),
    entries: Vec<Entry>,
    commit: usize,
}

/// The fields of `request_vote_res` and `append_entries_res`.
#[derive(Serialize, Deserialize)]
struct Res {
    term: u64,
    success: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Role {
    #[default]
    Follower,
    Candidate,
    Leader,
}

#[derive(Default)]
struct State {
    role: Role,
    term: u64,
    voted_for: Option<String>,
    leader: Option<String>,
    /// The end of this node's patience.
    deadline: Instant,
    /// Index 1 is the first entry.
    log: Vec<Entry>,
    commit: usize,
    applied: usize,
    /// A leader's knowledge of its peers: the entry to send next, and the number of entries that
    /// are surely there.
    next: BTreeMap<String, usize>,
    matches: BTreeMap<String, usize>,
    values: BTreeMap<u64, Value>,
}

impl State {
    fn term_at(&self, index: usize) -> Option<u64> {
        match index {
            0 => Some(0),
            _ => self.log.get(index - 1).map(|entry| entry.term),
        }
    }

    /// A message with the entries from `next` on.
    fn request(&self, next: usize) -> Req {
        let log = (self.term_at(next - 1).unwrap_or_default(), next - 1);
        let (term, commit) = (self.term, self.commit);
        let entries = self.log[next - 1..].to_vec();
        Req {
            term,
            log,
            entries,
            commit,
        }
    }

    fn res(&self, success: bool) -> Res {
        let term = self.term;
        Res { term, success }
    }

    fn wait(&mut self, cx: &Context) {
        let patience = cx.random(|random| ELECTION_AFTER.mul_f64(1.0 + random.fraction()));
        self.deadline = cx.now() + patience;
    }

    /// Takes note of the term of a message. A later one ends every role.
    fn meet(&mut self, term: u64) {
        if term > self.term {
            (self.term, self.role) = (term, Role::Follower);
            (self.voted_for, self.leader) = (None, None);
        }
    }

    fn lead(&mut self, cx: &Context) {
        (self.role, self.leader) = (Role::Leader, Some(cx.node_id().to_owned()));
        self.next = cx
            .peers()
            .map(|peer| (peer.to_owned(), self.log.len() + 1))
            .collect();
        self.matches = cx.peers().map(|peer| (peer.to_owned(), 0)).collect();
        self.wait(cx);
        cx.log(format_args!("leads term {}", self.term));
    }

    fn vote(&mut self, cx: &Context, candidate: &str, request: &Req) -> Res {
        self.meet(request.term);
        let is_free = self
            .voted_for
            .as_deref()
            .is_none_or(|name| name == candidate);
        let success = request.term == self.term
            && is_free
            && request.log >= self.request(self.log.len() + 1).log;
        if success {
            self.voted_for = Some(candidate.to_owned());
            self.wait(cx);
        }
        self.res(success)
    }

    fn append(&mut self, cx: &Context, leader: &str, request: Req) -> Result<Res> {
        self.meet(request.term);
        let (prev_term, prev) = request.log;
        if request.term < self.term {
            return Ok(self.res(false));
        }
        (self.role, self.leader) = (Role::Follower, Some(leader.to_owned()));
        self.wait(cx);
        let success = self.term_at(prev) == Some(prev_term);
        if success {
            let end = prev + request.entries.len();
            for (index, entry) in (prev + 1..).zip(request.entries) {
                if self.term_at(index) != Some(entry.term) {
                    self.log.truncate(index - 1); // an entry that is there already stays: a
                    self.log.push(entry); // late message must not remove what follows it
                }
            }
            self.commit = self.commit.max(request.commit.min(end));
            self.apply(cx)?;
        }
        Ok(self.res(success))
    }

    /// Commits what a majority has, if it is of the leader's own term.
    fn advance(&mut self, cx: &Context) -> Result<()> {
        let mut counts: Vec<usize> = self.matches.values().copied().collect();
        counts.push(self.log.len());
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let agreed = counts[cx.majority() - 1];
        if agreed > self.commit && self.term_at(agreed) == Some(self.term) {
            self.commit = agreed;
        }
        self.apply(cx)
    }

    fn apply(&mut self, cx: &Context) -> Result<()> {
        while self.applied < self.commit {
            let Entry { to, op, .. } = self.log[self.applied].clone();
            self.applied += 1;
            match self.execute(op) {
                _ if self.role != Role::Leader => {}
                Ok((kind, fields)) => cx.reply_to(&to, kind, &fields)?,
                Err(error) => cx.reply_error_to(&to, &error)?,
            }
        }
        Ok(())
    }

    fn execute(&mut self, op: Op) -> Result<(&'static str, Value)> {
        let unknown = |key| Error::key_does_not_exist(format!("there is no key {key}"));
        match op {
            Op::Read { key } => {
                let value = self.values.get(&key).ok_or_else(|| unknown(key))?;
                Ok(("read_ok", json!({ "value": value })))
            }
            Op::Write { key, value } => {
                self.values.insert(key, value);
                Ok(("write_ok", json!({})))
            }
            Op::Cas { key, from, to } => {
                let value = self.values.get_mut(&key).ok_or_else(|| unknown(key))?;
                if *value != from {
                    return Err(Error::precondition_failed(format!("{key} has {value}")));
                }
                *value = to;
                Ok(("cas_ok", json!({})))
            }
        }
    }

    fn refusal(&self) -> Error {
        let error = Error::temporarily_unavailable("this node is not the leader");
        error.with("leader", &self.leader)
    }
}

struct Raft(RefCell<State>);

impl Raft {
    /// Replicates as a leader, and ends the patience of every node.
    fn tick(self: &Rc<Self>, cx: &Context) {
        self.replicate(cx);
        let mut state = self.0.borrow_mut();
        if cx.now() < state.deadline {
            return;
        }
        state.wait(cx);
        state.leader = None;
        if state.role == Role::Leader {
            state.role = Role::Follower; // no follower answers: another may lead by now
            return;
        }
        state.role = Role::Candidate;
        state.term += 1;
        state.voted_for = Some(cx.node_id().to_owned());
        let votes = Rc::new(Cell::new(1));
        for peer in cx.peers() {
            let request = state.request(state.log.len() + 1);
            let (node, cx, peer) = (self.clone(), cx.clone(), peer.to_owned());
            cx.clone().spawn(node.ask(cx, peer, request, votes.clone()));
        }
    }

    async fn ask(
        self: Rc<Self>,
        cx: Context,
        peer: String,
        request: Req,
        votes: Rc<Cell<usize>>,
    ) -> Result<()> {
        let Ok(reply) = cx.sync_rpc(&peer, "request_vote", &request).await else {
            return Ok(()); // a vote that does not come is no failure of this node
        };
        let Res { term, success } = reply.body()?;
        let mut state = self.0.borrow_mut();
        state.meet(term);
        if success && state.term == request.term && state.role == Role::Candidate {
            votes.set(votes.get() + 1);
            if votes.get() == cx.majority() {
                state.lead(&cx);
            }
        }
        Ok(())
    }

    fn replicate(self: &Rc<Self>, cx: &Context) {
        let state = self.0.borrow();
        if state.role != Role::Leader {
            return;
        }
        for (peer, &next) in &state.next {
            let request = state.request(next);
            cx.spawn(self.clone().send(cx.clone(), peer.clone(), request));
        }
    }

    async fn send(self: Rc<Self>, cx: Context, peer: String, request: Req) -> Result<()> {
        let Ok(reply) = cx.sync_rpc(&peer, "append_entries", &request).await else {
            return Ok(()); // the next tick sends it again
        };
        let Res { term, success } = reply.body()?;
        let (_, prev) = request.log;
        let mut state = self.0.borrow_mut();
        state.meet(term);
        if state.role != Role::Leader || state.term != request.term {
            return Ok(());
        }
        state.wait(&cx); // on three nodes, one answer makes a majority
        if success {
            let there = state.matches[&peer].max(prev + request.entries.len());
            state.matches.insert(peer.clone(), there);
            state.next.insert(peer, there + 1);
            return state.advance(&cx);
        }
        state.next.insert(peer, prev.max(1));
        Ok(())
    }

    /// Appends an operation to the log of the leader, which this node is.
    fn propose(self: &Rc<Self>, cx: &Context, to: ReplyAddress, op: Op) {
        let mut state = self.0.borrow_mut();
        let term = state.term;
        state.log.push(Entry { term, to, op });
        drop(state);
        self.replicate(cx);
    }
}

impl Node for Raft {
    fn new(cx: &Context) -> Self {
        let mut state = State::default();
        state.wait(cx);
        Raft(RefCell::new(state))
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let mut ticks = cx.every(TICK_EVERY);
        loop {
            ticks.tick().await;
            self.tick(&cx);
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "request_vote" => {
                let body = request.body()?;
                let vote = self.0.borrow_mut().vote(&cx, request.src(), &body);
                cx.reply_as(&request, "request_vote_res", &vote)
            }
            "append_entries" => {
                let body = request.body()?;
                let res = self.0.borrow_mut().append(&cx, request.src(), body)?;
                cx.reply_as(&request, "append_entries_res", &res)
            }
            "forward" => {
                let Forward { to, op } = request.body()?;
                if self.0.borrow().role != Role::Leader {
                    return cx.reply_error_to(&to, &self.0.borrow().refusal());
                }
                self.propose(&cx, to, op);
                Ok(())
            }
            _ => {
                let op = request.body()?; // another type: error 10
                let leader = self.0.borrow().leader.clone();
                let leader = leader.ok_or_else(|| self.0.borrow().refusal())?;
                let to = request.reply_to();
                if leader != cx.node_id() {
                    return cx.send(&leader, "forward", &Forward { to, op });
                }
                self.propose(&cx, to, op);
                Ok(())
            }
        }
    }
}

fn simulation(seed: u64) -> Simulation {
    let latency = Latency::exponential_ms(20);
    Simulation::new(seed).nodes(3).latency(latency)
}

#[test]
fn it_is_linearizable_under_latency_and_partitions() {
    for seed in seeds(10) {
        let nemesis = Nemesis::every(Duration::from_secs(2)).partitions();
        let faulty = simulation(seed).nemesis(nemesis);
        let report = faulty.run::<Raft, _>(LinKv::new());
        let report = report.unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(report.summary.undecided, 0, "{report}");
        assert!(report.faults.never_struck().is_empty(), "{report}");
        let is_done = |outcome: &Outcome| matches!(outcome, Outcome::Ok(_));
        let done = report.history.load().filter(|it| is_done(&it.outcome));
        assert!(done.count() > 100, "{report}");
    }
}

/// A cluster with a leader, the leader's name, and that of a follower.
fn with_leader(seed: u64) -> (Cluster, String, String) {
    let mut cluster = simulation(seed).build::<Raft>();
    cluster.run_for(Duration::from_secs(3));
    let op = json!({ "type": "write", "msg_id": 1, "key": 1, "value": 5 });
    for node in cluster.nodes() {
        cluster.inject("c9", &node, &op);
        cluster.run_for(Duration::from_secs(1));
    }
    let answers = cluster.take_received("c9");
    let leader = answers[0]["src"].as_str().unwrap().to_owned();
    let by_leader =
        |answer: &Value| answer["src"] == *leader && answer["body"]["type"] == "write_ok";
    assert!(
        answers.len() == 3 && answers.iter().all(by_leader),
        "{answers:?}"
    );
    let follower = cluster.nodes().into_iter().find(|name| *name != leader);
    (cluster, leader, follower.unwrap())
}

#[test]
fn the_leader_answers_for_its_followers() {
    let (mut cluster, _, follower) = with_leader(1);
    assert_eq!(
        cluster
            .call(&follower, "read", &json!({ "key": 1 }))
            .unwrap()["value"],
        5
    );
    let cas = json!({ "key": 1, "from": 4, "to": 6 });
    let error = cluster.call(&follower, "cas", &cas).unwrap_err();
    assert_eq!(error.code, ErrorCode::PreconditionFailed);
}

#[test]
fn a_refusal_names_the_leader() {
    let (mut cluster, leader, follower) = with_leader(2);
    // As from a follower that takes its equal for the leader.
    let op = json!({ "type": "read", "key": 1 });
    let forward = json!({ "type": "forward", "to": { "name": "c9", "number": "7" }, "op": op });
    cluster.inject("c9", &follower, &forward);
    cluster.run_for(Duration::from_secs(1));
    let body = &cluster.take_received("c9")[0]["body"];
    assert_eq!(
        (&body["code"], &body["in_reply_to"]),
        (&json!(11), &json!(7))
    );
    assert_eq!(body["leader"], *leader);
}

#[test]
fn a_vote_has_a_type_of_its_own() {
    let mut cluster = simulation(3).build::<Raft>();
    let vote = cluster.call(
        "n0",
        "request_vote",
        &json!({ "term": 99, "log": [0, 0], "entries": [], "commit": 0 }),
    );
    let vote = vote.unwrap();
    assert_eq!(
        (&vote["type"], &vote["success"]),
        (&json!("request_vote_res"), &json!(true))
    );
}
