//! kafka: logs by key. No acknowledged message is lost or passed over.
//!
//! Clients behave as Maelstrom's do. A client assigns itself some keys: it asks for their
//! committed offsets and polls these keys from there, or from where it was. It commits the
//! offsets that it has polled. Now and then it assigns itself other keys.
//!
//! ```text
//!   key 0 ── 16 sends ──┐ retires         live keys: the newest is drawn half of the time,
//!   key 1 ──────────────┼──> key 4        the one before it a quarter, and so on
//!   key 2, key 3 …      │
//!                       └── still polled by clients that have it, and at the end
//! ```

mod log;

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::draws::index_below;
use super::history::{Operation, Phase, Request};
use crate::random::Random;
use log::{Keys, Logs, Offsets, PollOk, Send, SendOk};
use serde_json::json;
use std::collections::BTreeMap;

/// A client assigns itself other keys once in so many operations, as in Maelstrom.
const ASSIGN_EVERY: u64 = 64;

/// The probability that these keys include all keys with messages that no poll has returned.
const ASSIGNS_UNSEEN: f64 = 1.0 / 3.0;

/// Maelstrom's `kafka`: `send {key, msg}` -> `{offset}`, `poll {offsets}` ->
/// `{msgs}`, `commit_offsets {offsets}`, `list_committed_offsets {keys}` ->
/// `{offsets}`.
///
/// Every message that was acknowledged or polled must be in a final poll. During the load a
/// node may lag behind, but not for ever: its polls must return something of each key of
/// which it has acknowledged messages.
///
/// ```
/// use eddyline::workload::Kafka;
///
/// let workload = Kafka::new().keys(8);
/// ```
#[derive(Debug, Clone)]
pub struct Kafka {
    keys: usize,
    writes_per_key: u64,
    assigns_all: bool,
    /// The keys that are sent to, oldest first.
    live: Vec<u64>,
    /// The number of the next key.
    next_key: u64,
    /// The next message of each key. No message is sent twice.
    next: BTreeMap<String, u64>,
    /// The highest offset of each key that was sent to, and not polled since.
    unseen: BTreeMap<String, u64>,
    /// The position of each client.
    consumers: BTreeMap<String, Consumer>,
}

/// The measurements of a run of [`Kafka`].
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct KafkaSummary {
    /// Messages that were acknowledged.
    pub sent: usize,
    /// Different messages that were polled.
    pub polled: usize,
    /// Messages among nodes and services during the load, for each operation. A
    /// commit is not counted as one: to Maelstrom it is a part of its poll.
    pub messages_per_operation: f64,
    /// The part of the load's operations that were done.
    pub availability: f64,
}

/// A client's next offsets, and those that it has not committed yet.
#[derive(Debug, Clone, Default)]
struct Consumer {
    positions: BTreeMap<String, u64>,
    uncommitted: BTreeMap<String, u64>,
    has_asked: bool,
}

impl Default for Kafka {
    fn default() -> Kafka {
        Kafka::new()
    }
}

impl Kafka {
    /// The workload, with Maelstrom's load: ten live keys, each of which retires after 16
    /// sends, and clients that poll a few keys each.
    pub fn new() -> Kafka {
        Kafka {
            keys: 10,
            writes_per_key: 16,
            assigns_all: false,
            live: Vec::new(),
            next_key: 0,
            unseen: BTreeMap::new(),
            next: BTreeMap::new(),
            consumers: BTreeMap::new(),
        }
    }

    /// How many keys are live: `"0"`, `"1"`, and so on, until they retire.
    pub fn keys(mut self, count: usize) -> Kafka {
        self.keys = count.max(1);
        self
    }

    /// How many messages are sent to a key before it retires, and a new key takes its place:
    /// 16, Maelstrom's `--max-writes-per-key`. With `u64::MAX` no key retires, and logs
    /// become long.
    pub fn writes_per_key(mut self, count: u64) -> Kafka {
        self.writes_per_key = count.max(1);
        self
    }

    /// Clients assign themselves all live keys, and draw them evenly for their sends. Polls
    /// then have more to show than in Maelstrom, and cost more.
    ///
    /// ```
    /// # use eddyline::workload::Kafka;
    /// let few_long_logs = Kafka::new().keys(4).writes_per_key(u64::MAX).assign_all();
    /// ```
    pub fn assign_all(mut self) -> Kafka {
        self.assigns_all = true;
        self
    }

