//! Evidence about sets: how an element came in, which messages carried it on, which reads have
//! it and which do not.

use super::lookup::{Lookup, Step, clock};
use super::named::{Named, has_field};
use crate::harness::record::{Message, MessageFate};
use crate::workload::faults::FaultKind;
use crate::workload::{Operation, Phase};
use serde_json::Value;

/// How many reads are looked through for an element, from the last on. Reads of a long run are
/// long, and there may be a hundred anomalies.
const READS_MAX: usize = 200;

/// How many final reads with a lost element, and how many without it, are told one by one. With
/// the write they are no more than the operations that show an anomaly.
const FINALS_MAX: usize = 5;

/// How many other reads of each kind are told.
const OTHERS_MAX: usize = 2;

/// How many messages among servers are told one by one.
const TOLD_MAX: usize = 6;

pub(super) fn explain(lookup: &Lookup<'_>, named: &Named<'_>, subject: &Value) -> Vec<Step> {
    let writes = lookup.operations().filter(|(_, it)| it.kind() != "read");
    // The text is looked at first, because it is much faster than parsing.
    let digits = subject.to_string();
    let writes = writes
        .filter(|(_, it)| it.request.fields.get().contains(&digits) && has_field(it, subject));
    let mut steps: Vec<Step> = writes.map(|(index, _)| lookup.told(index)).collect();
    if steps.is_empty() {
        steps.push(Step {
            text: format!("No client ever asked for {subject}."),
            ..Step::default()
        });
    }
    let (reads, more) = reads(lookup, named, subject);
    if named.text.contains("lost") {
        steps.extend(carriers(lookup, subject));
        steps.extend(crashes(lookup, &steps, &reads));
    }
    steps.extend(reads);
    steps.extend(more);
    steps
}

/// The last reads with the element and the last ones without it, in order. Of a lost element all
/// final reads are told, and a last step counts those that are too many.
fn reads(lookup: &Lookup<'_>, named: &Named<'_>, subject: &Value) -> (Vec<Step>, Option<Step>) {
    let mut found = Vec::new();
    let (mut with, mut without) = (0, 0);
    let is_lost = named.text.contains("lost");
    let is_doubled = named.text.contains("twice");
    let wanted = named.nodes(|name| lookup.node(name));
    let reads = lookup
        .operations()
        .rev()
        .filter(|(_, it)| it.kind() == "read" && it.is_ok());
    for (index, read) in reads.take(READS_MAX) {
        let is_final = is_lost && read.phase == Phase::Final;
        let max = if is_final { FINALS_MAX } else { OTHERS_MAX };
        if !is_final && with >= max && (without >= max || is_doubled) {
            break;
        }
        let is_elsewhere = !wanted.is_empty() && !wanted.contains(&read.node);
        let Some(count) = count(read, subject) else {
            continue;
        };
        let is_missed = count == 0 && !is_elsewhere && without < max && !is_doubled;
        let is_seen = count > 0 && with < max && !is_doubled;
        let is_wrong = is_doubled && count > 1 && !is_elsewhere && with < max;
        if is_missed || is_seen || is_wrong {
            found.push((index, read, count));
            with += usize::from(count > 0);
            without += usize::from(count == 0);
        }
    }
    let is_final = |read: &Operation| is_lost && read.phase == Phase::Final;
    let told = found.iter().filter(|(_, read, _)| is_final(read)).count();
    let finals = lookup.operations().map(|(_, it)| it);
    let finals = finals.filter(|it| it.kind() == "read" && it.is_ok() && is_final(it));
    let left_out = finals.count().saturating_sub(told);
    let more = (left_out > 0).then(|| Step {
        text: format!("And {left_out} more final reads, with it or without it."),
        ..Step::default()
    });
    let steps = found.into_iter().rev().map(|(index, read, count)| {
        let (node, at) = (lookup.record.node_name(read.node), clock(read.invoked));
        let which = match read.phase {
            Phase::Final => "the final read",
            Phase::Load | Phase::Setup => "a read",
        };
        let has = match count {
            0 => "does not have it".to_owned(),
            1 => "has it".to_owned(),
            count => format!("has it {count} times"),
        };
        lookup.step(index, &format!("{which} of {node} at {at} {has}"))
    });
    (steps.collect(), more)
}

/// The crashes between the first operation and the last read: a node that starts again has lost
/// its memory.
fn crashes(lookup: &Lookup<'_>, writes: &[Step], reads: &[Step]) -> Vec<Step> {
    let place = |step: Option<&Step>| step.and_then(|step| step.operations.first().copied());
    let (Some(first), Some(last)) = (place(writes.first()), place(reads.last())) else {
        return Vec::new();
    };
    let begin = lookup.operation(first).invoked;
    let end = lookup.operation(last).completed;
    let spans = lookup.record.faults.iter();
    let crashes = spans.filter(|span| span.kind == FaultKind::Crash);
    let between = crashes.filter(|span| (begin..end).contains(&span.from));
    let told = between.take(TOLD_MAX).map(|span| {
        let (fault, from) = (lookup.record.fault(span), clock(span.from));
        let to = span.to.map_or("the end".to_owned(), clock);
        Step {
            text: format!(
                "There was a {fault} from {from} to {to}, and what was in memory was lost."
            ),
            ..Step::default()
        }
    });
    told.collect()
}

/// How often a read has an element; `None` if it is no list.
fn count(read: &Operation, subject: &Value) -> Option<usize> {
    let list = read.replied::<Value>()?;
    let items = list.get("messages").or(list.get("value"))?.as_array()?;
    Some(items.iter().filter(|item| *item == subject).count())
}

/// The messages among servers that carry an element; those that never arrived come first.
fn carriers(lookup: &Lookup<'_>, subject: &Value) -> Vec<Step> {
    let digits = subject.to_string();
    let carry = lookup
        .among_servers()
        .filter(|it| has_number(&it.body, &digits));
    let mut carry: Vec<&Message> = carry.collect();
    carry.sort_by_key(|it| (it.fate == MessageFate::Delivered, it.sent));
    let gone = carry
        .iter()
        .filter(|it| it.fate != MessageFate::Delivered)
        .count();
    let text = match (carry.len(), gone) {
        _ if lookup.record.is_on_nats => "Messages between servers are not seen on NATS: which \
             of them carried it is not known."
            .to_owned(),
        (0, _) => "No message between servers carries it: no other server can know it.".to_owned(),
        (all, 0) => format!("All {all} messages between servers that carry it arrived."),
        (all, gone) => {
            format!("{gone} of {all} messages between servers that carry it did not arrive.")
        }
    };
    let mut steps = vec![Step {
        text,
        operations: Vec::new(),
        messages: carry.iter().map(|it| it.id).take(TOLD_MAX).collect(),
    }];
    let told = carry.into_iter().take(gone.min(TOLD_MAX));
    steps.extend(told.map(|message| lookup.way(message, "carried it")));
    steps
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

#[cfg(test)]
mod tests {
    use super::has_number;

    #[test]
    fn a_number_of_the_header_is_none_of_the_content() {
        assert!(has_number(r#"{"messages":[1,17,3]}"#, "17"));
        assert!(!has_number(r#"{"messages":[117,171],"n":1.17}"#, "17"));
        assert!(!has_number(r#"{"msg_id":17,"in_reply_to":17}"#, "17"));
    }
}
