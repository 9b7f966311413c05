//! How far the process is from its end.
//!
//! ```text
//!            input has ended            no work is left
//!   serving ────────────────> draining ─────────────────────────> flushing
//!                                │                                 ^  │  │
//!                                ├── 6 s are over, tasks are ready ┤  │  │ all written
//!                                │   or handlers wait              │  │  └──────────> ended
//!                                │ 6 s are over,      no work is   │  │                 ^
//!                                │ operations are     left, or     │  │ 1 s is over     │
//!                                │ in flight          1,000 turns  │  v                 │
//!                                └─────────────────> giving up ────┘ flushing stdout ───┤
//!                                                                     stdout written    │
//!   any of them ────────────────────────────────────────────────────────────────────────┘
//!                           stdout has lost its reader
//! ```
//!
//! The loop gathers the facts and asks [`Phase::next`]; nothing else assigns a phase.
//!
//! Invariants: a phase never goes back. Tasks run until the process is flushing. Every
//! phase ends by itself, but serving, and flushing as long as stdout has a reader:
//! every reply is written.
//!
//! While flushing, no deadline of the session or of TCP is acted on: a paused listener is
//! retried only when a connection closes.
//!
//! Read next: `event_loop.rs`, whose `enter` carries out the last column of the table.

use super::timing::TurnClock;
use crate::time::Instant;
use std::time::Duration;

/// For how long after the end of stdin sockets and tasks may be busy, and handlers may
/// wait: 6 s, a little longer than an exchange may take, so that each one in flight ends
/// by itself.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_secs(6);

/// How many turns handlers have to answer after their operations were given up: 1,000.
/// [Each operation that there may be](crate::session::OPERATIONS_MAX) wakes one task,
/// and a turn polls 200, so all of them have been polled after 656. A task that is ready
/// after that wakes itself, and would do so for ever.
pub(crate) const LAST_TURNS_MAX: u32 = 1_000;

/// For how long the end of the process waits for the reader of stderr: 1 s. An unread
/// diagnostic is no reason to hang.
const STDERR_PATIENCE: Duration = Duration::from_secs(1);

/// See the picture on the module's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Lines come.
    Serving,
    /// No line will come. Handlers run on, and operations in flight end by themselves.
    /// Background tasks run meanwhile.
    Draining {
        /// When they are given up.
        deadline: Instant,
    },
    /// The operations have ended with an error, and handlers tell their callers.
    GivingUp {
        /// The last turn in which tasks run.
        last_turn: u64,
    },
    /// No task runs any more. What was said already is being written, however long the
    /// reader of stdout takes.
    Flushing {
        /// When the reader of stderr is waited for no longer.
        deadline: Instant,
    },
    /// Messages are still written. Lines are not waited for.
    FlushingStdout,
    /// Nothing is left to do.
    Ended,
}

/// The work that keeps the process from its end. The first variant that applies counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// stdin has not ended: there may be lines.
    Input,
    /// Operations on sockets are in flight.
    Operations,
    /// Tasks are ready.
    Tasks,
    /// Handlers wait for time, a thread or a task.
    Handlers,
    /// Handlers may wait, but only for replies, which cannot come any more. Background tasks
    /// may wait for anything: a node that gossips for ever would never end.
    Nothing,
}

/// The output that is still to be written. The first variant that applies counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// Nothing will ever be written: stdout has lost its reader.
    ReaderGone,
    /// Messages for stdout.
    Messages,
    /// Lines for stderr alone.
    Lines,
    Nothing,
}

