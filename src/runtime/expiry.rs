//! Which timers a turn fires.
//!
//! A reply that arrived before the deadline of its call beats the timeout. So it is not
//! enough that a timer is due: the input that arrived before its deadline must have been
//! read first.
//!
//! A *look* is the clock's reading in a turn that reads the clock. The wait of the next
//! turn begins after the look. So that wait reports all input that had arrived by then.
//!
//! ```text
//!        last look                             now, this turn's look
//!   ─────────┼──── rest of that turn ──── wait ────┼──── deliver ──── expire ───> time
//!            │                              ^      │
//!      input that arrived before      the kernel   input that arrived here is
//!      here is reported in time       is asked     reported by the next wait
//! ```
//!
//! Two things can still keep a reply from the turn that finds its timer due:
//!
//! - **Input waits.** A turn reads 64 KiB of stdin, and more is there. Due timers are then
//!   held back, for at most [`DEFER_MAX`].
//! - **The process stood still** (SIGSTOP, a suspended machine, a long handler), perhaps
//!   between the wait and the look. Timers that became due meanwhile are held back until
//!   one more wait has asked for input.
//!
//! To hold timers back, the decision names a time in the past: only timers that were due
//! by that time fire. So each timer is held back for its own time. It does not matter how
//! long an earlier timer was held back, and whether it fired.
//!
//! For example, the last looks were at 998 and 999 ms, the pipe was made larger than 64 KiB,
//! and a call is due at 1,000 ms. Its reply arrived at 999 ms, behind 150 KiB of
//! other input:
//!
//! | turn | look at | stdin after the turn's read | fire what was due by | the call |
//! |---|---|---|---|---|
//! | 1 | 1,000 ms | 86 KiB wait | 980 ms (row 4) | held back |
//! | 2 | 1,001 ms | 22 KiB wait | 981 ms (row 4) | held back |
//! | 3 | 1,002 ms | empty | 1,002 ms (row 1) | ended by its reply in step 3 |
//!
//! Invariants: no timer fires before its deadline. Let T be the turn that finds a
//! timer due, or the turn after that one if it became due in a standstill. The timer fires
//! at the latest in the first turn that is at least the second after T, and whose look is
//! at least [`DEFER_MAX`] after T's.
//!
//! Read next: `event_loop.rs`, whose step 4 asks for the decision; `time/wheel.rs`, which
//! finds the timers.

use crate::time::Instant;
use std::time::Duration;

/// For how long due timers are held back while input waits: 20 ms, in which a node reads
/// a hundred full pipes. So a reply in there beats its timeout, even after a pause. Under
/// an endless flood of input each timer is late by this much.
pub(crate) const DEFER_MAX: Duration = Duration::from_millis(20);

/// A timer that is found due more than 5 ms late shows that the process stood still,
/// perhaps between the wait and the look. One more wait asks for input before the timer
/// fires. That costs one `epoll_wait` that returns at once.
const LATE_MAX: Duration = Duration::from_millis(5);

/// The looks of earlier turns that the decision compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Looks {
    last: Instant,
    before_last: Instant,
    standstill: Option<Standstill>,
}

/// A time in which the process did nothing, as far as its timers can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standstill {
    /// The last look before it.
    began: Instant,
    /// The first look whose wait began after it. In the turn that notices the standstill
    /// this is still to come, and stands at the end of time.
    ended: Instant,
}

/// The facts of a turn beside its looks.
#[derive(Debug, Clone, Copy)]
struct Facts {
    /// The wheel's next deadline: that of the earliest timer, or before it.
    deadline: Instant,
    now: Instant,
    input_waits: bool,
}

impl Looks {
    /// Decides for a turn, and remembers its look. Timers fire whose deadline is not
    /// later than the result. `deadline` is the earliest of all.
    ///
    /// `input_waits` says that stdin has more than the turn has read. It is false while
    /// backpressure holds stdin: when that ends is up to the reader of stdout, so timers
    /// do not wait for it. Nor do they wait for sockets: deadlines of TCP are seconds long.
    pub(super) fn due_by(
        &mut self,
        deadline: Option<Instant>,
        now: Instant,
        input_waits: bool,
    ) -> Instant {
        debug_assert!(self.last <= now, "the clock went backwards");
        let facts = Facts {
            deadline: deadline.unwrap_or(Instant::MAX),
            now,
            input_waits,
        };
        let (due_by, standstill) = self.decide(facts);
        debug_assert!(due_by <= now, "a timer would be early");
        *self = Looks {
            last: now,
            before_last: self.last,
            standstill,
        };
        due_by
    }

