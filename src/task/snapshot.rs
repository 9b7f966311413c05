//! A snapshot of the executor, for the microscope.

use super::executor::Executor;
use serde::Serialize;
use std::collections::BTreeMap;

/// The executor at one moment. Tasks are named by the index of their slot.
#[derive(Debug, Serialize)]
pub(crate) struct TasksSnapshot {
    /// Whether a wake ends the wait of the loop.
    pub(crate) parked: bool,
    pub(crate) ready: Vec<String>,
    pub(crate) slots: BTreeMap<String, TaskSnapshot>,
    /// Spawned tasks that have not started.
    pub(crate) spawned: usize,
}

/// A task in its slot.
#[derive(Debug, Serialize)]
pub(crate) struct TaskSnapshot {
    pub(crate) name: String,
    /// `ready` or `waiting`.
    pub(crate) state: &'static str,
}

impl<F: Future, P> Executor<F, P> {
    /// `name` names a task by its payload.
    pub(crate) fn snapshot(&self, spawned: usize, name: impl Fn(&P) -> String) -> TasksSnapshot {
        let (parked, ready) = self.ready_queue().snapshot();
        let slots = self.tasks().map(|(index, payload)| {
            let is_ready = ready.contains(&index);
            let state = if is_ready { "ready" } else { "waiting" };
            let name = name(payload);
            (index.to_string(), TaskSnapshot { name, state })
        });
        TasksSnapshot {
            slots: slots.collect(),
            parked,
            ready: ready.iter().map(u32::to_string).collect(),
            spawned,
        }
    }
}
