//! A linearizable key-value store on a Raft of its own: elections, replication,
//! and requests passed on to the leader. Shows a protocol as one state machine
//! that messages and timers drive, with requests that are answered much later.
//!
//! Whoever has a client's request keeps it, and tells the leader of it until it
//! stands in the committed part of its own log; then it answers. So nothing waits
//! for a reply between nodes: what was lost is said again with the next tick, and
//! an entry that came into the log twice counts once.
//!
//! The log and the vote are in memory only. A node that crashed must not come
//! back under its name: it could vote twice in one term. As long as a majority
//! has never crashed, all is well; on a disk it would survive more.
//!
//! Of what else a Raft may have this one has the vote before the vote, so that
//! nobody deposes a leader whom others hear, and the check of the quorum, so that
//! a leader who hears nobody steps down. It has neither snapshots, changes of
//! membership, nor reads past the log.
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
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// How often the leader is heard when there is nothing to say, and how long
/// whatever was lost stays lost.
const TICK_EVERY: Duration = Duration::from_millis(50);

/// How long the leader may be silent, at least: six ticks, and a round trip even
/// at a latency of 100 ms. Each wait is drawn between this and twice as much, so
/// that two candidates seldom meet.
const ELECTION_AFTER: Duration = Duration::from_millis(300);

/// How long a client's request waits for a leader and its majority: a little
/// less than Maelstrom's clients do.
const HOLD_FOR: Duration = Duration::from_millis(900);

/// How many entries go into one message.
const ENTRIES_MAX: usize = 500;

/// The client's name, and its request's `msg_id`.
type Id = (String, String);

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

/// What nodes tell the leader.
#[derive(Serialize, Deserialize)]
struct Propose {
    proposals: Vec<(Id, Operation)>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    term: u64,
    id: Id,
    operation: Operation,
}

#[derive(Serialize, Deserialize)]
struct RequestVote {
    /// The term that the candidate is in, or would be.
    term: u64,
    /// Whether it only asks what the vote would be.
    pre: bool,
    /// Term and index of its last entry.
    last: (u64, usize),
}

#[derive(Serialize, Deserialize)]
struct Vote {
    /// If granted, the one that was asked for; if not, the voter's.
    term: u64,
    pre: bool,
    granted: bool,
}

#[derive(Serialize, Deserialize)]
struct Append<'a> {
    term: u64,
    /// Index and term of the entry before the first of these.
    prev: (usize, u64),
    entries: Cow<'a, [Entry]>,
    commit: usize,
}

#[derive(Serialize, Deserialize)]
struct Appended {
    term: u64,
    /// Up to where the logs agree, as far as this node can tell.
    agreed: usize,
}

/// ```text
///             no leader heard                majority would        majority does
///   follower ─────────────────> precandidate ─────────> candidate ─────────> leader
///      ^                         ^   │                    │  │                │
///      │                         └───┼── no majority ─────┘  │                │
///      └─────────────────────────────┴── a later term, or ───┴────────────────┘
///                                        a leader; no majority heard
/// ```
enum Role {
    Follower,
    Candidate { pre: bool, votes: BTreeSet<String> },
    Leader { peers: BTreeMap<String, Peer> },
}

/// What the leader knows of another node.
struct Peer {
    /// Up to where its log is ours, as soon as it has said so.
    agreed: Option<usize>,
    heard: Instant,
}

/// A client's request that is not answered yet.
struct Waiting {
    request: Request,
    operation: Operation,
    until: Instant,
    /// Some leader was told of it, so it may happen at any time.
    is_told: bool,
}

pub(crate) struct Raft {
    cx: Context,
    role: Role,
    term: u64,
    voted_for: Option<String>,
    leader: Option<String>,
    leader_heard: Instant,
    election_at: Instant,
    /// Counted from 1; in place 0 lies an entry that all nodes have.
    log: Vec<Entry>,
    commit: usize,
    applied: usize,
    store: BTreeMap<String, Value>,
    /// What was applied. It grows for ever, as the log does.
    done: BTreeSet<Id>,
    waiting: BTreeMap<Id, Waiting>,
    /// There is something that the leader has not told the others.
    has_news: bool,
}

