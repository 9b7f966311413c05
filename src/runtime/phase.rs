//! How far the process is from its end.

use crate::time::Instant;
use std::time::Duration;

/// How long after the end of stdin sockets and tasks may still be busy: a
/// little longer than an exchange may take, so that each one in flight comes to
/// its own end.
pub(super) const DRAIN_DEADLINE: Duration = Duration::from_secs(6);

/// How long the end of the process waits for whoever reads stderr: not being
/// told something is no reason to hang.
pub(super) const STDERR_PATIENCE: Duration = Duration::from_secs(1);

/// ```text
///            end of stdin            nothing in flight           all written
///   serving ─────────────> draining ──────────────────> flushing ──────────> ended
///      │                      │      or the deadline        │                  ^
///      └──────────────────────┴─────────────────────────────┴──────────────────┘
///                     nobody reads stdout any more
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Lines come.
    Serving,
    /// No line will come; what is in flight over sockets comes to its end.
    Draining {
        /// When to wait no longer.
        deadline: Instant,
    },
    /// Only what was said already is still written. This waits for the reader
    /// as long as there is one: every reply is written.
    Flushing {
        /// When to wait no longer for stderr's reader.
        deadline: Instant,
    },
    /// Nothing is left to do.
    Ended,
}

impl Phase {
    /// When the phase ends at the latest.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Phase::Draining { deadline } | Phase::Flushing { deadline } => Some(deadline),
            Phase::Serving | Phase::Ended => None,
        }
    }

    /// Whether handlers still run.
    pub(super) fn runs_tasks(self) -> bool {
        matches!(self, Phase::Serving | Phase::Draining { .. })
    }
}
