//! The record of a run, looked up by operation and message, and its operations in words.

use crate::harness::record::{Message, MessageFate, Record};
use crate::harness::words;
use crate::workload::{Operation, Outcome, Phase};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

/// How many characters of an answer a sentence has: a read of a long run has thousands.
const WORDS_MAX: usize = 160;

/// A sentence of the evidence, with the operations, by index, and the messages, by number, that
/// it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) text: String,
    pub(crate) operations: Vec<usize>,
    pub(crate) messages: Vec<u64>,
}

/// A record, with its messages in order by client.
pub(super) struct Lookup<'a> {
    pub(super) record: &'a Record,
    by_client: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(record: &'a Record) -> Lookup<'a> {
        let mut by_client: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, message) in record.messages.iter().enumerate() {
            for name in [&*message.src, &*message.dest] {
                if name.starts_with('c') {
                    by_client.entry(name).or_default().push(index);
                }
            }
        }
        Lookup { record, by_client }
    }

    /// The operations of clients with their indices, without those of the setup.
    pub(super) fn operations(&self) -> impl DoubleEndedIterator<Item = (usize, &'a Operation)> {
        let operations = self.record.history.operations().iter().enumerate();
        operations.filter(|(_, operation)| operation.phase != Phase::Setup)
    }

    pub(super) fn operation(&self, index: usize) -> &'a Operation {
        &self.record.history.operations()[index]
    }

    /// The numbers of an operation's messages: those between its client and its node while it
    /// lasted. The request comes first.
    pub(super) fn messages_of(&self, index: usize) -> Vec<u64> {
        let operation = self.operation(index);
        let of_client = self.by_client.get(&*operation.client);
        let of_client = of_client.into_iter().flatten();
        let messages = of_client.map(|index| &self.record.messages[*index]);
        let during = messages
            .filter(|message| (operation.invoked..=operation.completed).contains(&message.sent));
        during.map(|message| message.id).collect()
    }

    /// The index of the node of that name.
    pub(super) fn node(&self, name: &str) -> Option<usize> {
        self.record.nodes.iter().position(|node| node == name)
    }

    /// The messages that are neither from nor to a client.
    pub(super) fn among_servers(&self) -> impl Iterator<Item = &'a Message> {
        let messages = self.record.messages.iter();
        messages.filter(|it| !it.src.starts_with('c') && !it.dest.starts_with('c'))
    }

    /// A step about one operation. The text gets its number in front, and those of its
    /// messages behind.
    pub(super) fn step(&self, index: usize, text: &str) -> Step {
        let messages = self.messages_of(index);
        let numbers = numbers(&messages);
        Step {
            text: format!("Operation {index}: {text}{numbers}."),
            operations: vec![index],
            messages,
        }
    }

    /// A step about one message among servers.
    pub(super) fn way(&self, message: &Message, text: &str) -> Step {
        let Message { id, src, dest, .. } = message;
        let at = clock(message.sent);
        let end = match message.fate {
            MessageFate::Delivered => "arrived".to_owned(),
            MessageFate::Lost | MessageFate::Cut => format!("was {}", message.fate),
            MessageFate::ToTheDead => format!("did not arrive: {}", message.fate),
            MessageFate::OnItsWay => format!("was {}", message.fate),
        };
        Step {
            text: format!("Message {id} from {src} to {dest} at {at} {text}. It {end}."),
            operations: Vec::new(),
            messages: vec![*id],
        }
    }

    /// An operation in words: its request, its time and its outcome.
    pub(super) fn told(&self, index: usize) -> Step {
        let operation = self.operation(index);
        let Operation { client, .. } = operation;
        let node = self.record.node_name(operation.node);
        let (at, asked) = (clock(operation.invoked), self.asked(operation));
        let answer = match &operation.outcome {
            Outcome::Ok(_) => format!("{node} answered {}", self.answered(operation)),
            Outcome::Fail(error) | Outcome::Info(error) if error.text.is_empty() => {
                format!("{node} answered with error {}", error.code.number())
            }
            Outcome::Fail(error) => {
                format!(
                    "it failed with error {}: {}",
                    error.code.number(),
                    error.text
                )
            }
            Outcome::Info(error) => format!("its outcome is unknown: {}", error.text),
        };
        self.step(
            index,
            &format!("{client} asked {node} at {at} to {asked}, and {answer}"),
        )
    }

    /// The request of an operation, behind "to".
    pub(super) fn asked(&self, operation: &Operation) -> String {
        let fields: Value = operation.asked().unwrap_or_default();
        let text = match (self.record.workload, operation.kind()) {
            ("lin-kv", "read") => format!("read key {}", fields["key"]),
            ("lin-kv", "write") => format!("write {} to key {}", fields["value"], fields["key"]),
            ("lin-kv", "cas") => {
                let [key, from, to] = ["key", "from", "to"].map(|name| &fields[name]);
                format!("change key {key} from {from} to {to}")
            }
            ("kafka", "send") => format!("send {} to key {}", fields["msg"], fields["key"]),
            ("unique-ids", _) => "generate an id".to_owned(),
            (_, "txn") => format!("do {}", micros(&fields)),
            ("echo" | "broadcast" | "g-set" | "g-counter" | "pn-counter", kind) => {
                let values = fields.as_object().into_iter().flatten();
                let values = values.map(|(_, value)| format!(" {value}"));
                format!("{kind}{}", values.collect::<String>())
            }
            (_, kind) => format!("{kind} {fields}"),
        };
        cut(&text)
    }

    /// The answer of an operation that was done.
    pub(super) fn answered(&self, operation: &Operation) -> String {
        let fields: Value = operation.asked().unwrap_or_default();
        let reply: Value = operation.replied().unwrap_or_default();
        let text = match (self.record.workload, operation.kind()) {
            ("lin-kv", "read") => reply["value"].to_string(),
            ("kafka", "send") => format!("with offset {}", reply["offset"]),
            ("echo", _) => reply["echo"].to_string(),
            (_, "txn") => micros(&reply),
            (_, "write" | "cas" | "add" | "broadcast") => "that it was done".to_owned(),
            (workload, kind) => words::answered(workload, kind, &fields, &reply).to_string(),
        };
        cut(&text)
    }
}

/// The operations of a transaction, as a person writes them.
fn micros(body: &Value) -> String {
    let Some(micros) = body["txn"].as_array() else {
        return body.to_string();
    };
    let words = micros.iter().map(|micro| {
        let parts = micro.as_array().into_iter().flatten();
        let parts = parts.map(|part| part.as_str().map_or(part.to_string(), str::to_owned));
        parts.collect::<Vec<String>>().join(" ")
    });
    words.collect::<Vec<String>>().join(", ")
}

/// The numbers of messages in parentheses, with a space before them.
pub(super) fn numbers(messages: &[u64]) -> String {
    match messages {
        [] => String::new(),
        [one] => format!(" (message {one})"),
        several => {
            let several: Vec<String> = several.iter().map(u64::to_string).collect();
            format!(" (messages {})", several.join(", "))
        }
    }
}

/// A time as the page shows it.
pub(super) fn clock(at: Duration) -> String {
    format!("{:.4} s", at.as_secs_f64())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