impl Raft {
    fn new(cx: &Context) -> Raft {
        let (term, id, operation) = (0, Id::default(), Operation::Nothing);
        let mut raft = Raft {
            cx: cx.clone(),
            role: Role::Follower,
            term: 0,
            voted_for: None,
            leader: None,
            leader_heard: cx.now(),
            election_at: cx.now(),
            log: vec![Entry {
                term,
                id,
                operation,
            }],
            commit: 0,
            applied: 0,
            store: BTreeMap::new(),
            done: BTreeSet::new(),
            waiting: BTreeMap::new(),
            has_news: false,
        };
        // In the beginning nobody has to wait for a leader's silence, and with
        // one candidate the first election is not lost.
        if cx
            .node_ids()
            .first()
            .is_some_and(|first| first != cx.node_id())
        {
            raft.put_off_election();
        }
        raft
    }

    fn own_name(&self) -> String {
        self.cx.node_id().to_owned()
    }

    fn last_index(&self) -> usize {
        self.log.len() - 1
    }

    fn last(&self) -> (u64, usize) {
        (self.log[self.last_index()].term, self.last_index())
    }

    fn is_silent(&self, heard: Instant) -> bool {
        self.cx.now().since(heard) >= ELECTION_AFTER
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

    /// Does what time demands, and says again what may have got lost.
    fn tick(&mut self) {
        self.expire();
        self.propose(self.waiting.keys().take(ENTRIES_MAX).cloned().collect());
        match &self.role {
            Role::Leader { peers } => {
                let heard = peers.values().filter(|peer| !self.is_silent(peer.heard));
                match heard.count() + 1 >= self.cx.majority() {
                    true => self.append_to_all(),
                    false => self.follow(self.term),
                }
            }
            _ if self.cx.now() >= self.election_at => self.stand(true),
            Role::Candidate { .. } => self.ask_for_votes(),
            Role::Follower => {}
        }
    }

    // Roles.

    /// Becomes a follower, in a later term if `term` is one. What waits for the
    /// leader waits for the next one.
    fn follow(&mut self, term: u64) {
        if term > self.term {
            self.term = term;
            self.voted_for = None;
        }
        if let Role::Leader { .. } = self.role {
            self.put_off_election();
        }
        self.role = Role::Follower;
        self.leader = None;
    }

    /// Asks what the votes would be, or for the votes.
    fn stand(&mut self, pre: bool) {
        if !pre {
            self.term += 1;
            self.voted_for = Some(self.own_name());
        }
        let votes = BTreeSet::new();
        self.role = Role::Candidate { pre, votes };
        self.leader = None;
        self.put_off_election();
        self.ask_for_votes();
        let (term, granted) = (self.term + u64::from(pre), true);
        self.on_vote(&self.own_name(), &Vote { term, pre, granted })
    }

    fn ask_for_votes(&self) {
        let Role::Candidate { pre, votes } = &self.role else {
            return;
        };
        let (term, last) = (self.term + u64::from(*pre), self.last());
        let request = RequestVote {
            term,
            pre: *pre,
            last,
        };
        for peer in self.cx.peers().filter(|&peer| !votes.contains(peer)) {
            self.send(peer, "request_vote", &request);
        }
    }

    fn on_request_vote(&mut self, candidate: &str, request: &RequestVote) {
        let RequestVote { term, pre, last } = *request;
        let is_free = if pre {
            // Not while there is a leader: the candidate has lost touch, or was
            // cut off for a while.
            let is_led = match self.role {
                Role::Leader { .. } => true,
                _ => self.leader.is_some() && !self.is_silent(self.leader_heard),
            };
            term > self.term && !is_led
        } else {
            if term > self.term {
                self.follow(term);
            }
            let voted_for = self.voted_for.as_deref();
            term == self.term && voted_for.is_none_or(|voted_for| voted_for == candidate)
        };
        let granted = is_free && last >= self.last();
        if granted && !pre {
            self.voted_for = Some(candidate.to_owned());
            self.put_off_election();
        }
        let term = if granted { term } else { self.term };
        self.send(candidate, "vote", &Vote { term, pre, granted })
    }

    fn on_vote(&mut self, voter: &str, vote: &Vote) {
        if !vote.granted && vote.term > self.term {
            return self.follow(vote.term);
        }
        let Role::Candidate { pre, votes } = &mut self.role else {
            return;
        };
        if !vote.granted || (vote.pre, vote.term) != (*pre, self.term + u64::from(*pre)) {
            return;
        }
        votes.insert(voter.to_owned());
        if votes.len() >= self.cx.majority() {
            if vote.pre {
                self.stand(false)
            } else {
                self.lead()
            }
        }
    }

    fn lead(&mut self) {
        let heard = self.cx.now();
        let peer = |peer: &str| {
            (
                peer.to_owned(),
                Peer {
                    agreed: None,
                    heard,
                },
            )
        };
        let peers = self.cx.peers().map(peer).collect();
        self.role = Role::Leader { peers };
        self.leader = Some(self.own_name());
        let id = (self.own_name(), self.term.to_string());
        self.on_propose(vec![(id, Operation::Nothing)])
    }

    // The log.

    /// Tells the leader, if there is one, what clients want.
    fn propose(&mut self, ids: Vec<Id>) {
        let Some(leader) = self.leader.clone() else {
            return;
        };
        let mut proposals = Vec::new();
        for id in ids {
            if let Some(waiting) = self.waiting.get_mut(&id) {
                waiting.is_told = true;
                proposals.push((id, waiting.operation.clone()));
            }
        }
        if leader == self.cx.node_id() {
            self.on_propose(proposals)
        } else if !proposals.is_empty() {
            self.send(&leader, "propose", &Propose { proposals })
        }
    }

    fn on_propose(&mut self, proposals: Vec<(Id, Operation)>) {
        let Role::Leader { .. } = self.role else {
            return; // it will be proposed to the next leader
        };
        for (id, operation) in proposals {
            let mut coming = self.log[self.applied + 1..].iter();
            if !self.done.contains(&id) && coming.all(|entry| entry.id != id) {
                let term = self.term;
                self.log.push(Entry {
                    term,
                    id,
                    operation,
                });
                self.has_news = true;
            }
        }
        self.advance_commit()
    }

    /// The leader's: sends everybody all that they have not said they have. So no
    /// message depends on another one that might be lost or come later.
    fn append_to_all(&mut self) {
        self.has_news = false;
        let Role::Leader { peers } = &self.role else {
            return;
        };
        for (name, peer) in peers {
            // All logs agree on what is committed, if they have it at all.
            let prev = peer.agreed.unwrap_or(self.commit);
            // Who is silent gets no more than it takes to wake him.
            let most = if self.is_silent(peer.heard) {
                0
            } else {
                ENTRIES_MAX
            };
            let end = self.log.len().min(prev + 1 + most);
            let append = Append {
                term: self.term,
                prev: (prev, self.log[prev].term),
                entries: Cow::Borrowed(&self.log[prev + 1..end]),
                commit: self.commit,
            };
            self.send(name, "append", &append);
        }
    }

    fn on_append(&mut self, leader: &str, append: Append<'_>) {
        let mut agreed = self.commit;
        if append.term >= self.term {
            self.follow(append.term);
            self.leader = Some(leader.to_owned());
            self.leader_heard = self.cx.now();
            self.put_off_election();
            let (prev, prev_term) = append.prev;
            if self
                .log
                .get(prev)
                .is_some_and(|entry| entry.term == prev_term)
            {
                agreed = agreed.max(prev + append.entries.len());
                let entries = (prev + 1..).zip(append.entries.into_owned());
                for (index, entry) in entries.skip(self.commit.saturating_sub(prev)) {
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
                self.commit = self.commit.max(append.commit.min(agreed));
                self.apply();
            }
        }
        let term = self.term;
        self.send(leader, "appended", &Appended { term, agreed })
    }

    fn on_appended(&mut self, peer: &str, answer: &Appended) {
        if answer.term > self.term {
            return self.follow(answer.term);
        }
        let (now, last) = (self.cx.now(), self.last_index());
        let Role::Leader { peers } = &mut self.role else {
            return;
        };
        if let Some(peer) = peers.get_mut(peer).filter(|_| answer.term == self.term) {
            peer.heard = now;
            peer.agreed = peer.agreed.max(Some(answer.agreed.min(last)));
            self.advance_commit()
        }
    }

    /// The leader's: commits what a majority has, up to an entry of its own term.
    fn advance_commit(&mut self) {
        let Role::Leader { peers } = &self.role else {
            return;
        };
        let agreed = peers.values().map(|peer| peer.agreed.unwrap_or(0));
        let mut agreed: Vec<usize> = agreed.chain([self.last_index()]).collect();
        agreed.sort_unstable_by(|one, other| other.cmp(one));
        let index = agreed[self.cx.majority() - 1];
        if index > self.commit && self.log[index].term == self.term {
            self.commit = index;
            self.has_news = true;
            self.apply();
        }
    }

    // The store, and those who wait for it.

    /// Takes in a client's request.
    fn accept(&mut self, request: &Request) -> Result<()> {
        let operation: Operation = request.body()?;
        let Some(msg_id) = request.msg_id() else {
            return Err(Error::malformed_request(
                "without `msg_id` it might be done twice",
            ));
        };
        let id = (request.src().to_owned(), msg_id.to_owned());
        if self.done.contains(&id) || self.waiting.contains_key(&id) {
            return Ok(()); // the network's copy
        }
        let waiting = Waiting {
            request: request.clone(),
            operation,
            until: self.cx.now() + HOLD_FOR,
            is_told: false,
        };
        self.waiting.insert(id.clone(), waiting);
        self.propose(vec![id]);
        Ok(())
    }

    fn expire(&mut self) {
        let now = self.cx.now();
        let is_over = |(_, waiting): &(&Id, &Waiting)| waiting.until <= now;
        let over = self.waiting.iter().filter(is_over);
        for id in over.map(|(id, _)| id.clone()).collect::<Vec<Id>>() {
            let is_told = self.waiting.get(&id).is_some_and(|waiting| waiting.is_told);
            let error = match is_told {
                true => Error::timeout("no majority has agreed; it may happen yet"),
                false => Error::temporarily_unavailable("there is no leader"),
            };
            self.answer(&id, &Err(error));
        }
    }

    fn answer(&mut self, id: &Id, outcome: &Result<Value>) {
        let Some(Waiting { request, .. }) = self.waiting.remove(id) else {
            return;
        };
        let answered = match outcome {
            Ok(fields) => self.cx.reply(&request, fields),
            Err(error) => self.cx.reply_error(&request, error),
        };
        if let Err(error) = answered {
            self.cx.log(format_args!("not answered: {error}"));
        }
    }

    fn apply(&mut self) {
        while self.applied < self.commit {
            self.applied += 1;
            let Entry { id, operation, .. } = self.log[self.applied].clone();
            // Two leaders may have been told of it.
            if self.done.insert(id.clone()) {
                let outcome = self.execute(operation);
                self.answer(&id, &outcome);
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
}

pub(crate) struct LinKv {
    /// Borrowed for one message or tick at a time, and never over an `.await`.
    raft: RefCell<Raft>,
}

impl Node for LinKv {
    fn new(cx: &Context) -> LinKv {
        let raft = RefCell::new(Raft::new(cx));
        LinKv { raft }
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let mut ticks = cx.every(TICK_EVERY);
        loop {
            ticks.tick().await;
            self.raft.borrow_mut().tick();
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let (peer, raft) = (request.src(), || self.raft.borrow_mut());
        match request.kind() {
            "read" | "write" | "cas" => raft().accept(&request)?,
            "propose" => raft().on_propose(request.body::<Propose>()?.proposals),
            "request_vote" => raft().on_request_vote(peer, &request.body()?),
            "vote" => raft().on_vote(peer, &request.body()?),
            "append" => raft().on_append(peer, request.body()?),
            "appended" => raft().on_appended(peer, &request.body()?),
            _ => cx.not_supported(&request)?,
        }
        if std::mem::take(&mut raft().has_news) {
            // What came in together goes out together.
            cx.sleep(Duration::ZERO).await;
            raft().append_to_all();
        }
        Ok(())
    }
}

fn main() -> std::io::Result<()> {
    eddyline::run::<LinKv>()
}