    /// Draws the place of a live key.
    fn draw(&mut self, random: &mut Random) -> usize {
        while self.live.len() < self.keys {
            self.live.push(self.next_key);
            self.next_key += 1;
        }
        if self.assigns_all {
            return index_below(random, self.keys);
        }
        let mut place = self.keys - 1;
        while place > 0 && random.chance(0.5) {
            place -= 1;
        }
        place
    }

    fn send(&mut self, turn: &mut Turn<'_>) -> Request {
        let place = self.draw(turn.random);
        let key = self.live[place].to_string();
        let next = self.next.entry(key.clone()).or_default();
        let msg = *next;
        *next += 1;
        if *next >= self.writes_per_key {
            self.live.remove(place);
        }
        Request::new("send", &json!({ "key": key, "msg": msg }))
    }

    /// The keys that a client assigns itself: one, and perhaps those with news.
    fn assign(&mut self, turn: &mut Turn<'_>) -> Vec<String> {
        let place = self.draw(turn.random);
        if self.assigns_all {
            return self.live.iter().map(u64::to_string).collect();
        }
        let mut keys = vec![self.live[place].to_string()];
        if turn.random.chance(ASSIGNS_UNSEEN) {
            let unseen = self.unseen.keys().filter(|&key| *key != keys[0]);
            keys.extend(unseen.cloned().collect::<Vec<String>>());
        }
        keys
    }

    /// Every key that was ever live.
    fn all_keys(&self) -> impl Iterator<Item = String> {
        (0..self.next_key).map(|key| key.to_string())
    }

    /// Notes that messages of a key up to an offset were polled.
    fn seen(&mut self, key: &str, offset: u64) {
        if self.unseen.get(key).is_some_and(|&sent| sent <= offset) {
            self.unseen.remove(key);
        }
    }
}

impl Workload for Kafka {
    type Summary = KafkaSummary;

