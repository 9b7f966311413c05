//! Pauses: the process stands still while the world goes on.
//!
//! A real process stands still after SIGSTOP, on a suspended machine, or when
//! another process has its processor. Bytes arrive and deadlines pass meanwhile.

use crate::lab::draw;
use crate::random::Random;
use crate::time::Instant;
use std::time::Duration;

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(2_500);

/// A pause that is aimed at a deadline ends at most this long after it. The loop
/// takes a timer for punctual up to 5 ms, so such pauses end on both sides of that.
const PAUSE_BEHIND_MAX: Duration = Duration::from_millis(12);

/// The pauses of a run.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// When the process is to stand still before it reads the clock, and how long.
    pub(super) planned: Option<(Instant, Duration)>,
    /// The deadline of the last wait that had one.
    pub(super) awaited: Option<Instant>,
    /// When each pause before a reading of the clock began and ended.
    pub(super) at_clock: Vec<(Instant, Instant)>,
}

impl Pauses {
    /// The length of a pause that begins now.
    ///
    /// Every other pause ends just after the deadline that the process waits for.
    /// There it shows whether the deadline or what came before it is served first.
    pub(super) fn draw(&self, now: Instant, random: &mut Random) -> Duration {
        let any = draw::duration(random, PAUSE_MAX);
        let behind = draw::duration(random, PAUSE_BEHIND_MAX);
        let is_aimed = random.chance(0.5);
        match self.awaited {
            Some(at) if is_aimed && now <= at && at.since(now) < PAUSE_MAX => {
                at.since(now) + behind
            }
            _ => any,
        }
    }

    /// Takes the planned pause, if its time has come.
    pub(super) fn take_planned(&mut self, now: Instant) -> Option<Duration> {
        let due = self.planned.take_if(|(at, _)| *at <= now);
        due.map(|(_, length)| length)
    }
}
