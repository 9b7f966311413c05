//! A linearizable key-value store on a Raft of its own: elections, replication,
//! and requests passed on to the leader. Shows a protocol as one state machine
//! that messages and timers drive, with requests that are answered much later.
//!
//! The log and the vote are in memory only. A node that crashed must not come
//! back under its name: it could vote twice in one term. As long as a majority
//! has never crashed, all is well; on a disk it would survive more.
//!
//! Of what else a Raft may have this one has the check of its quorum (a leader
//! that hears from no majority steps down, or one that is only heard would rule
//! for ever), and neither snapshots, changes of membership, nor reads past the
//! log. etcd's is the model for messages that want no reply: a late answer is as
//! good as an early one, and the next heartbeat mends what was lost.
//!
//! ```sh
//! cargo build --release --examples
//! maelstrom test -w lin-kv --bin target/release/examples/lin_kv --node-count 5 \
//!     --concurrency 4n --time-limit 30 --rate 100 --nemesis partition
//! ```

use eddyline::time::Instant;
use eddyline::{Context, Error, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// How often the leader is heard when there is nothing to say.
const HEARTBEAT_EVERY: Duration = Duration::from_millis(100);

/// How long the leader may be silent, at least: several round trips, even at a
/// latency of 100 ms. Each wait is drawn between this and twice as much, so that
/// two candidates seldom meet.
const ELECTION_AFTER: Duration = Duration::from_millis(600);

/// How many entries go into one message.
const ENTRIES_MAX: usize = 500;

/// How many requests of other nodes are remembered, to carry out none twice.
const FORWARDED_MAX: usize = 1000;

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Operation {
    Read {
        key: Value,
    },
    Write {
        key: Value,
        value: Value,
    },
    Cas {
        key: Value,
        from: Value,
        to: Value,
    },
    /// A new leader's first entry. Only with an entry of its own term can it
    /// commit those of earlier ones.
    Nothing,
}

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    term: u64,
    operation: Operation,
}

#[derive(Serialize, Deserialize)]
struct RequestVote {
    term: u64,
    last_index: usize,
    last_term: u64,
}

#[derive(Serialize, Deserialize)]
struct Vote {
    term: u64,
    granted: bool,
}

#[derive(Serialize, Deserialize)]
struct Append {
    term: u64,
    prev_index: usize,
    prev_term: u64,
    entries: Vec<Entry>,
    commit: usize,
}

#[derive(Serialize, Deserialize)]
struct Appended {
    term: u64,
    fits: bool,
    /// Up to where the logs agree; if they do not, where they may.
    index: usize,
}

/// ```text
///                 no leader heard             majority of votes
///   follower ──────────────────────> candidate ────────────────> leader
///      ^                              │     ^ │ no majority        │
///      │                              │     └─┘                    │
///      └── a later term, or a leader ─┴──── a later term, or no majority heard
/// ```
enum Role {
    Follower,
    Candidate { votes: BTreeSet<String> },
    Leader { peers: BTreeMap<String, Progress> },
}

/// What the leader knows of a peer.
struct Progress {
    /// Up to where its log is known to be ours.
    matched: usize,
    /// What to send next; it runs ahead of `matched`, and falls back when
    /// something was lost.
    next: usize,
    heard: Instant,
}

pub(crate) struct Raft {
    cx: Context,
    role: Role,
    term: u64,
    voted_for: Option<String>,
    leader: Option<String>,
    /// Counted from 1; in place 0 lies an entry that all nodes have.
    log: Vec<Entry>,
    commit: usize,
    applied: usize,
    store: BTreeMap<String, Value>,
    /// The leader's clients, by the index of their entry.
    waiting: BTreeMap<usize, Request>,
    /// What other nodes have passed on: the network may double it.
    forwarded: VecDeque<(String, String)>,
    election_at: Instant,
}

