//! The things that a checker's sentence names.

use crate::workload::Operation;
use serde_json::Value;

/// The words of a sentence, and the thing that it is about.
pub(super) struct Named<'a> {
    pub(super) text: &'a str,
    pub(super) words: Vec<&'a str>,
    /// The number or text behind `value`, `element`, `message` or `id`.
    pub(super) subject: Option<Value>,
}

impl<'a> Named<'a> {
    pub(super) fn of(text: &'a str) -> Named<'a> {
        let cut = |c: char| !(c.is_alphanumeric() || "-_\"".contains(c));
        let words: Vec<&str> = text.split(cut).filter(|word| !word.is_empty()).collect();
        let behind = |names: &[&str]| {
            let place = words.iter().position(|word| names.contains(word))?;
            words.get(place + 1).copied()
        };
        let subject = behind(&["value", "element", "message", "id"])
            .or_else(|| behind(&["sent", "twice"]))
            .and_then(|_| subject(text));
        Named {
            text,
            words,
            subject,
        }
    }

    /// The first node that it names, in the order of its words.
    pub(super) fn node(&self, index_of: impl Fn(&str) -> Option<usize>) -> Option<usize> {
        self.words.iter().find_map(|word| index_of(word))
    }

    /// All nodes that it names.
    pub(super) fn nodes(&self, index_of: impl Fn(&str) -> Option<usize>) -> Vec<usize> {
        self.words
            .iter()
            .filter_map(|word| index_of(word))
            .collect()
    }

    /// Whether the sentence names the client and the beginning of an operation.
    pub(super) fn has_time_of(&self, operation: &Operation) -> bool {
        if !self.words.contains(&&*operation.client) {
            return false;
        }
        let begin = format!("{:?}", operation.invoked);
        self.text.match_indices(&begin).any(|(at, _)| {
            let last = self.text[..at].chars().next_back();
            last.is_none_or(|last| !last.is_ascii_digit() && last != '.')
        })
    }
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

/// Whether a field of the request is the subject.
pub(super) fn has_field(operation: &Operation, subject: &Value) -> bool {
    let fields: Option<Value> = operation.asked();
    fields.is_some_and(|fields| contains(&fields, subject))
}

/// Whether the value is, or has somewhere inside it, the subject.
pub(super) fn contains(value: &Value, subject: &Value) -> bool {
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

#[cfg(test)]
mod tests {
    use super::Named;
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
        let index_of = |name: &str| ["n0", "n1", "n2"].iter().position(|it| *it == name);
        for (text, subject, node) in cases {
            let named = Named::of(text);
            let found = (named.subject.clone(), named.node(index_of));
            assert_eq!(found, (Some(subject), node), "{text}");
        }
    }
}
