//! Evidence about transactions: the edges of a cycle, each with the two operations that make it.
//!
//! ```text
//!   G1c, a cycle …: {c3 at n1, 6.1s..6.2s: w 2 16} was read on key 2 by {c2 at n0, …} …
//!                   └──────── operation 101 ──────┘ └──── an edge ────┘ └ operation 110
//! ```

use super::lookup::{Lookup, Step, clock, numbers};
use crate::workload::Operation;
use serde::Deserialize;
use serde_json::Value;

/// A piece of a sentence: a transaction in braces, by the index of its operation, or a text.
enum Piece<'a> {
    Text(&'a str),
    Txn(usize),
}

#[derive(Deserialize)]
struct Body {
    txn: Vec<(String, u64, Value)>,
}

/// The sentence with numbers in place of transactions, and the steps. `None` if it names no
/// transaction.
pub(super) fn explain(lookup: &Lookup<'_>, text: &str) -> Option<(String, Vec<Step>)> {
    let pieces = pieces(lookup, text);
    let txns = pieces.iter().filter_map(|piece| match piece {
        Piece::Txn(index) => Some(*index),
        Piece::Text(_) => None,
    });
    let txns: Vec<usize> = txns.collect();
    let first = *txns.first()?;
    let mut headline = String::new();
    let mut steps = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Txn(index) => headline.push_str(&format!("operation {index}")),
            Piece::Text(text) => {
                headline.push_str(text);
                let before = place.checked_sub(1).map(|place| &pieces[place]);
                if let (Some(Piece::Txn(from)), to) = (before, pieces.get(place + 1)) {
                    let to = match to {
                        Some(Piece::Txn(to)) => Some(*to),
                        // Of a long cycle the last edges are left out.
                        _ if text.contains('…') => None,
                        _ => text.ends_with("the first").then_some(first),
                    };
                    steps.extend(to.and_then(|to| edge(lookup, *from, text, to)));
                }
            }
        }
    }
    if let [Piece::Text(kind), ..] = &pieces[..]
        && !steps.is_empty()
    {
        let mut way: Vec<String> = txns.iter().map(usize::to_string).collect();
        way.extend(text.contains('…').then(|| "…".to_owned()));
        way.push(first.to_string());
        headline = format!("{kind}operations {}", way.join(" → "));
    }
    if steps.is_empty() {
        steps = match incompatible(lookup, text, first) {
            Some(both) => both,
            None => txns.into_iter().map(|index| lookup.told(index)).collect(),
        };
    } else if text.ends_with("the first") {
        let (text, operations) = (
            format!(
                "So operation {first} would come before itself: the transactions have no order \
                 that explains these answers."
            ),
            txns,
        );
        let messages = operations.iter().flat_map(|it| lookup.messages_of(*it));
        steps.push(Step {
            messages: messages.collect(),
            text,
            operations,
        });
    }
    Some((headline, steps))
}

/// An edge in words.
fn edge(lookup: &Lookup<'_>, from: usize, text: &str, to: usize) -> Option<Step> {
    let (one, other) = (lookup.operation(from), lookup.operation(to));
    let messages = [lookup.messages_of(from), lookup.messages_of(to)];
    let [its, theirs] = [&messages[0], &messages[1]].map(|messages| numbers(messages));
    let (one_name, other_name) = (
        format!("Operation {from}{its}"),
        format!("operation {to}{theirs}"),
    );
    let key = || {
        text.split("key ")
            .nth(1)?
            .split(' ')
            .next()?
            .parse::<u64>()
            .ok()
    };
    let sentence = if text.contains("ended before the beginning of") {
        let (end, begin) = (clock(one.completed), clock(other.invoked));
        format!("{one_name} ended at {end}, before {other_name} began at {begin}")
    } else if text.contains("was overwritten on key") {
        let key = key()?;
        let [before, after] = [one, other].map(|it| values(it, key, false));
        format!("{one_name} wrote {before} to key {key}, and {other_name} wrote {after} after it")
    } else if text.contains("was read on key") {
        let key = key()?;
        let (wrote, read) = (values(one, key, false), values(other, key, true));
        format!("{one_name} wrote {wrote} to key {key}, and {other_name} read {read}")
    } else if text.contains("did not see on key") {
        let key = key()?;
        let (read, wrote) = (values(one, key, true), values(other, key, false));
        format!("{one_name} read {read} of key {key}, without the {wrote} that {other_name} wrote")
    } else {
        return None;
    };
    Some(Step {
        text: format!("{sentence}: {from} comes before {to}."),
        operations: vec![from, to],
        messages: messages.concat(),
    })
}

