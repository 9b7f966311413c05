//! A snapshot of the session, for the microscope.

use super::Session;
use crate::microscope;
use crate::node::{Request, Shared, SharedSnapshot};
use crate::task::{Executor, TasksSnapshot};
use crate::wire::{HIGH_WATERMARK_BYTES, LOW_WATERMARK_BYTES};
use serde::Serialize;

/// The session at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct SessionSnapshot {
    #[serde(flatten)]
    pub(crate) shared: SharedSnapshot,
    pub(crate) tasks: TasksSnapshot,
    #[serde(skip)]
    pub(crate) output: OutputSnapshot,
}

/// The output buffer at one moment.
#[derive(Debug, Default, Serialize)]
pub(crate) struct OutputSnapshot {
    pub(crate) bytes: usize,
    pub(crate) low: usize,
    pub(crate) high: usize,
    pub(crate) congested: bool,
}

impl Session {
    pub(crate) fn snapshot(&self) -> SessionSnapshot {
        self.host.snapshot(&self.shared)
    }
}

impl SessionSnapshot {
    pub(super) fn of<F: Future>(
        executor: &Executor<F, Option<Request>>,
        shared: &Shared,
    ) -> SessionSnapshot {
        let output = shared.outbox().output();
        microscope::said(output.pending());
        SessionSnapshot {
            shared: shared.snapshot(),
            tasks: executor.snapshot(shared.spawned(), name),
            output: OutputSnapshot {
                bytes: output.len(),
                low: LOW_WATERMARK_BYTES,
                high: HIGH_WATERMARK_BYTES,
                congested: output.is_congested(),
            },
        }
    }
}

/// Tells the microscope that the task in the slot that was polled last was polled.
/// `is_request` says that a request has just started it.
pub(super) fn polled<F: Future>(
    executor: &Executor<F, Option<Request>>,
    shared: &Shared,
    is_request: bool,
) {
    let session = SessionSnapshot::of(executor, shared);
    microscope::polled(executor.polled_slot(), is_request, session);
}

fn name(request: &Option<Request>) -> String {
    match request {
        Some(request) => format!("handler of {} from {}", request.kind(), request.src()),
        None => "background task".to_owned(),
    }
}
