//! A linearizable key-value store with its own Raft.
//!
//! It shows elections, replication, and requests that wait in their handlers until a
//! majority has agreed. It is the longest example; ARCHITECTURE.md comes next.
//!
//! - A node with a client's request proposes it to the leader repeatedly, until the
//!   entry is applied on that node. Then it replies. An entry that is in the log twice
//!   is applied once.
//! - A leader's message contains all entries that the receiver has not confirmed. So
//!   no message depends on an earlier one, which may be lost or late.
//! - On five nodes, an operation costs five messages:
//!
//!   ```text
//!   client's node ─ propose ─> leader ─ append ──> a third node
//!   client's node <─ append ── leader <─ appended ─ a third node
//!   client's node ─ appended ─> leader
//!   ```
//!
//!   The second `append` says already that the entry is committed: with the receiver, a
//!   majority has it. Other nodes get the entry with their next message.
//! - Before an election, a candidate asks whether the others would vote for it (a
//!   pre-vote). So it cannot replace a leader that is in contact with a
//!   majority.
//!
//! There are no snapshots, membership changes, reads outside the log, or disk. A
//! crashed node must not return under the same name, because it could vote twice.
//!
//! ```sh
//! cargo build --release --bins --examples
//! target/release/eddyline test -w lin-kv --bin target/release/examples/lin_kv --node-count 5 \
//!     --concurrency 4n --time-limit 30 --rate 100 --nemesis partition
//! ```
//!
//! `maelstrom test` takes the same options.

use eddyline::{Backoff, Context, Error, Node, Request, Result, time::Instant};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use std::{borrow::Cow, cell::RefCell, cmp::Reverse, future::ready, ops::Range, rc::Rc};

/// The time between two messages of the leader to a node, if there is no news.
const TICK_EVERY: Duration = Duration::from_millis(50);

/// The time until a proposal or a request for a vote is repeated.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// How long the leader may be silent: six ticks, or a round trip of 100 ms each way.
/// Each node draws its patience from one to two times this value, so that two nodes
/// seldom become candidates at the same time.
const ELECTION_AFTER: Duration = Duration::from_millis(300);

/// How long a request waits for a majority: a little shorter than its client waits.
const HOLD_FOR: Duration = Duration::from_millis(900);

/// The most entries in one message.
const ENTRIES_MAX: usize = 100;

#[derive(Deserialize)]
struct Command {
    key: Value,
    #[serde(flatten)]
    operation: Operation,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Operation {
    Read,
    Write { value: Value },
    Cas { from: Value, to: Value },
}

/// The client and the `msg_id` of a request.
type Id = (String, String);

#[derive(Clone, Default, Serialize, Deserialize)]
struct Entry {
    /// The term of the leader that appended the entry.
    term: u64,
    id: Id,
    /// `None` in a new leader's first entry, which commits entries of earlier terms.
    command: Option<Box<RawValue>>,
}

/// A candidate's request, and the voter's answer.
#[derive(Serialize, Deserialize)]
struct Vote {
    term: u64,
    /// Whether this is a pre-vote, which changes no state.
    pre: bool,
    /// The term and index of the candidate's last entry.
    last: (u64, usize),
}

#[derive(Serialize, Deserialize)]
struct Propose {
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Append<'a> {
    term: u64,
    /// The term and index of the entry before `entries`.
    prev: (u64, usize),
    entries: Cow<'a, [Entry]>,
    /// The last entry that is committed once the receiver has `entries`.
    commit: usize,
}

#[derive(Serialize, Deserialize)]
struct Appended {
    term: u64,
    /// The follower's log is the same as the leader's up to this index.
    agreed: usize,
}

/// ```text
///               no leader heard             a majority votes
///    follower ─────────────────> candidate ─────────────────> leader
///       ^                         │  ^ │ no majority             │
///       │                         │  └─┘                         │
///       └── a leader, a later term ┴── a later term, no answers ─┘
/// ```
#[derive(Clone, Copy, Default, PartialEq)]
enum Role {
    #[default]
    Follower,
    Candidate,
    Leader,
}

#[derive(Default)]
struct Raft {
    role: Role,
    term: u64,
    /// The term and the candidate of this node's last vote.
    voted: (u64, String),
    leader: Option<String>,
    /// The time of the leader's last message.
    heard: Instant,
    /// How long the leader may be silent before this node becomes a candidate.
    patience: Duration,
    /// On the leader: when each other node last answered.
    heard_from: BTreeMap<String, Instant>,
    /// On the leader: the index up to which each other node has confirmed the log.
    agreed: BTreeMap<String, usize>,
    /// On the leader: the nodes that wait for an entry, and its index.
    asked: BTreeSet<(String, usize)>,
    /// On the leader: the nodes that were sent a message since the last tick.
    sent: BTreeSet<String>,
    /// On the leader: `commit` at the last tick.
    commit_at_tick: usize,
    /// Entries count from 1. Entry 0 is the same on all nodes.
    log: Vec<Entry>,
    /// The index of the last committed entry. It is also the last applied one.
    commit: usize,
    store: BTreeMap<String, Value>,
    /// The ids of applied entries. It grows without bound, as the log does.
    done: BTreeSet<Id>,
    /// The requests of clients that wait on this node.
    waiting: BTreeMap<Id, Waiting>,
}

struct Waiting {
    request: Request,
    entry: Entry,
    /// When it was last proposed.
    proposed: Option<Instant>,
}

impl Raft {
    /// The term and index of the last entry.
    fn last(&self) -> (u64, usize) {
        let index = self.log.len() - 1;
        (self.log[index].term, index)
    }

