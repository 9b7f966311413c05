//! How far the process is from its end.

use crate::time::Instant;
use std::time::Duration;

/// How long after the end of stdin sockets and tasks may still be busy: a
/// little longer than an exchange may take, so that each one in flight comes to
/// its own end.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_secs(6);

/// How many turns handlers have to answer, when what they waited for was given up:
/// 1,000. At [200 polls each](super::event_loop) every one of the operations that
/// [there may be](crate::session::OPERATIONS_MAX) has its answer after 656; whoever
/// then still has work makes it himself.
pub(crate) const LAST_TURNS_MAX: u32 = 1_000;

/// How long the end of the process waits for whoever reads stderr: not being
/// told something is no reason to hang.
pub(super) const STDERR_PATIENCE: Duration = Duration::from_secs(1);

/// ```text
///            end of stdin            nothing in flight           all written
///   serving ─────────────> draining ──────────────────> flushing ──────────> ended
///      │                      │ deadline                 ^  │                  ^
///      │                      └──────────> giving up ────┘  │                  │
///      │                      │                │ answered   │                  │
///      └──────────────────────┴────────────────┴────────────┴──────────────────┘
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
    /// What was still in flight has ended with an error, and handlers tell their
    /// callers so.
    GivingUp {
        /// How many turns they have for it.
        turns_left: u32,
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
            Phase::Serving | Phase::GivingUp { .. } | Phase::Ended => None,
        }
    }

    /// Whether handlers still run.
    pub(super) fn runs_tasks(self) -> bool {
        matches!(
            self,
            Phase::Serving | Phase::Draining { .. } | Phase::GivingUp { .. }
        )
    }
}