    /// The decision, and the standstill that the next turn has to know of.
    ///
    /// | row | earliest deadline | input waits | the process stood still | timers fire that were due by |
    /// |---|---|---|---|---|
    /// | 1 | later | | | now: none is due, but the wheel learns the time |
    /// | 2 | now or earlier | no | no | now |
    /// | 3 | now or earlier | no | before this look | the last look |
    /// | 4 | now or earlier | yes | no | 20 ms ago, or the look before the last if that is earlier |
    /// | 5 | now or earlier | yes | yes, and the first look after it is later than row 4's time | the earlier of row 4's time and the last look before the standstill |
    ///
    /// - Row 2: the turn has read all input that its wait reported.
    /// - Row 3: this turn's wait began after the last look. So all input that could beat a
    ///   timer due by then has been read. For timers that became due later, the next wait
    ///   asks for input first.
    /// - Row 4: a timer waits for two turns even if they take longer than 20 ms. Two turns
    ///   read a full pipe, and the lines that the line buffer still held.
    /// - Row 5: a timer that became due in a standstill waits as if it were due at its end.
    ///   The turn that notices the standstill may have waited, and read, before it.
    fn decide(&self, facts: Facts) -> (Instant, Option<Standstill>) {
        let Facts { deadline, now, .. } = facts;
        let known = self.standstill.map(|gap| Standstill {
            ended: gap.ended.min(now),
            ..gap
        });
        if deadline > now {
            return (now, known);
        }
        let stands_still = now.since(deadline.max(self.last)) > LATE_MAX;
        let noticed = stands_still.then_some(Standstill {
            began: self.last,
            ended: Instant::MAX,
        });
        if !facts.input_waits {
            return (noticed.map_or(now, |gap| gap.began), noticed);
        }
        let due_by = self.before_last.min(before(now, DEFER_MAX));
        // Of two standstills the earlier one counts while it holds timers back. If the later
        // one did, slow turns would hold them back for ever.
        let standstill = known.filter(|gap| gap.ended > due_by).or(noticed);
        let due_by = standstill.map_or(due_by, |gap| due_by.min(gap.began));
        (due_by, standstill)
    }
}

