//! The evidence for an anomaly: the operations and messages that show it, by number.
//!
//! A checker says what it found in a sentence. The sentence names clients, nodes, times and
//! numbers, and these are looked up in the record:
//!
//! ```text
//!   "element 7 is lost at n1: …"                  its addition, the last reads with and without it
//!   "{c5 at n1, 1.2s..1.3s: r 9 nil} …"           the operation of c5 that began at 1.2s
//!   "duplicate id 4: n0 gave it to c1 and …"      the operations that got 4
//! ```
//!
//! So a checker need not know how its findings are shown, and a workload of an author's own
//! gets evidence as soon as its sentences name clients and times. Elle, Jepsen's checker of
//! transactions, draws cycles from structures of its own instead, and they cannot be joined
//! with the messages of the run.

use super::record::{MessageFate, Record};
use crate::workload::{Operation, Phase};
use serde_json::Value;
use std::collections::HashMap;

/// How many operations and messages show an anomaly: more are no explanation.
const OPERATIONS_MAX: usize = 12;
const MESSAGES_MAX: usize = 60;

/// How many reads are looked through for an element, from the last on. Reads of a long run are
/// long, and there may be a hundred anomalies.
const READS_MAX: usize = 200;

/// The operations, by index, and messages, by number, that show an anomaly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) operations: Vec<usize>,
    pub(crate) messages: Vec<u64>,
}

/// A record, with its messages in order by client.
pub(crate) struct Evidence<'a> {
    record: &'a Record,
    by_client: HashMap<&'a str, Vec<usize>>,
}

/// What a sentence names.
struct Named<'a> {
    text: &'a str,
    words: Vec<&'a str>,
    /// The number or text behind `value`, `element`, `message` or `id`.
    subject: Option<Value>,
    /// The node behind `at`, `of` or at the beginning.
    node: Option<usize>,
}

impl<'a> Evidence<'a> {
    pub(crate) fn new(record: &'a Record) -> Evidence<'a> {
        let mut by_client: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, message) in record.messages.iter().enumerate() {
            for name in [&*message.src, &*message.dest] {
                if name.starts_with('c') {
                    by_client.entry(name).or_default().push(index);
                }
            }
        }
        Evidence { record, by_client }
    }

    /// The operations and messages that show the anomaly of that sentence.
    pub(crate) fn of(&self, text: &str) -> Shown {
        let named = Named::of(text);
        let mut operations = self.by_time(&named);
        if operations.is_empty() {
            operations = match self.record.workload {
                "broadcast" | "g-set" => self.of_set(&named),
                "g-counter" | "pn-counter" => self.of_counter(&named),
                _ => self.by_subject(&named),
            };
        }
        operations.sort_unstable();
        operations.dedup();
        operations.truncate(OPERATIONS_MAX);
        let mut messages: Vec<usize> = Vec::new();
        for &operation in &operations {
            messages.extend(self.of_operation(operation));
        }
        messages.extend(self.carriers(&named));
        messages.sort_unstable();
        messages.dedup();
        messages.truncate(MESSAGES_MAX);
        let numbers = messages.iter().map(|index| self.record.messages[*index].id);
        Shown {
            messages: numbers.collect(),
            operations,
        }
    }

    fn operations(&self) -> impl DoubleEndedIterator<Item = (usize, &'a Operation)> {
        let operations = self.record.history.operations().iter().enumerate();
        operations.filter(|(_, operation)| operation.phase != Phase::Setup)
    }

    /// The operations whose client and beginning stand in the sentence.
    fn by_time(&self, named: &Named<'_>) -> Vec<usize> {
        let of_client = self
            .operations()
            .filter(|(_, operation)| named.words.contains(&&*operation.client));
        let begins = of_client.filter(|(_, operation)| {
            let begin = format!("{:?}", operation.invoked);
            let before = named.text.match_indices(&begin);
            before.into_iter().any(|(at, _)| {
                let last = named.text[..at].chars().next_back();
                last.is_none_or(|last| !last.is_ascii_digit() && last != '.')
            })
        });
        begins.map(|(index, _)| index).collect()
    }