impl Phase {
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Serving => "serving",
            Phase::Draining { .. } => "draining",
            Phase::GivingUp { .. } => "giving up",
            Phase::Flushing { .. } => "flushing",
            Phase::FlushingStdout => "flushing stdout",
            Phase::Ended => "ended",
        }
    }

    /// The phase that follows from the facts; the same one if none does.
    ///
    /// | phase | work | unwritten | time | becomes | and the loop |
    /// |---|---|---|---|---|---|
    /// | any | | reader gone | | ended | |
    /// | serving | input | | | serving | |
    /// | serving | any other | | | draining | |
    /// | draining | nothing | | | flushing | tells how many get no reply |
    /// | draining | operations | | 6 s are over | giving up | ends the operations |
    /// | draining | tasks or handlers | | 6 s are over | flushing | tells how many get no reply |
    /// | giving up | handlers or nothing | | | flushing | tells how many get no reply |
    /// | giving up | any other | | 1,000 turns are over | flushing | tells how many get no reply |
    /// | flushing | | nothing | | ended | |
    /// | flushing | | messages or lines | 1 s is over | flushing stdout | closes stderr if lines wait there |
    /// | flushing stdout | | no messages | | ended | |
    ///
    /// Where no row applies the phase stays. The clock is read only where the time
    /// decides, or begins to count.
    pub(super) fn next(
        self,
        work: Work,
        unwritten: Unwritten,
        turn: u64,
        clock: &TurnClock,
    ) -> Phase {
        let flushing = || Phase::Flushing {
            deadline: clock.now() + STDERR_PATIENCE,
        };
        match (self, work, unwritten) {
            (_, _, Unwritten::ReaderGone) => Phase::Ended,
            (Phase::Serving, Work::Input, _) => self,
            (Phase::Serving, ..) => Phase::Draining {
                deadline: clock.now() + DRAIN_DEADLINE,
            },
            (Phase::Draining { .. } | Phase::GivingUp { .. }, Work::Nothing, _)
            | (Phase::GivingUp { .. }, Work::Handlers, _) => flushing(),
            (Phase::Draining { deadline }, ..) if clock.now() < deadline => self,
            (Phase::Draining { .. }, Work::Operations, _) => Phase::GivingUp {
                last_turn: turn + u64::from(LAST_TURNS_MAX),
            },
            (Phase::Draining { .. }, ..) => flushing(),
            (Phase::GivingUp { last_turn }, ..) if turn < last_turn => self,
            (Phase::GivingUp { .. }, ..) => flushing(),
            (Phase::Flushing { .. }, _, Unwritten::Nothing) => Phase::Ended,
            (Phase::Flushing { deadline }, ..) if clock.now() < deadline => self,
            (Phase::Flushing { .. }, ..) => Phase::FlushingStdout,
            (Phase::FlushingStdout, _, Unwritten::Messages) => self,
            (Phase::FlushingStdout | Phase::Ended, ..) => Phase::Ended,
        }
    }

    /// When the phase is to be decided again, whatever happens until then.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Phase::Draining { deadline } | Phase::Flushing { deadline } => Some(deadline),
            _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::VirtualClock;
    use std::rc::Rc;

    const TURN: u64 = 77;

    const DRAINING: Phase = Phase::Draining {
        deadline: Instant::from_millis(7_000),
    };
    const GIVING_UP: Phase = Phase::GivingUp {
        last_turn: TURN + LAST_TURNS_MAX as u64,
    };
    const FLUSHING: Phase = Phase::Flushing {
        deadline: Instant::from_millis(2_000),
    };
    const ALL: [Phase; 6] = [
        Phase::Serving,
        DRAINING,
        GIVING_UP,
        FLUSHING,
        Phase::FlushingStdout,
        Phase::Ended,
    ];
    const WORK: [Work; 5] = [
        Work::Input,
        Work::Operations,
        Work::Tasks,
        Work::Handlers,
        Work::Nothing,
    ];
    const UNWRITTEN: [Unwritten; 3] = [Unwritten::Messages, Unwritten::Lines, Unwritten::Nothing];

    /// The next phase at a time, in the turn of that number.
    fn at(millis: u64, turn: u64, phase: Phase, work: Work, unwritten: Unwritten) -> Phase {
        let clock = VirtualClock::default();
        clock.advance_to(Instant::from_millis(millis));
        phase.next(work, unwritten, turn, &TurnClock::new(Rc::new(clock)))
    }

    /// The next phase one second after the start.
    fn next(phase: Phase, work: Work, unwritten: Unwritten) -> Phase {
        at(1_000, TURN, phase, work, unwritten)
    }

    #[test]
    fn without_a_reader_of_stdout_every_phase_ends() {
        for (phase, work) in ALL.iter().flat_map(|phase| WORK.map(|work| (*phase, work))) {
            assert_eq!(next(phase, work, Unwritten::ReaderGone), Phase::Ended);
        }
    }

    #[test]
    fn serving_ends_with_the_input() {
        for unwritten in UNWRITTEN {
            let stays = next(Phase::Serving, Work::Input, unwritten);
            assert_eq!(stays, Phase::Serving);
            for work in [Work::Operations, Work::Tasks, Work::Handlers, Work::Nothing] {
                assert_eq!(next(Phase::Serving, work, unwritten), DRAINING);
            }
        }
    }

    #[test]
    fn draining_ends_when_no_work_is_left() {
        for unwritten in UNWRITTEN {
            assert_eq!(next(DRAINING, Work::Nothing, unwritten), FLUSHING);
            assert_eq!(next(DRAINING, Work::Operations, unwritten), DRAINING);
            assert_eq!(next(DRAINING, Work::Tasks, unwritten), DRAINING);
            assert_eq!(next(DRAINING, Work::Handlers, unwritten), DRAINING);
        }
    }

    #[test]
    fn draining_ends_with_its_time_and_gives_operations_up() {
        let over = |work| at(7_000, TURN, DRAINING, work, Unwritten::Nothing);
        assert_eq!(over(Work::Operations), GIVING_UP);
        let flushing = Phase::Flushing {
            deadline: Instant::from_millis(8_000),
        };
        assert_eq!(over(Work::Tasks), flushing);
        assert_eq!(over(Work::Handlers), flushing);
    }

    #[test]
    fn giving_up_ends_when_no_work_is_left_or_with_its_turns() {
        let last = TURN + u64::from(LAST_TURNS_MAX);
        for unwritten in UNWRITTEN {
            assert_eq!(next(GIVING_UP, Work::Nothing, unwritten), FLUSHING);
            assert_eq!(next(GIVING_UP, Work::Handlers, unwritten), FLUSHING);
            for work in [Work::Operations, Work::Tasks] {
                let stays = at(1_000, last - 1, GIVING_UP, work, unwritten);
                assert_eq!(stays, GIVING_UP);
                let ends = at(1_000, last, GIVING_UP, work, unwritten);
                assert_eq!(ends, FLUSHING);
            }
        }
    }

    #[test]
    fn flushing_ends_when_all_is_written() {
        for work in WORK {
            assert_eq!(next(FLUSHING, work, Unwritten::Messages), FLUSHING);
            assert_eq!(next(FLUSHING, work, Unwritten::Lines), FLUSHING);
            assert_eq!(next(FLUSHING, work, Unwritten::Nothing), Phase::Ended);
        }
    }

    #[test]
    fn after_a_second_of_flushing_only_messages_count() {
        let over = |phase, unwritten| at(2_000, TURN, phase, Work::Nothing, unwritten);
        for unwritten in [Unwritten::Messages, Unwritten::Lines] {
            assert_eq!(over(FLUSHING, unwritten), Phase::FlushingStdout);
        }
        let waits = over(Phase::FlushingStdout, Unwritten::Messages);
        assert_eq!(waits, Phase::FlushingStdout);
        for unwritten in [Unwritten::Lines, Unwritten::Nothing] {
            assert_eq!(over(Phase::FlushingStdout, unwritten), Phase::Ended);
        }
    }

    #[test]
    fn no_phase_goes_back_and_the_end_is_reached_from_each() {
        for mut phase in ALL {
            for hours in 1..10 {
                let millis = hours * 3_600_000;
                let turn = hours * 2_000;
                let next = at(millis, turn, phase, Work::Tasks, Unwritten::Lines);
                assert!(next >= phase, "{phase:?} to {next:?}");
                phase = next;
            }
            assert_eq!(phase, Phase::Ended);
        }
    }
}