impl Raft {
    fn new(cx: &Context) -> Raft {
        let operation = Operation::Nothing;
        let mut raft = Raft {
            cx: cx.clone(),
            role: Role::Follower,
            term: 0,
            voted_for: None,
            leader: None,
            log: vec![Entry { term: 0, operation }],
            commit: 0,
            applied: 0,
            store: BTreeMap::new(),
            waiting: BTreeMap::new(),
            forwarded: VecDeque::new(),
            election_at: cx.now(),
        };
        raft.put_off_election();
        raft
    }

    fn last_index(&self) -> usize {
        self.log.len() - 1
    }

    fn last_term(&self) -> u64 {
        self.log[self.last_index()].term
    }

    fn put_off_election(&mut self) {
        let jitter = self.cx.random(|random| random.fraction());
        self.election_at = self.cx.now() + ELECTION_AFTER.mul_f64(1.0 + jitter);
    }

    /// Sends a message that may get lost: one that cannot be sent is no worse.
    fn send<T: Serialize>(&self, dest: &str, kind: &str, message: &T) {
        if let Err(error) = self.cx.send(dest, kind, message) {
            self.cx.log(format_args!("not sent: {error}"));
        }
    }

    /// Answers a client, sooner or later.
    fn answer(&self, request: &Request, outcome: &Result<Value>) {
        let answered = match outcome {
            Ok(fields) => self.cx.reply(request, fields),
            Err(error) => self.cx.reply_error(request, error),
        };
        if let Err(error) = answered {
            self.cx.log(format_args!("not answered: {error}"));
        }
    }

    // Roles.

    /// Becomes a follower, in a later term if `term` is one.
    fn follow(&mut self, term: u64) {
        if term > self.term {
            self.term = term;
            self.voted_for = None;
        }
        self.leader = None;
        if let Role::Leader { .. } = std::mem::replace(&mut self.role, Role::Follower) {
            self.put_off_election();
        }
        // Their entries may be committed yet, by another leader.
        let error = Err(Error::timeout(
            "the leader has lost its office; it may happen yet",
        ));
        for request in std::mem::take(&mut self.waiting).into_values() {
            self.answer(&request, &error);
        }
    }

    /// Does what time demands: an election, or an abdication.
    fn tick(&mut self) {
        let now = self.cx.now();
        if let Role::Leader { peers } = &self.role {
            let is_heard = |peer: &&Progress| now.since(peer.heard) < ELECTION_AFTER * 2;
            let heard = 1 + peers.values().filter(is_heard).count();
            return match heard >= self.cx.majority() {
                true => self.append_to_all(),
                false => self.follow(self.term),
            };
        }
        if now < self.election_at {
            return;
        }
        self.term += 1;
        self.leader = None;
        self.voted_for = Some(self.cx.node_id().to_owned());
        self.role = Role::Candidate {
            votes: BTreeSet::new(),
        };
        self.put_off_election();
        let request = RequestVote {
            term: self.term,
            last_index: self.last_index(),
            last_term: self.last_term(),
        };
        for peer in self.cx.peers() {
            self.send(peer, "request_vote", &request);
        }
        let (term, granted) = (self.term, true);
        let own = self.cx.node_id().to_owned();
        self.on_vote(&own, &Vote { term, granted })
    }

    fn on_request_vote(&mut self, candidate: &str, request: &RequestVote) {
        if request.term > self.term {
            self.follow(request.term);
        }
        let is_up_to_date =
            (request.last_term, request.last_index) >= (self.last_term(), self.last_index());
        let is_free = self
            .voted_for
            .as_deref()
            .is_none_or(|voted_for| voted_for == candidate);
        let granted = request.term == self.term && is_free && is_up_to_date;
        if granted {
            self.voted_for = Some(candidate.to_owned());
            self.put_off_election();
        }
        let term = self.term;
        self.send(candidate, "vote", &Vote { term, granted })
    }