    /// The writes of an element, the last reads with it and the last without it.
    fn of_set(&self, named: &Named<'_>) -> Vec<usize> {
        let Some(subject) = &named.subject else {
            return self.by_subject(named);
        };
        let mut shown = Vec::new();
        let (mut with, mut without, mut left) = (0, 0, READS_MAX);
        let is_doubled = named.text.contains("twice");
        for (index, operation) in self.operations().rev() {
            if operation.kind() != "read" {
                if has_field(operation, subject) {
                    shown.push(index);
                }
                continue;
            }
            if left == 0 || (with >= 2 && without >= 2 && !is_doubled) {
                continue;
            }
            left -= 1;
            let is_elsewhere = named.node.is_some_and(|node| node != operation.node);
            let Some(list) = operation.replied::<Value>() else {
                continue;
            };
            let list = list.get("messages").or(list.get("value"));
            let items = list.and_then(Value::as_array).into_iter().flatten();
            let count = items.filter(|item| *item == subject).count();
            let is_missed = count == 0 && !is_elsewhere && without < 2;
            let is_seen = count > 0 && with < 2;
            if is_missed || is_seen || (is_doubled && count > 1) {
                shown.push(index);
                with += usize::from(count > 0);
                without += usize::from(count == 0);
            }
        }
        shown
    }

    /// The reads of a value, and the additions of which nothing is known.
    fn of_counter(&self, named: &Named<'_>) -> Vec<usize> {
        let wants_final = named.text.contains("final read");
        let shown = self.operations().filter(|(_, operation)| {
            if operation.kind() != "read" {
                return wants_final && !operation.is_ok() && !operation.is_fail();
            }
            let value = operation
                .replied::<Value>()
                .map(|mut reply| reply["value"].take());
            let is_named = value.is_some_and(|value| named.words.contains(&&*value.to_string()));
            let is_there = named.node.is_none_or(|node| node == operation.node);
            is_there
                && (is_named || wants_final)
                && (!wants_final || operation.phase == Phase::Final)
        });
        shown.map(|(index, _)| index).collect()
    }

    /// The operations that have the subject anywhere in request or reply, at best those of the
    /// clients that are named.
    fn by_subject(&self, named: &Named<'_>) -> Vec<usize> {
        let is_named = |operation: &Operation| named.words.contains(&&*operation.client);
        let has_subject = |operation: &Operation| {
            let subject = named.subject.as_ref();
            subject.is_some_and(|subject| {
                let reply: Option<Value> = operation.replied();
                has_field(operation, subject)
                    || reply.is_some_and(|reply| contains(&reply, subject))
            })
        };
        let all: Vec<(usize, &Operation)> = self.operations().collect();
        let both = all.iter().filter(|(_, it)| is_named(it) && has_subject(it));
        let mut found: Vec<usize> = both.map(|(index, _)| *index).collect();
        if found.is_empty() || self.record.workload == "kafka" {
            let some = all.iter().filter(|(_, it)| has_subject(it));
            found.extend(some.map(|(index, _)| *index));
        }
        if found.is_empty() {
            let at_node = |operation: &Operation| named.node.is_none_or(|it| it == operation.node);
            let some = all.iter().filter(|(_, it)| is_named(it) && at_node(it));
            found = some.map(|(index, _)| *index).collect();
        }
        found
    }

    /// The messages of an operation: those between its client and its node while it lasted.
    fn of_operation(&self, index: usize) -> impl Iterator<Item = usize> {
        let operation = &self.record.history.operations()[index];
        let of_client = self.by_client.get(&*operation.client);
        of_client.into_iter().flatten().copied().filter(|index| {
            let sent = self.record.messages[*index].sent;
            (operation.invoked..=operation.completed).contains(&sent)
        })
    }

    /// The messages among servers that carry the element that is lost; those that never arrived
    /// come first.
    fn carriers(&self, named: &Named<'_>) -> Vec<usize> {
        let Some(Value::Number(subject)) = &named.subject else {
            return Vec::new();
        };
        if !matches!(self.record.workload, "broadcast" | "g-set") {
            return Vec::new();
        }
        let digits = subject.to_string();
        let messages = self.record.messages.iter().enumerate();
        let carry = messages.filter(|(_, message)| {
            !message.src.starts_with('c')
                && !message.dest.starts_with('c')
                && has_number(&message.body, &digits)
        });
        let mut carry: Vec<(bool, usize)> = carry
            .map(|(index, message)| (message.fate == MessageFate::Delivered, index))
            .collect();
        carry.sort_unstable();
        let carry = carry.into_iter().take(MESSAGES_MAX / 2);
        carry.map(|(_, index)| index).collect()
    }
}

