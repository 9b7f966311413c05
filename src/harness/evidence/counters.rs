//! Evidence about counters: the read, the sum of the additions that were done, the range that the
//! uncertain ones allow, and the messages that never reached the node.

use super::lookup::{Lookup, Step, clock};
use super::named::Named;
use crate::harness::record::MessageFate;
use crate::workload::{Operation, Phase};
use serde_json::Value;

/// How many additions of unknown outcome, and how many messages, are told one by one.
const TOLD_MAX: usize = 6;

pub(super) fn explain(lookup: &Lookup<'_>, named: &Named<'_>) -> Vec<Step> {
    let is_final = named.text.contains("final read");
    let node = named.node(|name| lookup.node(name));
    let mut steps: Vec<Step> = reads(lookup, named, node, is_final).collect();
    if is_final {
        steps.extend(sum(lookup));
        steps.extend(uncertain(lookup).into_iter().take(TOLD_MAX));
        steps.extend(node.into_iter().flat_map(|node| missed(lookup, node)));
    }
    steps
}

fn delta(add: &Operation) -> i64 {
    let asked: Value = add.asked().unwrap_or_default();
    asked["delta"].as_i64().unwrap_or_default()
}

/// The reads with that value.
fn reads(
    lookup: &Lookup<'_>,
    named: &Named<'_>,
    node: Option<usize>,
    is_final: bool,
) -> impl Iterator<Item = Step> {
    let reads = lookup.operations().filter(move |(_, read)| {
        read.kind() == "read"
            && node.is_none_or(|node| node == read.node)
            && (!is_final || read.phase == Phase::Final)
    });
    reads.filter_map(move |(index, read)| {
        let value = read.replied::<Value>()?["value"].to_string();
        if !named.words.contains(&&*value) {
            return None;
        }
        let (node, at) = (lookup.record.node_name(read.node), clock(read.invoked));
        let which = if is_final { "the final read" } else { "a read" };
        Some(lookup.step(
            index,
            &format!("{which} of {node} at {at} was answered with {value}"),
        ))
    })
}

/// The sum, and the range around it.
fn sum(lookup: &Lookup<'_>) -> Option<Step> {
    let adds = lookup
        .operations()
        .filter(|(_, it)| it.kind() == "add" && !it.is_fail());
    let (mut sum, mut least, mut most, mut done, mut open) = (0_i64, 0_i64, 0_i64, 0, 0);
    for (_, add) in adds {
        let delta = delta(add);
        if add.is_ok() {
            (sum, done) = (sum.saturating_add(delta), done + 1);
        } else {
            open += 1;
            least = least.saturating_add(delta.min(0));
            most = most.saturating_add(delta.max(0));
        }
    }
    let range = if open == 0 {
        "No addition has an unknown outcome, so every final read must be this sum".to_owned()
    } else {
        let (least, most) = (sum.saturating_add(least), sum.saturating_add(most));
        format!(
            "{open} additions have an unknown outcome and count or do not, so a final read may be \
             from {least} to {most}"
        )
    };
    Some(Step {
        text: format!("The {done} additions that were done make {sum}. {range}."),
        ..Step::default()
    })
}

fn uncertain(lookup: &Lookup<'_>) -> Vec<Step> {
    let adds = lookup.operations().filter(|(_, it)| it.kind() == "add");
    let open = adds.filter(|(_, it)| !it.is_ok() && !it.is_fail());
    open.take(TOLD_MAX)
        .map(|(index, _)| lookup.told(index))
        .collect()
}

/// The messages from other servers that did not reach the node.
fn missed(lookup: &Lookup<'_>, node: usize) -> Vec<Step> {
    let name = lookup.record.node_name(node);
    let gone = lookup.among_servers().filter(|it| *it.dest == *name);
    let gone: Vec<_> = gone
        .filter(|it| it.fate != MessageFate::Delivered)
        .collect();
    if gone.is_empty() {
        return Vec::new();
    }
    let mut steps = vec![Step {
        text: format!(
            "{} messages from other servers to {name} did not arrive:",
            gone.len()
        ),
        operations: Vec::new(),
        messages: gone.iter().map(|it| it.id).collect(),
    }];
    let told = gone.iter().take(TOLD_MAX);
    steps.extend(told.map(|message| {
        let body: Value = serde_json::from_str(&message.body).unwrap_or_default();
        let kind = body["type"].as_str().unwrap_or("no type");
        lookup.way(message, &format!("({kind})"))
    }));
    steps
}
