//! kafka: logs by key. No acknowledged message is lost or passed over.
//!
//! Clients behave as Maelstrom's do. A new one asks for the committed offsets of
//! its keys, polls on from there, and commits the offsets that it has polled.

mod log;

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::draws::index_below;
use super::history::{Operation, Phase, Request};
use log::{Logs, Offsets, PollOk, SendOk};
use serde_json::json;
use std::collections::BTreeMap;

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
    /// The next message of each key. No message is sent twice.
    next: BTreeMap<String, u64>,
    /// The position of each client.
    consumers: BTreeMap<String, Consumer>,
}

/// The measurements of a run of [`Kafka`].
#[derive(Debug, Clone, Copy, PartialEq)]
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
    /// The workload, with four keys.
    pub fn new() -> Kafka {
        Kafka {
            keys: 4,
            next: BTreeMap::new(),
            consumers: BTreeMap::new(),
        }
    }

    /// How many keys there are: `"0"`, `"1"`, and so on.
    pub fn keys(mut self, count: usize) -> Kafka {
        self.keys = count.max(1);
        self
    }

    fn key_names(&self) -> Vec<String> {
        (0..self.keys).map(|key| key.to_string()).collect()
    }

    fn send(&mut self, turn: &mut Turn<'_>) -> Request {
        let key = index_below(turn.random, self.keys).to_string();
        let next = self.next.entry(key.clone()).or_default();
        let msg = *next;
        *next += 1;
        Request::new("send", &json!({ "key": key, "msg": msg }))
    }
}

impl Workload for Kafka {
    type Summary = KafkaSummary;

    fn name(&self) -> &'static str {
        "kafka"
    }

    fn next(&mut self, mut turn: Turn<'_>) -> Option<Request> {
        let keys = self.key_names();
        let consumer = self.consumers.entry(turn.client.to_owned()).or_default();
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
        // Sometimes a client starts again from the committed offsets.
        if !consumer.has_asked || turn.random.chance(0.02) {
            consumer.has_asked = true;
            consumer.positions.clear();
            return Some(Request::new(
                "list_committed_offsets",
                &json!({ "keys": keys }),
            ));
        }
        let positions = &consumer.positions;
        Some(Request::new("poll", &json!({ "offsets": positions })))
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
        let keys = self.key_names();
        let consumer = self
            .consumers
            .entry(operation.client.to_string())
            .or_default();
        let shape = |field: &str, what: &str| format!("`{field}` is not {what}");
        match operation.kind() {
            "list_committed_offsets" => {
                let mut committed = BTreeMap::new();
                if operation.is_ok() {
                    let reply: Option<Offsets> = operation.replied();
                    let reply = reply.ok_or_else(|| shape("offsets", "an offset for each key"))?;
                    committed = reply.offsets;
                }
                for key in keys {
                    // As Maelstrom's client, from the last offset that was read. Reading it again is
                    // allowed.
                    let position = committed.get(&key).copied().unwrap_or(0);
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
                    consumer.uncommitted.insert(key, last);
                }
            }
            "send" if operation.is_ok() => {
                let reply: Option<SendOk> = operation.replied();
                reply.ok_or_else(|| shape("offset", "an integer"))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads every key from its beginning to its end.
    fn finale(&mut self, _: usize, last: Option<&Operation>) -> Option<Request> {
        let mut offsets: BTreeMap<String, u64> = BTreeMap::new();
        match last {
            None => offsets.extend(self.key_names().into_iter().map(|key| (key, 0))),
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
