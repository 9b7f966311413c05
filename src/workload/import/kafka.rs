//! The operations of kafka, in the words of a Jepsen history.
//!
//! | `f` | `value` | `value` when it is `ok` |
//! |---|---|---|
//! | send | `[["send", key, msg]]` | `[["send", key, [offset, msg]]]` |
//! | poll | `[["poll"]]` | `[["poll", {key: [[offset, msg], …]}]]` |
//! | assign | the keys that the client polls from now on | |
//! | crash | | |
//!
//! A poll does not say where it begins. A client polls on from the message after the last
//! one that it has polled, until it is assigned other keys. A key whose beginning is not
//! known this way gets the offset null. Polls that belong to an assignment from the
//! beginning (`seek-to-beginning?`) are the final ones.

use super::line::Line;
use crate::workload::history::{Operation, Request};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

type Positions = BTreeMap<String, Option<u64>>;
type Messages = BTreeMap<String, Vec<(u64, u64)>>;

/// The clients that poll.
#[derive(Default)]
pub(super) struct Consumers {
    /// The next offset of each key, for each client.
    positions: BTreeMap<u64, Positions>,
    /// The clients that have begun their final polls.
    finals: BTreeSet<u64>,
}

impl Consumers {
    pub(super) fn begin_final(&mut self, process: u64) {
        self.finals.insert(process);
    }

    pub(super) fn is_final(&self, process: u64) -> bool {
        self.finals.contains(&process)
    }

    pub(super) fn request(&self, process: u64, f: &str, value: &Value) -> Result<Request, String> {
        Ok(match f {
            "send" => {
                let sent = value[0][1].as_str().zip(value[0][2].as_u64());
                let Some((key, msg)) = sent.filter(|_| value[0][0] == "send") else {
                    return Err(format!(
                        "the value is {value} and not [[\"send\", key, msg]]"
                    ));
                };
                Request::new("send", &json!({ "key": key, "msg": msg }))
            }
            "poll" => {
                let offsets = self.positions.get(&process).cloned().unwrap_or_default();
                Request::new("poll", &json!({ "offsets": offsets }))
            }
            "assign" => {
                let keys = value.as_array().into_iter().flatten();
                if !value.is_array() || !keys.clone().all(Value::is_string) {
                    return Err(format!("the value is {value} and no list of keys"));
                }
                Request::new("assign", &json!({ "keys": value }))
            }
            "crash" => Request::new("crash", &()),
            _ => return Err(format!("kafka has no operation {f:?}")),
        })
    }

    /// Takes note of an operation that was done, and returns the body of its reply.
    pub(super) fn reply(
        &mut self,
        process: u64,
        operation: &mut Operation,
        line: &Line,
    ) -> Result<String, String> {
        let body = match operation.kind() {
            "send" => {
                let offset = line.value[0][2][0].as_u64();
                let offset = offset.ok_or_else(|| {
                    let value = &line.value;
                    format!("the value is {value} and not [[\"send\", key, [offset, msg]]]")
                })?;
                json!({ "type": "send_ok", "offset": offset })
            }
            "poll" => self.polled(process, operation, &line.value[0][1])?,
            _ => {
                self.assigned(process, line);
                json!({ "type": format!("{}_ok", line.f) })
            }
        };
        Ok(body.to_string())
    }

    fn polled(
        &mut self,
        process: u64,
        operation: &mut Operation,
        value: &Value,
    ) -> Result<Value, String> {
        let msgs: Messages = serde_json::from_value(value.clone())
            .map_err(|error| format!("the poll has no [offset, msg] pairs by key: {error}"))?;
        let positions = self.positions.entry(process).or_default();
        for key in msgs.keys() {
            positions.entry(key.clone()).or_default();
        }
        operation.request = Request::new("poll", &json!({ "offsets": positions }));
        for (key, pairs) in &msgs {
            if let Some((offset, _)) = pairs.last() {
                positions.insert(key.clone(), Some(offset.saturating_add(1)));
            }
        }
        Ok(json!({ "type": "poll_ok", "msgs": msgs }))
    }

    fn assigned(&mut self, process: u64, line: &Line) {
        let begin = line.from_the_beginning.then_some(0);
        let keys = line.value.as_array().into_iter().flatten();
        let keys = keys.filter_map(|key| Some((key.as_str()?.to_owned(), begin)));
        self.positions.insert(process, keys.collect());
    }
}
