//! `lin-kv`: one map, and every request sees all that came before it.

use super::Answer;
use super::operation::Request;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Linearizable {
    values: BTreeMap<String, Value>,
}

impl Linearizable {
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        let (written, answer) = request.apply(self.values.get(&request.key));
        if let Some(value) = written {
            self.values.insert(request.key.clone(), value);
        }
        answer
    }
}
