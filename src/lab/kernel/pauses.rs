//! Pauses: the process stands still (SIGSTOP, a suspended machine, another process
//! on the processor), and the world does not.

use super::faults::Fault;
use super::state::Kernel;
use crate::time::Instant;
use rustix::io::Errno;
use std::time::Duration;

/// How long a process stands still at most.
const PAUSE_MAX: Duration = Duration::from_millis(2_500);

/// How far behind a deadline those pauses end that are aimed at one: on both sides
/// of what the loop still takes for punctual.
const PAUSE_BEHIND_MAX: Duration = Duration::from_millis(12);

/// What there is to know of pauses.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// When the process is to stand still in front of the clock, and for how long.
    planned: Option<(Instant, Duration)>,
    /// When the last wait that waited would have ended by itself.
    pub(super) awaited: Option<Instant>,
    /// From when to when it has stood still in front of the clock.
    at_clock: Vec<(Instant, Instant)>,
}

impl Kernel {
    /// Has the process stand still when it reads the clock from `at` on.
    pub(crate) fn stand_still(&mut self, at: Instant, duration: Duration) {
        self.pauses.planned = Some((at, duration));
    }

    /// From when to when it has stood still in front of the clock.
    pub(crate) fn clock_pauses(&self) -> &[(Instant, Instant)] {
        &self.pauses.at_clock
    }

    /// How long a process stands still. Every other pause ends just behind the
    /// deadline that is waited for: there it shows who comes first, the deadline
    /// or what came before it.
    pub(super) fn pause(&mut self) -> Duration {
        let (any, behind) = (self.below(PAUSE_MAX), self.below(PAUSE_BEHIND_MAX));
        let is_aimed = self.random.chance(0.5);
        match self.pauses.awaited {
            Some(at) if is_aimed && self.now <= at && at.since(self.now) < PAUSE_MAX => {
                at.since(self.now) + behind
            }
            _ => any,
        }
    }

    /// The clock is no call, but a process may stand still in front of it, too.
    pub(super) fn read_clock(&mut self) -> Instant {
        let due = self.pauses.planned.take_if(|(at, _)| *at <= self.now);
        let took = match due {
            Some((_, took)) => Some(took),
            None if self.faults.fires(Fault::Paused, self.now) => Some(self.pause()),
            None => None,
        };
        if let Some(took) = took {
            self.pauses.at_clock.push((self.now, self.now + took));
            self.advance_to(self.now + took);
        }
        self.now
    }

    /// A stop in a wait, which ends it: SIGCONT is a signal.
    pub(super) fn stopped(&mut self) -> Result<(), Errno> {
        if !self.faults.fires(Fault::Stopped, self.now) {
            return Ok(());
        }
        let took = self.pause();
        self.advance_to(self.now + took);
        Err(Errno::INTR)
    }
}
