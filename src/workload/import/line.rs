//! One line of a history.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(expecting = "an object with time, type, process and f")]
pub(super) struct Line {
    pub(super) time: u64,
    pub(super) r#type: LineKind,
    pub(super) process: Process,
    pub(super) f: String,
    #[serde(default)]
    pub(super) value: Value,
    #[serde(default)]
    pub(super) error: Value,
    #[serde(default, rename = "final?")]
    pub(super) is_final: bool,
    #[serde(default, rename = "seek-to-beginning?")]
    pub(super) from_the_beginning: bool,
    /// The index of the node that was asked.
    #[serde(default)]
    pub(super) node: Value,
    /// The fields of the request, and the body of the reply.
    #[serde(default)]
    pub(super) request: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) reply: Option<Map<String, Value>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum LineKind {
    Invoke,
    Ok,
    Fail,
    Info,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Process {
    Client(u64),
    /// The nemesis, or another part of the tester.
    Tester(#[expect(dead_code, reason = "any name will do")] String),
}
