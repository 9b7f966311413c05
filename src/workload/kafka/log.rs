//! The logs as the clients have seen them, and their anomalies.

use crate::workload::anomalies::Anomalies;
use crate::workload::history::{History, Operation, Phase};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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

/// How many polls of a key at a node have to be due, and how far apart the first and the last
/// of them, before "none returned anything" is an anomaly. The span is Maelstrom's timeout
/// of clients: a node may lag behind, but not longer than any client would wait for it.
const DUE_MIN: usize = 20;
const DUE_SPAN: Duration = Duration::from_secs(5);

/// The polls of a key at a node, during the load.
#[derive(Default)]
struct Service {
    /// The highest offset that the node has acknowledged.
    acknowledged: Option<u64>,
    /// How many polls asked for such an offset, and when the first and the last did.
    due: usize,
    first_due: Option<Duration>,
    last_due: Duration,
    has_returned: bool,
}

impl Service {
    fn poll(&mut self, poll: &Operation, position: Option<u64>, returned: bool) {
        if poll.phase == Phase::Final {
            return;
        }
        self.has_returned |= returned;
        if position.is_some() && position <= self.acknowledged {
            self.due += 1;
            self.first_due.get_or_insert(poll.invoked);
            self.last_due = poll.invoked;
        }
    }

    fn is_none(&self) -> bool {
        let span = self
            .last_due
            .saturating_sub(self.first_due.unwrap_or_default());
        !self.has_returned && self.due >= DUE_MIN && span >= DUE_SPAN
    }
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
        let mut sent: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for operation in history.of_kind("send") {
            let Some(Send { key, msg }) = operation.asked() else {
                continue;
            };
            if let Some(SendOk { offset }) = operation.replied() {
                logs.place(&key, offset, msg, operation, anomalies);
            }
            if !operation.is_fail() {
                sent.entry(key).or_default().insert(msg);
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
                let sent = sent.get(&key);
                let is_strange = |msg| !sent.is_some_and(|sent| sent.contains(msg));
                let mut strange = pairs.iter().filter(|(_, msg)| is_strange(msg));
                if let Some((_, msg)) = strange.next() {
                    let more = match strange.count() {
                        0 => String::new(),
                        more => format!(", with {more} more in that poll"),
                    };
                    anomalies.add(format_args!(
                        "n{} has message {msg} in key {key:?}, which was never sent there{more}",
                        operation.node
                    ));
                }
                for (offset, msg) in pairs {
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
                // The first of each kind stands for all of the poll.
                let (mut goes_back, mut passes_over) = (false, false);
                for (offset, _) in pairs {
                    if offset < expected && !goes_back {
                        goes_back = true;
                        anomalies.add(format_args!(
                            "non-monotonic poll: n{node} gave {client} offset {offset} of key {key:?}, \
                             which needs none before {expected}"
                        ));
                    } else if offset > expected
                        && !passes_over
                        && let Some(skipped) = self.first_between(&key, expected, offset)
                    {
                        passes_over = true;
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

    /// Checks that nodes serve polls during the load, not only at its end.
    ///
    /// No single poll has to return anything: Maelstrom allows a node to lag behind. But a
    /// node that has acknowledged a message of a key knows that it exists. It is an anomaly
    /// if for [`DUE_SPAN`] all its polls of the key, [`DUE_MIN`] or more, ask for such
    /// messages and none returns any.
    pub(super) fn check_progress(history: &History, anomalies: &mut Anomalies) {
        let mut sends: Vec<&Operation> = history.done("send").collect();
        sends.sort_by_key(|send| send.completed);
        let mut sends = sends.into_iter().peekable();
        let mut served: BTreeMap<(usize, String), Service> = BTreeMap::new();
        for poll in history.done("poll") {
            while let Some(send) = sends.next_if(|send| send.completed <= poll.invoked) {
                if let (Some(Send { key, .. }), Some(SendOk { offset })) =
                    (send.asked(), send.replied())
                {
                    let service = served.entry((send.node, key)).or_default();
                    service.acknowledged = service.acknowledged.max(Some(offset));
                }
            }
            let (Some(Positions { offsets }), Some(PollOk { msgs })) =
                (poll.asked(), poll.replied())
            else {
                continue;
            };
            for (key, position) in offsets {
                let returned = msgs.get(&key).is_some_and(|pairs| !pairs.is_empty());
                if let Some(service) = served.get_mut(&(poll.node, key)) {
                    service.poll(poll, position, returned);
                }
            }
        }
        for ((node, key), service) in served {
            if service.is_none() {
                let due = service.due;
                anomalies.add(format_args!(
                    "no progress: none of {due} polls of key {key:?} at n{node} during the load \
                     returned a message, and n{node} itself had acknowledged messages that they \
                     asked for"
                ));
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