    fn has(&self, term: u64, index: usize) -> bool {
        self.log.get(index).is_some_and(|entry| entry.term == term)
    }

    fn put_off_election(&mut self, cx: &Context) {
        let jitter = cx.random(|random| random.fraction());
        self.patience = ELECTION_AFTER.mul_f64(1.0 + jitter);
        self.heard = cx.now();
    }

    /// Whether the leader has been silent for too long.
    fn is_election_due(&self, cx: &Context) -> bool {
        self.role != Role::Leader && cx.now().since(self.heard) >= self.patience
    }

    /// On the leader: steps down if no majority answers. Otherwise sends to the nodes
    /// that were sent nothing since the last tick, or to all if nothing was committed
    /// since then although entries wait.
    fn tick(&mut self, cx: &Context) {
        if self.role != Role::Leader {
            return;
        }
        let is_near = |at: &&Instant| cx.now().since(**at) < ELECTION_AFTER;
        if self.heard_from.values().filter(is_near).count() + 1 < cx.majority() {
            self.follow(self.term, None);
        } else {
            self.put_off_election(cx);
            let is_stuck = self.commit == self.commit_at_tick && self.last().1 > self.commit;
            self.commit_at_tick = self.commit;
            let sent = std::mem::take(&mut self.sent);
            for peer in cx.peers().filter(|&peer| is_stuck || !sent.contains(peer)) {
                self.append_to(cx, peer);
            }
            self.sent.clear();
        }
    }

    fn follow(&mut self, term: u64, leader: Option<&str>) {
        self.term = self.term.max(term);
        self.role = Role::Follower;
        self.leader = leader.map(str::to_owned);
    }

    /// Becomes a candidate, for a pre-vote or for the vote.
    fn stand(&mut self, cx: &Context, pre: bool) -> Vote {
        self.put_off_election(cx);
        self.role = Role::Candidate;
        self.leader = None;
        if !pre {
            self.term += 1;
            self.voted = (self.term, cx.node_id().to_owned());
        }
        let (term, last) = (self.term, self.last());
        Vote { term, pre, last }
    }