fn before(instant: Instant, duration: Duration) -> Instant {
    Instant::ZERO + instant.since(Instant::ZERO + duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn facts(deadline: u64, now: u64, input_waits: bool) -> Facts {
        Facts {
            deadline: at(deadline),
            now: at(now),
            input_waits,
        }
    }

    fn standstill(began: u64, ended: Instant) -> Option<Standstill> {
        let began = at(began);
        Some(Standstill { began, ended })
    }

    const LOOKS: Looks = Looks {
        last: Instant::from_millis(100),
        before_last: Instant::from_millis(98),
        standstill: None,
    };

    #[test]
    fn row_1_no_timer_is_due_and_the_wheel_learns_the_time() {
        for input_waits in [false, true] {
            assert_eq!(LOOKS.decide(facts(103, 102, input_waits)), (at(102), None));
        }
        // However long ago the last look was: the loop had nothing to do.
        assert_eq!(LOOKS.decide(facts(5_000, 4_999, false)), (at(4_999), None));
    }

    #[test]
    fn row_2_with_all_input_read_what_is_due_fires() {
        // Due by the last look, due since then, and noticed as late as may be.
        for deadline in [90, 100, 101, 102] {
            assert_eq!(
                LOOKS.decide(facts(deadline, 102, false)),
                (at(102), None),
                "{deadline}"
            );
        }
        assert_eq!(LOOKS.decide(facts(1_000, 1_005, false)), (at(1_005), None));
    }

    #[test]
    fn row_3_what_became_due_in_a_standstill_waits_for_one_more_look() {
        // Due at 1,000 ms and noticed at 1,006: perhaps the wait ended in time, and
        // the process stood still behind it. So nothing fires.
        let noticed = standstill(100, Instant::MAX);
        assert_eq!(LOOKS.decide(facts(1_000, 1_006, false)), (at(100), noticed));
        // Due by the last look: this turn's wait has looked for it, so it fires. What
        // became due since then does not.
        let noticed = standstill(100, Instant::MAX);
        assert_eq!(LOOKS.decide(facts(99, 106, false)), (at(100), noticed));
    }

    #[test]
    fn row_4_while_input_waits_timers_are_held_back_for_20_ms_and_two_turns() {
        assert_eq!(LOOKS.decide(facts(99, 102, true)), (at(82), None));
        // Turns of 5 ms are no standstill; those of 15 ms are one each.
        let slow = Looks {
            last: at(130),
            before_last: at(115),
            standstill: None,
        };
        assert_eq!(slow.decide(facts(99, 135, true)), (at(115), None));
        let (due_by, _) = slow.decide(facts(99, 145, true));
        assert_eq!(due_by, at(115), "two turns at least");
    }

    #[test]
    fn row_5_after_a_standstill_its_timers_are_held_back_from_its_end_on() {
        let noticed = standstill(100, Instant::MAX);
        assert_eq!(LOOKS.decide(facts(1_000, 2_000, true)), (at(98), noticed));
        let after = |last, before_last, standstill| Looks {
            last: at(last),
            before_last: at(before_last),
            standstill,
        };
        let known = standstill(100, at(2_001));
        let next = after(2_000, 100, noticed).decide(facts(1_000, 2_001, true));
        assert_eq!(next, (at(100), known), "the first look after it");
        let held = after(2_019, 2_018, known).decide(facts(1_000, 2_020, true));
        assert_eq!(held, (at(100), known));
        let fires = after(2_020, 2_019, known).decide(facts(1_000, 2_021, true));
        assert_eq!(fires, (at(2_001), None));
        // Two turns at least, also if they take longer than 20 ms.
        let held = after(2_050, 2_000, known).decide(facts(1_000, 2_055, true));
        assert_eq!(held, (at(100), known));
    }

    #[test]
    fn a_second_standstill_does_not_hold_the_timers_of_the_first_back_again() {
        let mut looks = Looks::default();
        let mut fired = Vec::new();
        // Each turn takes 6 ms, and input waits for ever.
        for turn in 0..20 {
            let now = at(1_000 + 6 * turn);
            let deadline = (fired.is_empty()).then_some(at(990));
            let due_by = looks.due_by(deadline, now, true);
            if due_by >= at(990) && deadline.is_some() {
                fired.push(now);
            }
        }
        assert_eq!(fired, [at(1_030)]);
    }

    /// A timer that waited for input was cancelled by its reply, and the process stood
    /// still before the next timer was due. The time that the first one had waited
    /// does not count for the second.
    #[test]
    fn a_timer_is_held_back_though_an_earlier_one_was_before_it() {
        let mut looks = Looks::default();
        let first = Some(at(1_000));
        for now in [1_000, 1_001] {
            assert!(looks.due_by(first, at(now), true) < at(1_000), "held back");
        }
        let second = Some(at(1_050));
        for now in [1_100, 1_101, 1_102, 1_120] {
            let due_by = looks.due_by(second, at(now), true);
            assert!(due_by < at(1_050), "fired at {now} over its reply");
        }
        assert!(looks.due_by(second, at(1_121), true) >= at(1_050));
    }

    /// When a timer has been held back for its 20 ms, it fires alone: one that became
    /// due meanwhile has its own 20 ms.
    #[test]
    fn a_timer_that_fires_over_waiting_input_takes_no_later_one_along() {
        let mut looks = Looks::default();
        let mut fired = [None; 2];
        let deadlines = [1_000, 1_015];
        for now in 1_000..1_100 {
            let waiting = deadlines.iter().zip(&fired).find(|(_, at)| at.is_none());
            let earliest = waiting.map(|(&deadline, _)| at(deadline));
            let due_by = looks.due_by(earliest, at(now), true);
            for (deadline, fired) in deadlines.iter().zip(&mut fired) {
                if fired.is_none() && at(*deadline) <= due_by {
                    *fired = Some(now);
                }
            }
        }
        assert_eq!(fired, [Some(1_020), Some(1_035)]);
    }

    /// Over turns of any length, with input that waits or does not: a timer fires when
    /// it was held back for as long as may be, at the latest, and never over input that
    /// it had to wait for.
    #[test]
    fn a_timer_is_held_back_for_its_time_and_no_longer_in_any_run() {
        for seed in 0..5_000 {
            let mut random = Random::new(seed);
            let mut looks = Looks::default();
            let mut now = at(0);
            let longest = [2, 8, 30, 200][usize::try_from(seed % 4).unwrap()];
            for _ in 0..5 {
                // Earlier turns, which may have stood still for other timers.
                let passed_ms = u64::try_from(now.since(at(0)).as_millis()).unwrap();
                let deadline = at(passed_ms + 1 + random.below(40));
                // The looks that held the timer back.
                let mut held_at = Vec::new();
                loop {
                    now = now + Duration::from_millis(random.below(longest));
                    let input_waits = random.chance(0.9);
                    let last = looks.last;
                    let due_by = looks.due_by(Some(deadline), now, input_waits);
                    let is_due = deadline <= now;
                    if !is_due {
                        assert!(due_by < deadline, "seed {seed}: early");
                        continue;
                    }
                    let has_fired = deadline <= due_by;
                    // From the second one on, in case the first one noticed a standstill.
                    let second = held_at.get(1).copied().unwrap_or(now);
                    let was_long = held_at.len() >= 3 && now.since(second) >= DEFER_MAX;
                    assert!(has_fired || !was_long, "seed {seed}: held back for ever");
                    if has_fired && input_waits {
                        let held = now.since(deadline);
                        let was_short = held_at.len() < 2 || held < DEFER_MAX;
                        assert!(!was_short, "seed {seed}: {held:?}");
                    }
                    if has_fired && !input_waits && deadline > last {
                        let late = now.since(deadline);
                        assert!(late <= LATE_MAX, "seed {seed}: not looked for");
                    }
                    if has_fired {
                        break;
                    }
                    held_at.push(now);
                }
            }
        }
    }
}
