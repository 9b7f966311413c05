//! The evidence for an anomaly: the operations and messages that show it, by number and in words.
//!
//! A checker says what it found in a sentence. The sentence names clients, nodes, times and
//! numbers, and these are looked up in the record:
//!
//! ```text
//!   "element 7 is lost at n1: …"                  its addition, the messages that carried it,
//!                                                 the last reads with and without it
//!   "{c5 at n1, 1.2s..1.3s: r 9 nil} was …"       the operation of c5 that began at 1.2s,
//!                                                 and the edges of the cycle
//!   "the final read of n1 is 7, …"                the read, the sum, the uncertain additions
//!   "lost write: message 4 at offset 3 of …"      the sends and polls of that key
//!   "duplicate id 4: n0 gave it to c1 and …"      the operations that got 4
//! ```
//!
//! So a checker need not know how its findings are shown, and a workload of an author's own
//! gets evidence as soon as its sentences name clients and times. Elle, Jepsen's checker of
//! transactions, draws cycles from structures of its own instead, and they cannot be joined
//! with the messages of the run.

mod counters;
mod logs;
mod lookup;
mod named;
mod sets;
mod txns;

use super::record::Record;
use crate::workload::{Operation, Outcome};
use lookup::{Lookup, Step};
use named::{Named, contains, has_field};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many operations and messages show an anomaly: more are no explanation.
const OPERATIONS_MAX: usize = 12;
const MESSAGES_MAX: usize = 60;

/// How many steps show an anomaly. A lost element has the most: six messages, six crashes, ten
/// final reads, and the sentences about them.
const STEPS_MAX: usize = 30;

/// How many bytes of answers and messages are looked through for evidence: 1 GiB, some seconds.
/// Each anomaly can cost a look at all of them. The anomalies behind the bound are shown without
/// evidence; the first one always has it.
const BYTES_MAX: usize = 1 << 30;

/// An anomaly as a person reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The checker's sentence.
    pub(crate) text: String,
    /// The same, with numbers in place of whole operations.
    pub(crate) headline: String,
    /// The evidence, in the order in which it is read.
    pub(crate) steps: Vec<Step>,
    /// The operations of all steps, by index, and the messages, by number.
    pub(crate) operations: Vec<usize>,
    pub(crate) messages: Vec<u64>,
}

/// A record, in which anomalies are looked up.
pub(crate) struct Evidence<'a> {
    lookup: Lookup<'a>,
}

impl Shown {
    /// In the form of `results.json`.
    pub(crate) fn to_json(&self) -> Value {
        let steps = self.steps.iter().map(|step| {
            json!({ "text": step.text, "operations": step.operations, "messages": step.messages })
        });
        json!({
            "text": self.text,
            "headline": self.headline,
            "steps": steps.collect::<Vec<Value>>(),
            "operations": self.operations,
            "messages": self.messages,
        })
    }
}