    fn vote(&mut self, cx: &Context, candidate: &str, request: &Vote) -> Result<Vote> {
        if !request.pre && request.term > self.term {
            self.follow(request.term, None);
        }
        // The candidate may be cut off from a leader that this node can reach.
        let is_led = self.leader.is_some() && cx.now().since(self.heard) < ELECTION_AFTER;
        let is_given = self.voted.0 == self.term && self.voted.1 != candidate;
        let is_late = !request.pre && (request.term < self.term || is_given);
        if is_led || is_late || request.last < self.last() {
            return Err(Error::abort(
                "another node is leader, or a better candidate",
            ));
        }
        if !request.pre {
            self.voted = (self.term, candidate.to_owned());
            self.put_off_election(cx);
        }
        let term = self.term;
        Ok(Vote { term, ..*request })
    }

    fn lead(&mut self, cx: &Context) {
        self.role = Role::Leader;
        self.leader = Some(cx.node_id().to_owned());
        self.heard_from = cx.peers().map(|peer| (peer.to_owned(), cx.now())).collect();
        self.agreed.clear();
        self.asked.clear();
        let id = (cx.node_id().to_owned(), self.term.to_string());
        let (term, command) = (self.term, None);
        self.log.push(Entry { term, id, command });
        cx.peers().for_each(|peer| self.append_to(cx, peer));
        self.commit_agreed(cx);
    }

    /// Proposes a waiting request, if that was not done shortly before. Other requests
    /// that have waited for a tick are in the message too.
    fn propose(&mut self, cx: &Context, id: &Id) {
        let waits = |request: &Waiting, time| {
            let proposed = request.proposed;
            proposed.is_none_or(|at| cx.now().since(at) >= time)
        };
        let request = self.waiting.get(id).filter(|it| waits(it, AGAIN_AFTER));
        let (Some(_), Some(leader)) = (request, self.leader.clone()) else {
            return;
        };
        let mut entries = Vec::new();
        let due = self.waiting.values_mut().filter(|it| waits(it, TICK_EVERY));
        for request in due.take(ENTRIES_MAX) {
            request.proposed = Some(cx.now());
            entries.push(request.entry.clone());
        }
        if leader == cx.node_id() {
            self.on_propose(cx, &leader, entries);
        } else {
            drop(cx.send(&leader, "propose", &Propose { entries }));
        }
    }

    /// On the leader: appends the entries that are new, and sends them to as few nodes as
    /// make a majority: those that answered last, and are the most likely to answer.
    /// Most Rafts, such as etcd's, send them to all: at the cost of twice the messages, the
    /// fastest answers count, and a lost message delays nothing.
    fn on_propose(&mut self, cx: &Context, from: &str, entries: Vec<Entry>) {
        if self.role != Role::Leader {
            return;
        }
        let is_own = from == cx.node_id();
        let (term, end) = (self.term, self.log.len());
        for entry in entries {
            let mut coming = self.log[self.commit + 1..].iter();
            if self.done.contains(&entry.id) || coming.any(|known| known.id == entry.id) {
                continue;
            }
            self.log.push(Entry { term, ..entry });
            if !is_own {
                self.asked.insert((from.to_owned(), self.last().1));
            }
        }
        if self.log.len() > end {
            let mut others: Vec<&str> = cx.peers().filter(|&peer| peer != from).collect();
            others.sort_by_key(|&peer| Reverse(self.heard_from.get(peer)));
            others.truncate(cx.majority() - if is_own { 1 } else { 2 });
            others.iter().for_each(|peer| self.append_to(cx, peer));
        }
        self.commit_agreed(cx);
    }

    /// The indexes of the entries in the next message to a node. A log that has the
    /// committed entries agrees on them with all others.
    fn entries_for(&self, peer: &str) -> Range<usize> {
        let prev = self.agreed.get(peer).map_or(self.commit, |&agreed| agreed);
        prev + 1..self.log.len().min(prev + 1 + ENTRIES_MAX)
    }

    /// On the leader. A failed send is treated like a lost message.
    fn append_to(&mut self, cx: &Context, peer: &str) {
        let entries = self.entries_for(peer);
        let prev = entries.start - 1;
        let append = Append {
            term: self.term,
            prev: (self.log[prev].term, prev),
            entries: Cow::Borrowed(&self.log[entries]),
            commit: self.commit_with(cx, peer),
        };
        drop(cx.send(peer, "append", &append));
        self.sent.insert(peer.to_owned());
    }

