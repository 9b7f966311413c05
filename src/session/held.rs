//! Reports of polls that held the loop: which handler it was, and for how long.
//!
//! Read next: `task/watch.rs`, the count of ticks that this looks at, and why it costs nearly nothing.

use crate::node::{Request, Shared};
use crate::protocol::Quote;
use crate::task::Watch;
use crate::time::Instant;
use std::sync::Arc;
use std::time::Duration;

/// How many ticks make a poll long: 5. The first one may come at once, so four periods of 25 ms have
/// passed: at least 100 ms. A client that is asked ten times a second notices that.
const HELD_TICKS: u32 = 5;

/// How long no further report is made after one: 1 s. A handler that is always slow fills no log.
const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// The watch of a host, and the reports so far.
#[derive(Default)]
pub(super) struct Held {
    watch: Arc<Watch>,
    last_report: Option<Instant>,
    /// Long polls since the last report.
    unreported: u64,
}

/// The code that was polled.
#[derive(Clone, Copy)]
pub(super) enum Polled<'a> {
    Handler(&'a Request),
    Background,
    /// The author's `new`.
    Building,
}

impl<'a> Polled<'a> {
    /// The code of a task with this payload.
    pub(super) fn of(payload: Option<&'a Request>) -> Polled<'a> {
        payload.map_or(Polled::Background, Polled::Handler)
    }
}

impl Held {
    pub(super) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Whether the poll that has just ended must be looked at.
    #[inline]
    pub(super) fn has_ticked(&self) -> bool {
        self.watch.has_ticked()
    }

    /// Reports the poll that has just ended, if it was long and the last report was long ago.
    #[cold]
    pub(super) fn look(&mut self, shared: &Shared, polled: Polled<'_>) {
        let ticks = self.watch.take();
        if ticks < HELD_TICKS {
            return;
        }
        let now = shared.timers().now();
        if self
            .last_report
            .is_some_and(|last| now.since(last) < REPORT_PAUSE)
        {
            self.unreported += 1;
            return;
        }
        self.last_report = Some(now);
        let held_ms = (Watch::TICK * (ticks - 1)).as_millis();
        let more = std::mem::take(&mut self.unreported);
        let end = format!(
            "held the loop for at least {held_ms} ms, while everything else waited; \
             give long or blocking work to cx.unblock \
             (not reported since the last such line: {more})"
        );
        match polled {
            Polled::Handler(request) => {
                let (kind, src) = (Quote(request.kind()), Quote(request.src()));
                shared.log(format_args!("the handler of {kind} from {src} {end}"));
            }
            Polled::Background => shared.log(format_args!("a background task {end}")),
            Polled::Building => shared.log(format_args!("building the node {end}")),
        }
    }
}