/// Whether a field of the request is the subject.
fn has_field(operation: &Operation, subject: &Value) -> bool {
    let fields: Option<Value> = operation.asked();
    fields.is_some_and(|fields| contains(&fields, subject))
}

/// Whether the value is, or has somewhere inside it, the subject.
fn contains(value: &Value, subject: &Value) -> bool {
    match value {
        _ if value == subject => true,
        Value::Array(items) => items.iter().any(|item| contains(item, subject)),
        Value::Object(fields) => {
            let own = |name: &str| !matches!(name, "msg_id" | "in_reply_to" | "type");
            let mut fields = fields.iter().filter(|(name, _)| own(name));
            fields.any(|(_, item)| contains(item, subject))
        }
        _ => false,
    }
}

/// Whether a text of JSON has that number as an item of an array or a field, apart from those
/// of its header.
fn has_number(body: &str, digits: &str) -> bool {
    body.match_indices(digits).any(|(at, _)| {
        let (before, behind) = (&body[..at], &body[at + digits.len()..]);
        let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let is_whole = !before.ends_with(is_part) && !behind.starts_with(is_part);
        let header = ["\"msg_id\":", "\"in_reply_to\":"];
        is_whole && !header.iter().any(|name| before.trim_end().ends_with(name))
    })
}

impl Named<'_> {
    fn of(text: &str) -> Named<'_> {
        let cut = |c: char| !(c.is_alphanumeric() || "-_\"".contains(c));
        let words: Vec<&str> = text.split(cut).filter(|word| !word.is_empty()).collect();
        let behind = |names: &[&str]| {
            let place = words.iter().position(|word| names.contains(word))?;
            words.get(place + 1).copied()
        };
        let subject = behind(&["value", "element", "message", "id"])
            .or_else(|| behind(&["sent", "twice"]))
            .and_then(|_| subject(text));
        let node = words.iter().find_map(|word| node(word));
        Named {
            text,
            words,
            subject,
            node,
        }
    }
}

/// The index of a node called n0, n1, ….
fn node(word: &str) -> Option<usize> {
    word.strip_prefix('n')?.parse().ok()
}

/// The JSON value behind the word that announces the subject.
fn subject(text: &str) -> Option<Value> {
    let announced = ["value ", "element ", "message ", "id ", " sent ", "twice: "];
    announced.iter().find_map(|word| {
        let (at, _) = text.match_indices(word).find(|(at, _)| {
            let behind = &text[at + word.len()..];
            behind.starts_with(|c: char| c.is_ascii_digit() || "-\"{[".contains(c))
        })?;
        let behind = &text[at + word.len()..];
        let mut values = serde_json::Deserializer::from_str(behind).into_iter::<Value>();
        if let Some(Ok(value)) = values.next() {
            return Some(value);
        }
        let end = behind.find(|c: char| !c.is_ascii_digit() && c != '-')?;
        serde_json::from_str(&behind[..end]).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::{Named, has_number};
    use serde_json::json;

    #[test]
    fn the_subject_and_the_node_of_a_sentence_are_found() {
        let cases = [
            ("element 7 is lost at n1: it was known", json!(7), Some(1)),
            (
                "duplicate id \"a-1\": n0 gave it to c1 and n2 to c3",
                json!("a-1"),
                Some(0),
            ),
            ("a read of n2 by c5 has a value twice: 9", json!(9), Some(2)),
            (
                "c1 sent \"Please\" to n0, and \"x\" came back",
                json!("Please"),
                Some(0),
            ),
            (
                "lost write: message 12 at offset 3 of key \"k\" existed",
                json!(12),
                None,
            ),
        ];
        for (text, subject, node) in cases {
            let named = Named::of(text);
            assert_eq!((named.subject, named.node), (Some(subject), node), "{text}");
        }
    }

    #[test]
    fn a_number_of_the_header_is_none_of_the_content() {
        assert!(has_number(r#"{"messages":[1,17,3]}"#, "17"));
        assert!(!has_number(r#"{"messages":[117,171],"n":1.17}"#, "17"));
        assert!(!has_number(r#"{"msg_id":17,"in_reply_to":17}"#, "17"));
    }
}