    fn on_append(&mut self, cx: &Context, leader: &str, append: Append<'_>) {
        let mut agreed = self.commit;
        if append.term >= self.term {
            self.follow(append.term, Some(leader));
            self.put_off_election(cx);
            let (prev_term, prev) = append.prev;
            if self.has(prev_term, prev) {
                agreed = agreed.max(prev + append.entries.len());
                let entries = (prev + 1..).zip(append.entries.into_owned());
                for (index, entry) in entries.skip(self.commit.saturating_sub(prev)) {
                    // Truncate only where the logs differ: an old message may have
                    // fewer entries than the log.
                    if !self.has(entry.term, index) {
                        self.log.truncate(index);
                        self.log.push(entry);
                    }
                }
                self.apply_to(cx, append.commit.min(agreed));
            }
        }
        let term = self.term;
        drop(cx.send(leader, "appended", &Appended { term, agreed }));
    }

    fn on_appended(&mut self, cx: &Context, peer: &str, answer: &Appended) {
        if answer.term > self.term {
            self.follow(answer.term, None);
        } else if self.role == Role::Leader && answer.term == self.term {
            self.heard_from.insert(peer.to_owned(), cx.now());
            let agreed = self.agreed.entry(peer.to_owned()).or_default();
            *agreed = answer.agreed.min(self.log.len() - 1).max(*agreed);
            self.commit_agreed(cx);
        }
    }

    /// On the leader: the last entry that is committed once `node` has its next message.
    /// It is from the leader's own term: a later leader could replace an earlier one.
    fn commit_with(&self, cx: &Context, node: &str) -> usize {
        let agreed = |peer| match self.agreed.get(peer) {
            _ if peer == node => self.entries_for(peer).end - 1,
            agreed => agreed.copied().unwrap_or(0),
        };
        let mut agreed: Vec<usize> = cx.peers().map(agreed).collect();
        agreed.push(self.log.len() - 1);
        agreed.sort_unstable_by_key(|&index| Reverse(index));
        let index = agreed[cx.majority() - 1];
        let is_own = self.has(self.term, index);
        if is_own {
            self.commit.max(index)
        } else {
            self.commit
        }
    }

    /// On the leader: commits what a majority has, and sends to the nodes that wait for
    /// an entry which is committed once they have it.
    fn commit_agreed(&mut self, cx: &Context) {
        self.apply_to(cx, self.commit_with(cx, cx.node_id()));
        for peer in cx.peers() {
            let commit = self.commit_with(cx, peer);
            let asked = self.asked.len();
            self.asked
                .retain(|(node, index)| node != peer || *index > commit);
            if self.asked.len() < asked {
                self.append_to(cx, peer);
            }
        }
    }

    fn apply_to(&mut self, cx: &Context, commit: usize) {
        while self.commit < commit {
            self.commit += 1;
            let Entry { id, command, .. } = self.log[self.commit].clone();
            // The same request may have been proposed to two leaders.
            let is_new = self.done.insert(id.clone());
            if let Some(command) = command.filter(|_| is_new) {
                let waiting = self.waiting.remove(&id).map(|waiting| waiting.request);
                match (waiting, self.execute(&command)) {
                    (Some(request), Ok(fields)) => drop(cx.reply(&request, &fields)),
                    (Some(request), Err(error)) => drop(cx.reply_error(&request, &error)),
                    (None, _) => {}
                }
            }
        }
    }

