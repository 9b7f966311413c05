//! A request to a key-value service, and its effect on one key.

use super::kept::{Keeper, Kept};
use serde::Deserialize;
use serde_json::Value;
use std::rc::Rc;

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
    Write(Rc<Kept>),
    Cas {
        from: Rc<Kept>,
        to: Rc<Kept>,
        create: bool,
    },
}

/// The content of a reply. A value in it is shared with the service, so that an answer that is
/// not sent costs nothing.
pub(super) enum Answer {
    Read(Rc<Kept>),
    Written,
    Swapped,
    NoSuchKey,
    Mismatch {
        current: Rc<Kept>,
        from: Rc<Kept>,
    },
    /// The service does not know the type of the request, in words.
    NotSupported(String),
    /// The request could not be read, for that reason.
    Malformed(String),
    /// A timestamp.
    Time(u64),
}

impl KeyRequest {
    /// `None` for a type of request that key-value services do not know.
    pub(super) fn from_body(body: ServiceBody, keeper: &Keeper) -> Option<KeyRequest> {
        let key = body.key.to_string();
        let keep = |value| keeper.keep(&key, value);
        let access = match body.kind.as_str() {
            "read" => Access::Read,
            "write" => Access::Write(keep(body.value)),
            "cas" => Access::Cas {
                from: keep(body.from),
                to: keep(body.to),
                // Everything but null and false is true in Maelstrom's language.
                create: !matches!(body.create_if_not_exists, Value::Null | Value::Bool(false)),
            },
            _ => return None,
        };
        Some(KeyRequest { key, access })
    }

    /// The effect on a key of value `current`: its new value if it is written, and
    /// the answer.
    pub(super) fn apply(&self, current: Option<&Rc<Kept>>) -> (Option<Rc<Kept>>, Answer) {
        match (&self.access, current) {
            (Access::Read, Some(value)) => (None, Answer::Read(value.clone())),
            (Access::Read, None) => (None, Answer::NoSuchKey),
            (Access::Write(value), _) => (Some(value.clone()), Answer::Written),
            (Access::Cas { from, to, .. }, Some(value)) if from.value == value.value => {
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