impl<'a> Evidence<'a> {
    fn new(record: &'a Record) -> Evidence<'a> {
        Evidence {
            lookup: Lookup::new(record),
        }
    }

    /// The evidence for each anomaly that was kept.
    pub(crate) fn all(record: &Record) -> Vec<Shown> {
        Evidence::all_within(record, BYTES_MAX)
    }

    fn all_within(record: &Record, bytes_max: usize) -> Vec<Shown> {
        let evidence = Evidence::new(record);
        let answers = record
            .history
            .operations()
            .iter()
            .map(|it| match &it.outcome {
                Outcome::Ok(body) => body.len(),
                Outcome::Fail(_) | Outcome::Info(_) => 0,
            });
        let messages = record.messages.iter().map(|it| it.body.len());
        let bytes: usize = answers.chain(messages).sum();
        let looked_up = (bytes_max / bytes.max(1)).max(1);
        let found = record.anomalies.found().iter().enumerate();
        let shown = found.map(|(place, text)| match place < looked_up {
            true => evidence.of(text),
            false => Shown {
                text: text.clone(),
                headline: text.clone(),
                ..Shown::default()
            },
        });
        shown.collect()
    }

    /// The evidence for the anomaly of that sentence.
    fn of(&self, text: &str) -> Shown {
        let named = Named::of(text);
        let mut headline = text.to_owned();
        let mut steps = match self.lookup.record.workload {
            "broadcast" | "g-set" => match &named.subject {
                Some(subject) => sets::explain(&self.lookup, &named, subject),
                None => Vec::new(),
            },
            "g-counter" | "pn-counter" => {
                if let Some((short, _)) = text.split_once(" (with 0 additions") {
                    headline = short.to_owned();
                }
                counters::explain(&self.lookup, &named)
            }
            "kafka" => logs::explain(&self.lookup, &named),
            "lin-kv" => self.of_register(&named, &mut headline),
            "txn-list-append" | "txn-rw-register" => match txns::explain(&self.lookup, text) {
                Some((short, steps)) => {
                    headline = short;
                    steps
                }
                None => Vec::new(),
            },
            _ => Vec::new(),
        };
        if steps.is_empty() {
            let mut operations = self.by_time(&named);
            if operations.is_empty() {
                operations = self.by_subject(&named);
            }
            operations.truncate(OPERATIONS_MAX);
            let told = operations.into_iter().map(|it| self.lookup.told(it));
            steps = told.collect();
        }
        steps.truncate(STEPS_MAX);
        let operations: BTreeSet<usize> = steps
            .iter()
            .flat_map(|it| &it.operations)
            .copied()
            .collect();
        let messages: BTreeSet<u64> = steps.iter().flat_map(|it| &it.messages).copied().collect();
        Shown {
            text: text.to_owned(),
            headline,
            operations: operations.into_iter().take(OPERATIONS_MAX).collect(),
            messages: messages.into_iter().take(MESSAGES_MAX).collect(),
            steps,
        }
    }

    /// The operations on a key of which the last fits in no order, from the first on.
    fn of_register(&self, named: &Named<'_>, headline: &mut String) -> Vec<Step> {
        let found = self.by_time(named);
        let Some((key, _)) = named.text.split_once(" is not linearizable: ") else {
            return Vec::new();
        };
        let lookup = &self.lookup;
        // The sentence names the operation that does not fit first.
        let culprit = named
            .text
            .split_once(" fits in no order")
            .and_then(|(text, _)| {
                let culprit = Named::of(text);
                found
                    .iter()
                    .copied()
                    .find(|it| culprit.has_time_of(lookup.operation(*it)))
            });
        let Some(culprit) = culprit else {
            return Vec::new();
        };
        let asked = lookup.asked(lookup.operation(culprit));
        let node = lookup.record.node_name(lookup.operation(culprit).node);
        *headline = format!(
            "{key} is not linearizable: operation {culprit}, to {asked} at {node}, fits in no \
             order of the operations before it"
        );
        let before = found.into_iter().filter(|it| *it != culprit);
        let mut steps: Vec<Step> = before.map(|it| lookup.told(it)).collect();
        let mut last = lookup.told(culprit);
        last.text
            .push_str(" It fits in no order of the operations above.");
        steps.push(last);
        steps
    }

    /// The operations whose client and beginning stand in the sentence.
    fn by_time(&self, named: &Named<'_>) -> Vec<usize> {
        let named = self
            .lookup
            .operations()
            .filter(|(_, it)| named.has_time_of(it));
        named.map(|(index, _)| index).collect()
    }

    /// The operations that have the subject anywhere in request or reply, at best those of the
    /// clients that are named.
    fn by_subject(&self, named: &Named<'_>) -> Vec<usize> {
        let is_named = |operation: &Operation| named.words.contains(&&*operation.client);
        let has_subject = |operation: &Operation| {
            let subject = named.subject.as_ref();
            subject.is_some_and(|subject| {
                let (number, reply) = (subject.to_string(), &operation.outcome);
                let is_in = |text: &str| !subject.is_number() || text.contains(&number);
                let is_answered = matches!(reply, Outcome::Ok(body) if is_in(body));
                if !is_answered && !is_in(operation.request.fields.get()) {
                    return false;
                }
                let reply: Option<Value> = operation.replied();
                has_field(operation, subject)
                    || reply.is_some_and(|reply| contains(&reply, subject))
            })
        };
        let all: Vec<(usize, &Operation)> = self.lookup.operations().collect();
        let node = named.node(|name| self.lookup.node(name));
        let at_node = |operation: &Operation| node.is_none_or(|it| it == operation.node);
        let choices: [&dyn Fn(&Operation) -> bool; 4] = [
            &|it| is_named(it) && has_subject(it) && (at_node(it) || self.is_of_ids()),
            &|it| is_named(it) && has_subject(it),
            &has_subject,
            &|it| is_named(it) && at_node(it),
        ];
        let found = choices.iter().map(|choice| {
            let found = all.iter().filter(|(_, operation)| choice(operation));
            found.map(|(index, _)| *index).collect::<Vec<usize>>()
        });
        found
            .into_iter()
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    /// An id that was given out twice has two nodes.
    fn is_of_ids(&self) -> bool {
        self.lookup.record.workload == "unique-ids"
    }
}
