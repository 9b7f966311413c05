//! A snapshot of a node's calls, timers and output, for the microscope.

use super::shared::Shared;
use crate::time::WheelSnapshot;
use serde::Serialize;
use std::collections::BTreeMap;

/// The state that all tasks of a node share, at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct SharedSnapshot {
    pub(crate) wheel: WheelSnapshot,
    /// Calls whose futures have not taken the outcome, by their message number.
    pub(crate) calls: BTreeMap<String, CallSnapshot>,
    pub(crate) ignored_replies: u64,
}

/// A call in flight.
#[derive(Debug, Serialize)]
pub(crate) struct CallSnapshot {
    /// The node or service that was called; absent once the call has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    /// `waiting` or `ended`.
    pub(crate) state: &'static str,
}

impl Shared {
    pub(crate) fn snapshot(&self) -> SharedSnapshot {
        let calls = self.call_table();
        let calls = calls.states().map(|(msg_id, dest)| {
            let snapshot = CallSnapshot {
                to: dest.map(|dest| self.name(dest)),
                state: if dest.is_some() { "waiting" } else { "ended" },
            };
            (msg_id.to_string(), snapshot)
        });
        SharedSnapshot {
            calls: calls.collect(),
            wheel: self.timers().snapshot(),
            ignored_replies: self.ignored_replies(),
        }
    }
}
