//! `messages.svg`: the first messages of a run, as Maelstrom draws them.

use crate::diagram::{self, Mark};
use crate::harness::record::{MessageFate, Record};
use std::collections::BTreeSet;
use std::time::Duration;

/// How many messages are looked at. The picture has fewer, and says how many it leaves out.
const MESSAGES_MAX: usize = 10_000;

/// How many clients have a column each. More share one, as in Maelstrom's picture: what nodes
/// say to each other matters more, and has to be in sight.
const CLIENTS_MAX: usize = 3;

/// The diagram.
pub(super) fn messages(record: &Record) -> String {
    let kept = &record.messages[..record.messages.len().min(MESSAGES_MAX)];
    let is_client = |name: &str| {
        let digits = name.strip_prefix('c');
        digits.is_some_and(|digits| digits.parse::<u64>().is_ok())
            && !record.nodes.iter().any(|node| node == name)
    };
    let names = kept.iter().flat_map(|it| [&*it.src, &*it.dest]);
    let clients: BTreeSet<&str> = names.filter(|name| is_client(name)).collect();
    let column = |name| {
        let is_merged = clients.len() > CLIENTS_MAX && is_client(name);
        if is_merged { diagram::CLIENTS } else { name }
    };
    let lines: Vec<String> = kept
        .iter()
        .map(|it| format!("{{\"src\":\"\",\"dest\":\"\",\"body\":{}}}", it.body))
        .collect();
    let faults: Vec<(Duration, String)> = record
        .faults
        .iter()
        .flat_map(|span| {
            let end = span
                .to
                .map(|to| (to, format!("the end of a {}", span.kind)));
            [Some((span.from, record.fault(span))), end]
        })
        .flatten()
        .collect();
    let mut marks: Vec<(Duration, Mark<'_>)> = Vec::new();
    for (message, line) in kept.iter().zip(&lines) {
        let (id, src, dest) = (message.id, column(&message.src), column(&message.dest));
        let sent = Mark::Sent {
            id,
            src,
            dest,
            line,
        };
        marks.push((message.sent, sent));
        match (message.fate, message.received) {
            (MessageFate::Delivered, Some(at)) => marks.push((at, Mark::Arrived(id))),
            (MessageFate::Delivered | MessageFate::OnItsWay, _) => {}
            (MessageFate::Lost, at) => marks.push(dropped(message.sent, at, id, "lost")),
            (MessageFate::Cut, at) => marks.push(dropped(message.sent, at, id, "partition")),
            (MessageFate::ToTheDead, at) => {
                marks.push(dropped(message.sent, at, id, "node is down"));
            }
        }
    }
    let notes = faults.iter().map(|(at, text)| (*at, Mark::Note(text)));
    marks.extend(notes);
    // Stable: what happens at one time stays in order.
    marks.sort_by_key(|(at, _)| *at);
    diagram::draw(marks.into_iter().map(|(at, mark)| {
        let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        (nanos, mark)
    }))
}

fn dropped(
    sent: Duration,
    received: Option<Duration>,
    id: u64,
    why: &'static str,
) -> (Duration, Mark<'static>) {
    (received.unwrap_or(sent), Mark::Dropped(id, why))
}