    fn on_vote(&mut self, voter: &str, vote: &Vote) {
        if vote.term > self.term {
            return self.follow(vote.term);
        }
        let Role::Candidate { votes } = &mut self.role else {
            return;
        };
        if vote.term < self.term || !vote.granted {
            return;
        }
        votes.insert(voter.to_owned());
        if votes.len() < self.cx.majority() {
            return;
        }
        let (next, heard) = (self.log.len(), self.cx.now());
        let progress = |peer: &str| {
            (
                peer.to_owned(),
                Progress {
                    matched: 0,
                    next,
                    heard,
                },
            )
        };
        let peers = self.cx.peers().map(progress).collect();
        self.role = Role::Leader { peers };
        self.leader = Some(self.cx.node_id().to_owned());
        self.propose(Operation::Nothing)
    }

    // The log.

    /// The leader's: adds an entry and sends it to all.
    fn propose(&mut self, operation: Operation) {
        let term = self.term;
        self.log.push(Entry { term, operation });
        self.append_to_all();
        self.advance_commit()
    }

    fn append_to_all(&mut self) {
        let peers: Vec<String> = self.cx.peers().map(str::to_owned).collect();
        peers.iter().for_each(|peer| self.append_to(peer));
    }

    /// The leader's: sends a peer what it does not have, if only a heartbeat.
    fn append_to(&mut self, peer: &str) {
        let Role::Leader { peers } = &mut self.role else {
            return;
        };
        let Some(progress) = peers.get_mut(peer) else {
            return;
        };
        let end = self.log.len().min(progress.next + ENTRIES_MAX);
        let append = Append {
            term: self.term,
            prev_index: progress.next - 1,
            prev_term: self.log[progress.next - 1].term,
            entries: self.log[progress.next..end].to_vec(),
            commit: self.commit,
        };
        progress.next = end;
        self.send(peer, "append", &append)
    }

    fn on_append(&mut self, leader: &str, append: Append) {
        let mut answer = Appended {
            term: self.term,
            fits: false,
            index: 0,
        };
        if append.term < self.term {
            return self.send(leader, "appended", &answer);
        }
        if append.term > self.term || !matches!(self.role, Role::Follower) {
            self.follow(append.term);
        }
        self.leader = Some(leader.to_owned());
        self.put_off_election();
        answer.term = self.term;
        let prev = append.prev_index;
        answer.fits = self
            .log
            .get(prev)
            .is_some_and(|entry| entry.term == append.prev_term);
        if answer.fits {
            answer.index = prev + append.entries.len();
            for (index, entry) in (prev + 1..).zip(append.entries) {
                // Not cut off unless it differs: an old message may know less.
                if self
                    .log
                    .get(index)
                    .is_none_or(|ours| ours.term != entry.term)
                {
                    self.log.truncate(index);
                    self.log.push(entry);
                }
            }
            self.commit = self.commit.max(append.commit.min(answer.index));
            self.apply();
        } else {
            // Back over all that is missing, or all of the term that differs.
            let last = prev.min(self.last_index());
            let wrong = self.log.get(prev).map(|entry| entry.term);
            let agrees = |entry: &Entry| Some(entry.term) != wrong;
            answer.index = self.log[..=last].iter().rposition(agrees).unwrap_or(0);
        }
        self.send(leader, "appended", &answer)
    }

    fn on_appended(&mut self, peer: &str, answer: &Appended) {
        if answer.term > self.term {
            return self.follow(answer.term);
        }
        let Role::Leader { peers } = &mut self.role else {
            return;
        };
        let Some(progress) = peers.get_mut(peer).filter(|_| answer.term == self.term) else {
            return;
        };
        progress.heard = self.cx.now();
        if answer.fits {
            progress.matched = progress.matched.max(answer.index);
            progress.next = progress.next.max(progress.matched + 1);
            return self.advance_commit();
        }
        if answer.index < progress.matched {
            return; // an answer from before
        }
        progress.next = answer.index + 1;
        self.append_to(peer)
    }

    /// The leader's: commits what a majority has, up to an entry of its own term.
    fn advance_commit(&mut self) {
        let Role::Leader { peers } = &self.role else {
            return;
        };
        let mut matched: Vec<usize> = peers.values().map(|peer| peer.matched).collect();
        matched.push(self.last_index());
        matched.sort_unstable_by(|one, other| other.cmp(one));
        let index = matched[self.cx.majority() - 1];
        if index > self.commit && self.log[index].term == self.term {
            self.commit = index;
        }
        self.apply()
    }

