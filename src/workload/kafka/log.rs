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

#[derive(Debug, Default, Deserialize)]
pub(super) struct Keys {
    pub(super) keys: Vec<String>,
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
    /// The message at each offset.
    messages: BTreeMap<u64, u64>,
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
        logs
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
        let other = *log.messages.entry(offset).or_insert(msg);
        if other != msg {
            anomalies.add(format_args!(
                "inconsistent offset {offset} of key {key:?}: message {msg} is there according \
                 to n{node}, and message {other} according to another reply"
            ));
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
            let (Some(Offsets { offsets }), Some(PollOk { msgs })) = (poll.asked(), poll.replied())
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
                let mut expected = asked;
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
                    expected = expected.max(offset + 1);
                }
            }
        }
    }

    fn first_between(&self, key: &str, begin: u64, end: u64) -> Option<u64> {
        let log = self.keys.get(key)?;
        let mut between = log.messages.range(begin..end);
        between.next().map(|(offset, _)| *offset)
    }

    /// Checks that a client's sends to a key get ever higher offsets.
    pub(super) fn check_sends(&self, history: &History, anomalies: &mut Anomalies) {
        let mut last: BTreeMap<(&str, String), u64> = BTreeMap::new();
        for send in history.done("send") {
            let (Some(Send { key, msg }), Some(SendOk { offset })) = (send.asked(), send.replied())
            else {
                continue;
            };
            let before = last.insert((&*send.client, key.clone()), offset);
            if before.is_some_and(|before| before >= offset) {
                let (client, node) = (&send.client, send.node);
                anomalies.add(format_args!(
                    "non-monotonic send: n{node} put message {msg} of {client} at offset {offset} of \
                     key {key:?}, not behind its last one at {before:?}"
                ));
            }
        }
    }

    /// Checks that each message that exists is polled by the clients that poll beyond it, and
    /// by a final poll.
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
            for (&offset, msg) in &log.messages {
                let passed = highest.is_some_and(|&highest| offset < highest);
                if passed && !log.polled.contains(msg) {
                    anomalies.add(format_args!(
                        "lost write: message {msg} at offset {offset} of key {key:?} was never polled, \
                         and messages behind it were"
                    ));
                } else if finals && !log.polled_at_the_end.contains(msg) {
                    anomalies.add(format_args!(
                        "lost write: message {msg} at offset {offset} of key {key:?} existed, and no \
                         final poll had it"
                    ));
                }
            }
        }
    }
}
