//! What is asked of a key-value service, and what it does to one key.

use super::Answer;
use serde::Deserialize;
use serde_json::Value;

/// The body of any request to a service.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) msg_id: Value,
    #[serde(default)]
    key: Value,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    from: Value,
    #[serde(default)]
    to: Value,
    #[serde(default)]
    create_if_not_exists: Value,
}

/// A request to a key-value service.
pub(super) struct Request {
    /// The key's JSON text: keys may be of any type.
    pub(super) key: String,
    pub(super) operation: Operation,
}

pub(super) enum Operation {
    Read,
    Write(Value),
    Cas {
        from: Value,
        to: Value,
        create: bool,
    },
}

/// What becomes of a key: a new value if it was written, and the answer.
pub(super) type Effect = (Option<Value>, Answer);

impl Request {
    /// `None` for a type of request that key-value services do not know.
    pub(super) fn from_asked(asked: Asked) -> Option<Request> {
        let operation = match asked.kind.as_str() {
            "read" => Operation::Read,
            "write" => Operation::Write(asked.value),
            "cas" => Operation::Cas {
                from: asked.from,
                to: asked.to,
                // Everything but null and false is true in Maelstrom's language.
                create: !matches!(asked.create_if_not_exists, Value::Null | Value::Bool(false)),
            },
            _ => return None,
        };
        Some(Request {
            key: asked.key.to_string(),
            operation,
        })
    }

    /// What the request does to a key of value `current`.
    pub(super) fn apply(&self, current: Option<&Value>) -> Effect {
        match (&self.operation, current) {
            (Operation::Read, Some(value)) => (None, Answer::Read(value.clone())),
            (Operation::Read, None) => (None, Answer::NoSuchKey),
            (Operation::Write(value), _) => (Some(value.clone()), Answer::Written),
            (Operation::Cas { from, to, .. }, Some(value)) if from == value => {
                (Some(to.clone()), Answer::Swapped)
            }
            (Operation::Cas { from, .. }, Some(value)) => {
                let (current, from) = (value.clone(), from.clone());
                (None, Answer::Mismatch { current, from })
            }
            (Operation::Cas { to, create, .. }, None) if *create => {
                (Some(to.clone()), Answer::Swapped)
            }
            (Operation::Cas { .. }, None) => (None, Answer::NoSuchKey),
        }
    }
}