    fn name(&self) -> &'static str {
        "kafka"
    }

    fn next(&mut self, mut turn: Turn<'_>) -> Option<Request> {
        let consumer = self.consumers.entry(turn.client.to_owned()).or_default();
        let has_asked = consumer.has_asked;
        if !consumer.uncommitted.is_empty() {
            let offsets = std::mem::take(&mut consumer.uncommitted);
            return Some(Request::new(
                "commit_offsets",
                &json!({ "offsets": offsets }),
            ));
        }
        if turn.random.chance(0.5) {
            return Some(self.send(&mut turn));
        }
        if !has_asked || turn.random.below(ASSIGN_EVERY) == 0 {
            let keys = self.assign(&mut turn);
            let client = turn.client.to_owned();
            self.consumers.entry(client).or_default().has_asked = true;
            return Some(Request::new(
                "list_committed_offsets",
                &json!({ "keys": keys }),
            ));
        }
        let consumer = self.consumers.entry(turn.client.to_owned()).or_default();
        let positions = &consumer.positions;
        Some(Request::new("poll", &json!({ "offsets": positions })))
    }

    /// A poll asks for what comes behind the last one's answer.
    fn follows_answers(&self) -> bool {
        true
    }

    fn reply_fields(&self, kind: &str) -> &'static [&'static str] {
        match kind {
            "send" => &["offset"],
            "poll" => &["msgs"],
            "list_committed_offsets" => &["offsets"],
            _ => &[],
        }
    }

    fn ended(&mut self, operation: &Operation) -> Result<(), String> {
        if operation.phase == Phase::Final {
            return Ok(());
        }
        let consumer = self
            .consumers
            .entry(operation.client.to_string())
            .or_default();
        let mut polled = Vec::new();
        let shape = |field: &str, what: &str| format!("`{field}` is not {what}");
        match operation.kind() {
            "list_committed_offsets" => {
                let mut committed = BTreeMap::new();
                if operation.is_ok() {
                    let reply: Option<Offsets> = operation.replied();
                    let reply = reply.ok_or_else(|| shape("offsets", "an offset for each key"))?;
                    committed = reply.offsets;
                }
                let Keys { keys } = operation.asked().unwrap_or_default();
                let before = std::mem::take(&mut consumer.positions);
                for key in keys {
                    // As Maelstrom's client, from the last offset that was read. Reading it again is
                    // allowed.
                    let known = before.get(&key).or_else(|| committed.get(&key));
                    let position = known.copied().unwrap_or(0);
                    consumer.positions.insert(key, position);
                }
            }
            "poll" if operation.is_ok() => {
                let reply: Option<PollOk> = operation.replied();
                let reply = reply.ok_or_else(|| shape("msgs", "[offset, msg] pairs by key"))?;
                for (key, pairs) in reply.msgs {
                    let Some(last) = pairs.iter().map(|(offset, _)| *offset).max() else {
                        continue;
                    };
                    let position = consumer.positions.entry(key.clone()).or_default();
                    *position = (*position).max(last.saturating_add(1));
                    consumer.uncommitted.insert(key.clone(), last);
                    polled.push((key, last));
                }
            }
            "send" if operation.is_ok() => {
                let reply: Option<SendOk> = operation.replied();
                let reply = reply.ok_or_else(|| shape("offset", "an integer"))?;
                if let Some(Send { key, .. }) = operation.asked() {
                    let sent = self.unseen.entry(key).or_default();
                    *sent = (*sent).max(reply.offset);
                }
            }
            _ => {}
        }
        for (key, offset) in polled {
            self.seen(&key, offset);
        }
        Ok(())
    }

    /// Reads every key from its beginning to its end.
    fn finale(&mut self, _: usize, last: Option<&Operation>) -> Option<Request> {
        let mut offsets: BTreeMap<String, u64> = BTreeMap::new();
        match last {
            None => offsets.extend(self.all_keys().map(|key| (key, 0))),
            Some(last) => {
                offsets = last.asked::<Offsets>()?.offsets;
                let mut more = false;
                for (key, pairs) in last.replied::<PollOk>()?.msgs {
                    if let Some((offset, _)) = pairs.last() {
                        let position = offsets.entry(key).or_default();
                        let next = offset.saturating_add(1);
                        more |= next > *position;
                        *position = (*position).max(next);
                    }
                }
                if !more {
                    return None;
                }
            }
        }
        Some(Request::new("poll", &json!({ "offsets": offsets })))
    }

    fn check(&self, run: &Observed<'_>) -> Result<KafkaSummary, Anomalies> {
        let mut anomalies = Anomalies::default();
        let logs = Logs::of(run.history, &mut anomalies);
        logs.check_polls(run.history, &mut anomalies);
        logs.check_sends(run.history, &mut anomalies);
        Logs::check_progress(run.history, &mut anomalies);
        logs.check_losses(run.history, &mut anomalies);
        check_commits(run, &mut anomalies);
        anomalies.or(KafkaSummary {
            sent: run.history.done("send").count(),
            polled: logs.polled(),
            messages_per_operation: run
                .messages_per_operation(|operation| operation.kind() != "commit_offsets"),
            availability: run.history.availability(),
        })
    }
}

/// Checks that listed offsets were committed. Any other makes a client pass over messages.
fn check_commits(run: &Observed<'_>, anomalies: &mut Anomalies) {
    let mut highest: BTreeMap<String, u64> = BTreeMap::new();
    // A commit counts from its request on, a list at its reply.
    let lists = run.history.done("list_committed_offsets");
    let commits: Vec<&Operation> = run.history.of_kind("commit_offsets").collect();
    let mut lists: Vec<&Operation> = lists.collect();
    lists.sort_by_key(|list| list.completed);
    let mut begun = commits.iter().peekable();
    for list in lists {
        while let Some(commit) = begun.next_if(|commit| commit.invoked <= list.completed) {
            for (key, offset) in commit
                .asked()
                .map_or_else(BTreeMap::new, |Offsets { offsets }| offsets)
            {
                let known = highest.entry(key).or_default();
                *known = (*known).max(offset);
            }
        }
        let Some(Offsets { offsets }) = list.replied() else {
            continue;
        };
        for (key, offset) in offsets {
            let most = highest.get(&key).copied();
            // A reply of 0 for a key without commits can only hide message 0. Maelstrom's
            // own checker accepts that too.
            if most.is_none_or(|most| offset > most) && offset > 0 {
                anomalies.add(format_args!(
                    "n{} says that offset {offset} of key {key:?} is committed, and the highest \
                     offset of a commit is {most:?}",
                    list.node
                ));
            }
        }
    }
}