    fn execute(&mut self, command: &RawValue) -> Result<Value> {
        let failed = |error: serde_json::Error| Error::crash(error.to_string());
        let command: Command = serde_json::from_str(command.get()).map_err(failed)?;
        let key = command.key.to_string();
        match (command.operation, self.store.get(&key)) {
            (Operation::Read, Some(value)) => return Ok(json!({ "value": value })),
            (Operation::Cas { from, .. }, Some(value)) if *value != from => {
                let text = format!("the value is {value}, not {from}");
                return Err(Error::precondition_failed(text));
            }
            (Operation::Write { value }, _) | (Operation::Cas { to: value, .. }, Some(_)) => {
                self.store.insert(key, value);
            }
            (_, None) => return Err(Error::key_does_not_exist(format!("there is no key {key}"))),
        }
        Ok(json!({}))
    }
}

/// The state is borrowed for one message or tick at a time, never across an `.await`.
pub(crate) struct LinKv(RefCell<Raft>);

impl LinKv {
    /// Holds a vote or a pre-vote. Returns whether a majority is for this node, and no
    /// other node has become leader since it began.
    async fn wins(&self, cx: &Context, pre: bool) -> bool {
        let request = self.0.borrow_mut().stand(cx, pre);
        let ask = |peer| {
            let call = cx.sync_rpc(peer, "request_vote", &request);
            let again = Backoff::new(AGAIN_AFTER).longest(AGAIN_AFTER);
            call.retry(again).timeout(self.0.borrow().patience)
        };
        let answers: FuturesUnordered<_> = cx.peers().map(ask).collect();
        let votes = answers.filter_map(|answer| ready(answer.and_then(|vote| vote.body()).ok()));
        let votes: Vec<Vote> = votes.take(cx.majority() - 1).collect().await;
        let mut raft = self.0.borrow_mut();
        raft.term = votes.iter().map(|vote| vote.term).fold(raft.term, u64::max);
        raft.role == Role::Candidate && votes.len() + 1 >= cx.majority()
    }

    /// Proposes a client's request until it is applied here, or `HOLD_FOR` is over.
    async fn carry_out(&self, cx: &Context, request: &Request) -> Result<()> {
        let missing = || Error::malformed_request("there is no `msg_id`");
        let msg_id = request.msg_id().ok_or_else(missing)?;
        let id = (request.src().to_owned(), msg_id.to_owned());
        let Command { .. } = request.body()?; // a wrong body: error 12
        let (command, proposed) = (Some(request.body()?), None);
        let entry = Entry {
            term: 0,
            id: id.clone(),
            command,
        };
        let request = request.clone();
        let raft = || self.0.borrow_mut();
        raft().waiting.insert(
            id.clone(),
            Waiting {
                request,
                entry,
                proposed,
            },
        );
        let begun = cx.now();
        while cx.now().since(begun) < HOLD_FOR && raft().waiting.contains_key(&id) {
            raft().propose(cx, &id);
            cx.sleep(TICK_EVERY).await;
        }
        match raft().waiting.remove(&id).map(|waiting| waiting.proposed) {
            None => Ok(()),
            Some(Some(_)) => Err(Error::timeout("not committed yet; it may happen later")),
            Some(None) => Err(Error::temporarily_unavailable("there is no leader")),
        }
    }
}

impl Node for LinKv {
    fn new(cx: &Context) -> LinKv {
        let mut raft = Raft::default();
        raft.log.push(Entry::default());
        raft.put_off_election(cx);
        LinKv(RefCell::new(raft))
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let mut ticks = cx.every(TICK_EVERY);
        loop {
            ticks.tick().await;
            let is_due = self.0.borrow().is_election_due(&cx);
            self.0.borrow_mut().tick(&cx);
            if is_due && self.wins(&cx, true).await && self.wins(&cx, false).await {
                self.0.borrow_mut().lead(&cx);
            }
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let (peer, raft) = (request.src(), || self.0.borrow_mut());
        match request.kind() {
            "read" | "write" | "cas" => self.carry_out(&cx, &request).await?,
            "request_vote" => cx.reply(&request, &raft().vote(&cx, peer, &request.body()?)?)?,
            "propose" => raft().on_propose(&cx, peer, request.body::<Propose>()?.entries),
            "append" => raft().on_append(&cx, peer, request.body()?),
            "appended" => raft().on_appended(&cx, peer, &request.body()?),
            _ => cx.not_supported(&request)?,
        }
        Ok(())
    }
}

fn main() -> std::process::ExitCode {
    eddyline::main::<LinKv>()
}
