//! `lin-tso`: timestamps, one after another from 0.

use super::operation::Asked;
use serde_json::{Value, json};

#[derive(Default)]
pub(super) struct Oracle {
    next: u64,
}

impl Oracle {
    pub(super) fn answer(&mut self, asked: &Asked) -> Option<Value> {
        if asked.kind != "ts" {
            return None;
        }
        let ts = self.next;
        self.next += 1;
        Some(json!({"type": "ts_ok", "ts": ts}))
    }
}
