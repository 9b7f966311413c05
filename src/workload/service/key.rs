//! A request to a key-value service, and its effect on one key.

use serde::Deserialize;
use serde_json::{Value, json};

/// The body of any request to a service.
#[derive(Deserialize)]
pub(super) struct ServiceBody {
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
pub(super) struct KeyRequest {
    /// The key's JSON text: keys may be of any type.
    pub(super) key: String,
    pub(super) access: Access,
}

pub(super) enum Access {
    Read,
    Write(Value),
    Cas {
        from: Value,
        to: Value,
        create: bool,
    },
}

/// A reply of a key-value service.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Read(Value),
    Written,
    Swapped,
    NoSuchKey,
    Mismatch { current: Value, from: Value },
}

impl KeyRequest {
    /// `None` for a type of request that key-value services do not know.
    pub(super) fn from_body(body: ServiceBody) -> Option<KeyRequest> {
        let access = match body.kind.as_str() {
            "read" => Access::Read,
            "write" => Access::Write(body.value),
            "cas" => Access::Cas {
                from: body.from,
                to: body.to,
                // Everything but null and false is true in Maelstrom's language.
                create: !matches!(body.create_if_not_exists, Value::Null | Value::Bool(false)),
            },
            _ => return None,
        };
        Some(KeyRequest {
            key: body.key.to_string(),
            access,
        })
    }

    /// The effect on a key of value `current`: its new value if it is written, and
    /// the answer.
    pub(super) fn apply(&self, current: Option<&Value>) -> (Option<Value>, Answer) {
        match (&self.access, current) {
            (Access::Read, Some(value)) => (None, Answer::Read(value.clone())),
            (Access::Read, None) => (None, Answer::NoSuchKey),
            (Access::Write(value), _) => (Some(value.clone()), Answer::Written),
            (Access::Cas { from, to, .. }, Some(value)) if from == value => {
                (Some(to.clone()), Answer::Swapped)
            }
            (Access::Cas { from, .. }, Some(value)) => {
                let (current, from) = (value.clone(), from.clone());
                (None, Answer::Mismatch { current, from })
            }
            (Access::Cas { to, create, .. }, None) if *create => {
                (Some(to.clone()), Answer::Swapped)
            }
            (Access::Cas { .. }, None) => (None, Answer::NoSuchKey),
        }
    }
}

impl From<Answer> for Value {
    fn from(answer: Answer) -> Value {
        match answer {
            Answer::Read(value) => json!({"type": "read_ok", "value": value}),
            Answer::Written => json!({"type": "write_ok"}),
            Answer::Swapped => json!({"type": "cas_ok"}),
            Answer::NoSuchKey => {
                json!({"type": "error", "code": 20, "text": "key does not exist"})
            }
            Answer::Mismatch { current, from } => {
                let text = format!("current value {current} is not {from}");
                json!({"type": "error", "code": 22, "text": text})
            }
        }
    }
}