    // The store.

    fn apply(&mut self) {
        while self.applied < self.commit {
            self.applied += 1;
            let operation = self.log[self.applied].operation.clone();
            let outcome = self.execute(operation);
            if let Some(request) = self.waiting.remove(&self.applied) {
                self.answer(&request, &outcome);
            }
        }
    }

    fn execute(&mut self, operation: Operation) -> Result<Value> {
        let missing = |key: &Value| Error::key_does_not_exist(format!("there is no key {key}"));
        match operation {
            Operation::Read { key } => match self.store.get(&key.to_string()) {
                Some(value) => return Ok(json!({ "value": value })),
                None => return Err(missing(&key)),
            },
            Operation::Write { key, value } => drop(self.store.insert(key.to_string(), value)),
            Operation::Cas { key, from, to } => match self.store.get_mut(&key.to_string()) {
                Some(value) if *value == from => *value = to,
                Some(value) => {
                    let text = format!("the value is {value} and not {from}");
                    return Err(Error::precondition_failed(text));
                }
                None => return Err(missing(&key)),
            },
            Operation::Nothing => {}
        }
        Ok(json!({}))
    }

    /// Takes a request in if this is the leader. If not, returns who is.
    fn accept(&mut self, request: &Request) -> Result<Option<String>> {
        let is_forwarded = self.cx.peers().any(|peer| peer == request.src());
        if is_forwarded && !self.is_first(request) {
            return Ok(None);
        }
        match (&self.role, &self.leader) {
            (Role::Leader { .. }, _) => {}
            // One pass only: two nodes might each hold the other for the leader.
            (_, Some(leader)) if !is_forwarded => return Ok(Some(leader.clone())),
            _ => return Err(Error::temporarily_unavailable("there is no leader now")),
        }
        let operation = request.body()?;
        self.waiting.insert(self.log.len(), request.clone());
        self.propose(operation);
        Ok(None)
    }

    /// Whether a forwarded request is not the network's copy of one. Those that
    /// were refused count too: a copy that is carried out after all would belie
    /// the answer.
    fn is_first(&mut self, request: &Request) -> bool {
        let name = (
            request.src().to_owned(),
            request.msg_id().unwrap_or("").to_owned(),
        );
        if self.forwarded.contains(&name) {
            return false;
        }
        self.forwarded.push_back(name);
        let excess = self.forwarded.len().saturating_sub(FORWARDED_MAX);
        self.forwarded.drain(..excess);
        true
    }
}

pub(crate) struct LinKv {
    /// Borrowed for one message or tick at a time, and never over an `.await`.
    raft: RefCell<Raft>,
}

impl Node for LinKv {
    fn new(cx: &Context) -> LinKv {
        LinKv {
            raft: RefCell::new(Raft::new(cx)),
        }
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let mut ticks = cx.every(HEARTBEAT_EVERY);
        loop {
            ticks.tick().await;
            self.raft.borrow_mut().tick();
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let peer = request.src();
        let raft = || self.raft.borrow_mut();
        match request.kind() {
            "read" | "write" | "cas" => {
                let leader = raft().accept(&request)?;
                if let Some(leader) = leader {
                    let reply = cx.sync_rpc_raw(&leader, &request.body()?).await?;
                    cx.reply_raw(&request, reply.raw_value()?)?;
                }
            }
            "request_vote" => raft().on_request_vote(peer, &request.body()?),
            "vote" => raft().on_vote(peer, &request.body()?),
            "append" => raft().on_append(peer, request.body()?),
            "appended" => raft().on_appended(peer, &request.body()?),
            _ => cx.not_supported(&request)?,
        }
        Ok(())
    }
}

fn main() -> std::io::Result<()> {
    eddyline::run::<LinKv>()
}
