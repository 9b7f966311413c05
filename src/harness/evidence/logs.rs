//! Evidence about kafka's logs: the sends, polls and commits of a key that an anomaly is about,
//! with their offsets.

use super::lookup::{Lookup, Step, clock};
use super::named::Named;
use crate::workload::{Operation, Phase};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many polls that have an offset, and how many that passed over it, are told: the first
/// ones.
const TOLD_MAX: usize = 4;

/// How many messages of a poll are told.
const PAIRS_MAX: usize = 16;

/// The key, offsets, messages and client that a sentence names.
struct Subject<'a> {
    key: String,
    offsets: Vec<u64>,
    message: Option<u64>,
    client: Option<&'a str>,
}

#[derive(Deserialize)]
struct Polled {
    msgs: BTreeMap<String, Vec<(u64, u64)>>,
}

pub(super) fn explain(lookup: &Lookup<'_>, named: &Named<'_>) -> Vec<Step> {
    let Some(subject) = Subject::of(named) else {
        return Vec::new();
    };
    let (mut seen, mut passed) = (0, 0);
    let key = Value::from(&*subject.key).to_string();
    // Most operations are about other keys, and are not parsed.
    let of_key = lookup.operations();
    let of_key = of_key.filter(|(_, it)| it.request.fields.get().contains(&key));
    let steps = of_key.filter_map(|(index, operation)| {
        let text = match operation.kind() {
            "send" => subject.send(lookup, operation),
            "poll" => subject.poll(lookup, operation, named.text, [&mut seen, &mut passed]),
            "commit_offsets" if named.text.contains("commit") => {
                let fields: Value = operation.asked()?;
                fields["offsets"].get(&subject.key)?;
                return Some(lookup.told(index));
            }
            "list_committed_offsets" if named.text.contains("commit") => {
                let reply: Value = operation.replied()?;
                let offset = reply["offsets"].get(&subject.key)?.as_u64()?;
                return subject
                    .offsets
                    .contains(&offset)
                    .then(|| lookup.told(index));
            }
            _ => None,
        };
        Some(lookup.step(index, &text?))
    });
    steps.collect()
}

impl Subject<'_> {
    fn of<'a>(named: &Named<'a>) -> Option<Subject<'a>> {
        let text = named.text;
        let keys = text.split_once("key ")?.1;
        let mut keys = serde_json::Deserializer::from_str(keys).into_iter::<String>();
        let key = keys.next()?.ok()?;
        let words = &named.words;
        let behind = |names: &[&str]| -> Vec<u64> {
            let pairs = words.windows(2).filter(|pair| names.contains(&pair[0]));
            pairs.filter_map(|pair| pair[1].parse().ok()).collect()
        };
        let is_sent = text.starts_with("duplicate") || text.starts_with("non-monotonic send");
        let names: &[&str] = if is_sent {
            &["offset", "at"]
        } else {
            &["offset", "over"]
        };
        Some(Subject {
            key,
            offsets: behind(names),
            message: behind(&["message"]).first().copied(),
            client: words.iter().copied().find(|word| is_client(word)),
        })
    }

    /// A send of the message, or one that got one of the offsets.
    fn send(&self, lookup: &Lookup<'_>, send: &Operation) -> Option<String> {
        let asked: Value = send.asked()?;
        if asked["key"] != self.key.as_str() {
            return None;
        }
        let reply: Option<Value> = send.replied().filter(|_| send.is_ok());
        let offset = reply.and_then(|reply| reply["offset"].as_u64());
        let is_message = self.message.is_some_and(|message| asked["msg"] == message);
        let has_offset = offset.is_some_and(|offset| self.offsets.contains(&offset));
        if !is_message && !has_offset {
            return None;
        }
        let (client, at) = (&send.client, clock(send.invoked));
        let (node, message, key) = (lookup.record.node_name(send.node), &asked["msg"], &self.key);
        let answer = match offset {
            Some(offset) => format!("{node} put it at offset {offset}"),
            None => "no offset came back".to_owned(),
        };
        Some(format!(
            "{client} sent message {message} to key {key:?} at {at}, and {answer}"
        ))
    }

    /// A poll that has the message or one of the offsets, or that passed over it.
    fn poll(
        &self,
        lookup: &Lookup<'_>,
        poll: &Operation,
        text: &str,
        [told_seen, told_passed]: [&mut usize; 2],
    ) -> Option<String> {
        let polled: Polled = poll.replied().filter(|_| poll.is_ok())?;
        let pairs = polled.msgs.get(&self.key)?;
        let wanted = *self.offsets.last()?;
        let is_skip = text.starts_with("skipped");
        let has = |(offset, message): &(u64, u64)| match self.message {
            Some(wanted) => wanted == *message,
            // Of the two offsets of a skip, the first one was given.
            None if is_skip => wanted == *offset,
            None => self.offsets.contains(offset),
        };
        let asked: Value = poll.asked()?;
        let begin = asked["offsets"].get(&self.key).and_then(Value::as_u64);
        let seen = pairs.iter().any(has);
        let goes_beyond = pairs.last().is_some_and(|(offset, _)| *offset >= wanted);
        let passes = !seen && goes_beyond && begin.is_none_or(|begin| begin <= wanted);
        let is_named = self.client.is_none_or(|client| client == &*poll.client);
        let is_of_client = is_skip || text.starts_with("non-monotonic poll");
        let is_last = poll.phase == Phase::Final && text.contains("final poll");
        let is_told = if is_of_client {
            is_named && (seen || passes)
        } else {
            seen || passes || is_last
        };
        let told = if seen { told_seen } else { told_passed };
        if !is_told || *told >= TOLD_MAX {
            return None;
        }
        *told += 1;
        let (client, node, at) = (
            &poll.client,
            lookup.record.node_name(poll.node),
            clock(poll.invoked),
        );
        let from = begin.map_or(String::new(), |begin| format!(" from offset {begin} on"));
        let shown = pairs.iter().take(PAIRS_MAX);
        let got = shown.map(|(offset, message)| format!("{message} at {offset}"));
        let got = match (pairs.len(), got.collect::<Vec<String>>().join(", ")) {
            (0, _) => "nothing".to_owned(),
            (count, got) if count > PAIRS_MAX => format!("{got} and {} more", count - PAIRS_MAX),
            (_, got) => got,
        };
        let missing = match (passes, self.message) {
            (false, _) => String::new(),
            (true, None) => format!(": offset {wanted} is missing"),
            (true, Some(message)) => format!(": message {message} at {wanted} is missing"),
        };
        let key = &self.key;
        Some(format!(
            "{client} polled key {key:?} of {node}{from} at {at} and got {got}{missing}"
        ))
    }
}

fn is_client(word: &str) -> bool {
    word.strip_prefix('c')
        .is_some_and(|rest| rest.parse::<u64>().is_ok())
}