/// The values that a transaction has read from a key, or has written to it.
fn values(operation: &Operation, key: u64, is_read: bool) -> String {
    let micros = micros(operation);
    let of_key = micros
        .iter()
        .filter(|(kind, of, _)| *of == key && (kind == "r") == is_read);
    let values: Vec<String> = of_key.map(|(_, _, value)| value.to_string()).collect();
    if values.is_empty() {
        // A read that is known only from what was asked has no value.
        return "something".to_owned();
    }
    values.join(" and ")
}

fn micros(operation: &Operation) -> Vec<(String, u64, Value)> {
    let body: Option<Body> = operation.replied().filter(|_| operation.is_ok());
    body.or_else(|| operation.asked())
        .map_or(Vec::new(), |body| body.txn)
}

/// Two reads of a key of which neither begins with the other. The sentence names one reader by its
/// list alone: "incompatible order of key 6: another transaction read [1, 3]: …".
fn incompatible(lookup: &Lookup<'_>, text: &str, reader: usize) -> Option<Vec<Step>> {
    let (before, behind) = text.split_once(": another transaction read ")?;
    let key: u64 = before.rsplit(' ').next()?.parse().ok()?;
    let list = behind.get(..=behind.find(']')?)?;
    let longer: Vec<Value> = serde_json::from_str(list).ok()?;
    let lists = |operation: &Operation| -> Vec<Vec<Value>> {
        let reads = micros(operation).into_iter();
        let reads = reads.filter(|(kind, of, _)| kind == "r" && *of == key);
        let lists = reads.filter_map(|(_, _, value)| value.as_array().cloned());
        lists.collect()
    };
    let mut readers = lookup.operations();
    let (other, _) = readers.find(|(_, operation)| lists(operation).contains(&longer))?;
    let differs = |list: &Vec<Value>| list.iter().zip(&longer).position(|(one, two)| one != two);
    let wrong = lists(lookup.operation(reader));
    let (list, at) = wrong.iter().find_map(|list| Some((list, differs(list)?)))?;
    let (its, theirs) = (&list[at], &longer[at]);
    let (shorter, longer) = (Value::from(list.clone()), Value::from(longer.clone()));
    let read = lookup.step(reader, &format!("it read {shorter} of key {key}"));
    let mut last = lookup.step(other, &format!("it read {longer} of key {key}"));
    last.text.push_str(&format!(
        " At place {} one has {its} and the other {theirs}: a list that only grows cannot have had \
         both orders.",
        at + 1
    ));
    Some(vec![read, last])
}

/// Cuts a sentence at its transactions. One that is not in the record stays text.
fn pieces<'a>(lookup: &Lookup<'_>, text: &'a str) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(at) = rest[from..].find("{c").map(|at| at + from) {
        let Some(length) = closing(&rest[at..]) else {
            break;
        };
        match named(lookup, &rest[at + 1..at + length]) {
            Some(index) => {
                pieces.extend([Piece::Text(&rest[..at]), Piece::Txn(index)]);
                (rest, from) = (&rest[at + length + 1..], 0);
            }
            None => from = at + 1,
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Where the brace that opens a text is closed. Braces in JSON strings do not count.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut is_string, mut is_escaped) = (0, false, false);
    text.bytes().position(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'{' if !is_string => depth += 1,
            b'}' if !is_string => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

/// The operation of `c3 at n1, 6.1s..6.2s: …`.
fn named(lookup: &Lookup<'_>, span: &str) -> Option<usize> {
    let (client, rest) = span.split_once(" at ")?;
    let begin = rest.split_once(", ")?.1.split_once("..")?.0;
    let mut found = lookup
        .operations()
        .filter(|(_, it)| *it.client == *client && format!("{:?}", it.invoked) == begin);
    found.next().map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::closing;

    #[test]
    fn a_brace_in_a_string_closes_nothing() {
        assert_eq!(closing(r#"{c1: r 1 "}\"}" {}} x"#), Some(18));
        assert_eq!(closing("{c1: r 1"), None);
    }
}
