//! The logs as the clients have seen them, and their anomalies.

use crate::workload::anomalies::Anomalies;
use crate::workload::history::{History, Operation, Phase};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// `{key: offset}`, in three of the messages.
#[derive(Debug, Deserialize)]
pub(super) struct Offsets {
    pub(super) offsets: BTreeMap<String, u64>,
}

/// The offsets at which a poll begins. A history that was read from a file may not tell
/// some of them.
#[derive(Debug, Deserialize)]
struct Positions {
    offsets: BTreeMap<String, Option<u64>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Send {
    pub(super) key: String,
    pub(super) msg: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct SendOk {
    pub(super) offset: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct PollOk {
    pub(super) msgs: BTreeMap<String, Vec<(u64, u64)>>,
}

/// All that is known of the logs, from acknowledged sends and from polls.
#[derive(Default)]
pub(super) struct Logs {
    keys: BTreeMap<String, Log>,
}

#[derive(Default)]
struct Log {
    /// The message at each offset: the first that a reply has put there.
    messages: BTreeMap<u64, u64>,
    /// The other messages that replies have put at some offsets, and the nodes that did.
    rivals: BTreeMap<u64, BTreeMap<u64, usize>>,
    /// The offset of each message.
    offset_of: BTreeMap<u64, u64>,
    polled: BTreeSet<u64>,
    polled_at_the_end: BTreeSet<u64>,
}

impl Logs {
    pub(super) fn of(history: &History, anomalies: &mut Anomalies) -> Logs {
        let mut logs = Logs::default();
        let mut sent: BTreeSet<(String, u64)> = BTreeSet::new();
        for operation in history.of_kind("send") {
            let Some(Send { key, msg }) = operation.asked() else {
                continue;
            };
            if let Some(SendOk { offset }) = operation.replied() {
                logs.place(&key, offset, msg, operation, anomalies);
            }
            if !operation.is_fail() {
                sent.insert((key, msg));
            }
        }
        for operation in history.done("poll") {
            let Some(PollOk { msgs }) = operation.replied() else {
                let node = operation.node;
                anomalies.add(format_args!(
                    "n{node} answered a poll with no [offset, msg] pairs"
                ));
                continue;
            };
            for (key, pairs) in msgs {
                for (offset, msg) in pairs {
                    if !sent.contains(&(key.clone(), msg)) {
                        anomalies.add(format_args!(
                            "n{} has message {msg} in key {key:?}, which was never sent there",
                            operation.node
                        ));
                    }
                    let log = logs.place(&key, offset, msg, operation, anomalies);
                    log.polled.insert(msg);
                    if operation.phase == Phase::Final {
                        log.polled_at_the_end.insert(msg);
                    }
                }
            }
        }
        logs.check_offsets(anomalies);
        logs
    }

    /// Checks that each offset has one message. A node that gives one offset to all must not
    /// hide everything else, so each offset is one anomaly.
    fn check_offsets(&self, anomalies: &mut Anomalies) {
        for (key, log) in &self.keys {
            for (offset, rivals) in &log.rivals {
                let (first, more) = (log.messages[offset], rivals.len() - 1);
                if let Some((msg, node)) = rivals.first_key_value() {
                    anomalies.add(format_args!(
                        "inconsistent offset {offset} of key {key:?}: message {msg} is there \
                         according to n{node}, message {first} according to another reply, and \
                         {more} others"
                    ));
                }
            }
        }
    }

    /// Notes the offset of a message.
    fn place(
        &mut self,
        key: &str,
        offset: u64,
        msg: u64,
        operation: &Operation,
        anomalies: &mut Anomalies,
    ) -> &mut Log {
        let node = operation.node;
        if !self.keys.contains_key(key) {
            self.keys.insert(key.to_owned(), Log::default());
        }
        let log = self.keys.entry(key.to_owned()).or_default();
        if *log.messages.entry(offset).or_insert(msg) != msg {
            log.rivals
                .entry(offset)
                .or_default()
                .entry(msg)
                .or_insert(node);
        }
        let known = *log.offset_of.entry(msg).or_insert(offset);
        if known != offset {
            anomalies.add(format_args!(
                "duplicate message {msg} in key {key:?}: at offset {known} and at {offset}"
            ));
        }
        log
    }

    pub(super) fn polled(&self) -> usize {
        self.keys.values().map(|log| log.polled.len()).sum()
    }

    /// Checks that each poll begins at the offset it was asked for, goes up, and passes over
    /// no message.
    pub(super) fn check_polls(&self, history: &History, anomalies: &mut Anomalies) {
        for poll in history.done("poll") {
            let (Some(Positions { offsets }), Some(PollOk { msgs })) =
                (poll.asked(), poll.replied())
            else {
                continue;
            };
            let (client, node) = (&poll.client, poll.node);
            for (key, pairs) in msgs {
                let Some(&asked) = offsets.get(&key) else {
                    anomalies.add(format_args!(
                        "n{node} answered a poll of {client} with key {key:?}, which it did not ask for"
                    ));
                    continue;
                };
                let mut expected = asked
                    .or(pairs.first().map(|(offset, _)| *offset))
                    .unwrap_or(0);
                for (offset, _) in pairs {
                    if offset < expected {
                        anomalies.add(format_args!(
                            "non-monotonic poll: n{node} gave {client} offset {offset} of key {key:?}, \
                             which needs none before {expected}"
                        ));
                    } else if let Some(skipped) = self.first_between(&key, expected, offset) {
                        anomalies.add(format_args!(
                            "skipped: n{node} gave {client} offset {offset} of key {key:?} and passed \
                             over {skipped}, which exists"
                        ));
                    }
                    expected = expected.max(offset.saturating_add(1));
                }
            }
        }
    }

    fn first_between(&self, key: &str, begin: u64, end: u64) -> Option<u64> {
        let log = self.keys.get(key)?;
        let mut between = log.messages.range(begin..end);
        between.next().map(|(offset, _)| *offset)
    }

    /// Checks that a client's sends to a key get ever higher offsets. Each client and key
    /// is one anomaly: the first such send, and how many there are.
    pub(super) fn check_sends(&self, history: &History, anomalies: &mut Anomalies) {
        let mut last: BTreeMap<(&str, String), u64> = BTreeMap::new();
        let mut wrong: BTreeMap<(&str, String), (String, usize)> = BTreeMap::new();
        for send in history.done("send") {
            let (Some(Send { key, msg }), Some(SendOk { offset })) = (send.asked(), send.replied())
            else {
                continue;
            };
            let log = (&*send.client, key);
            let Some(before) = last.insert(log.clone(), offset) else {
                continue;
            };
            if before >= offset {
                let node = send.node;
                let (_, count) = wrong.entry(log).or_insert_with(|| {
                    let text = format!("n{node} put message {msg} at offset {offset}");
                    (format!("{text}, not behind the last one at {before}"), 0)
                });
                *count += 1;
            }
        }
        for ((client, key), (first, count)) in wrong {
            anomalies.add(format_args!(
                "non-monotonic send: of {client} to key {key:?}, {count} times: first, {first}"
            ));
        }
    }

    /// Checks that each message that exists is polled: by the clients that poll beyond it, and
    /// by a final poll.
    ///
    /// A message is a lost write if messages behind it were polled and it never was, or if a
    /// poll had it once and no final poll did. It is unseen if neither it nor a message
    /// behind it was ever polled.
    pub(super) fn check_losses(&self, history: &History, anomalies: &mut Anomalies) {
        let finals = history.done("poll").any(|poll| poll.phase == Phase::Final);
        if !finals {
            anomalies.add("no final poll was answered: the final logs are unknown");
        }
        for (key, log) in &self.keys {
            let highest = log
                .polled
                .iter()
                .filter_map(|msg| log.offset_of.get(msg))
                .max();
            for (msg, &offset) in &log.offset_of {
                let passed = highest.is_some_and(|&highest| offset < highest);
                let (polled, at_the_end) = (
                    log.polled.contains(msg),
                    log.polled_at_the_end.contains(msg),
                );
                if !polled && passed {
                    anomalies.add(format_args!(
                        "lost write: message {msg} at offset {offset} of key {key:?} was never polled, \
                         and messages behind it were"
                    ));
                } else if !polled && finals {
                    anomalies.add(format_args!(
                        "unseen: message {msg} at offset {offset} of key {key:?} was acknowledged, and \
                         no poll ever had it"
                    ));
                } else if !at_the_end && finals {
                    anomalies.add(format_args!(
                        "lost write: message {msg} at offset {offset} of key {key:?} existed, and no \
                         final poll had it"
                    ));
                }
            }
        }
    }
}
