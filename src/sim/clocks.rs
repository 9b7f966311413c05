//! The clocks of a node: one that begins with each of its lives, and the wall clock of its
//! machine.
//!
//! ```text
//!                       crash     restart
//!   cluster   0────────────┬─────────┬───────────>   one time for all
//!   now       0──────────> │         0───────────>   each life begins at zero
//!   unix_time  ───────────────────jump───────────>   of the machine: it outlives the node
//! ```

use crate::random::Random;
use crate::time::{Clock, Instant, VirtualClock};
use crate::workload::duration_below;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// The wall clock of a machine: how far it is off. Clones are the same clock.
#[derive(Clone)]
pub(super) struct WallClock {
    off: Rc<Off>,
}

/// Nanoseconds that a wall clock is ahead, or behind.
struct Off {
    skew: i64,
    jumped: Cell<i64>,
}

impl WallClock {
    /// A clock that is off by at most `most`, forward or back.
    pub(super) fn skewed(most: Duration, random: &mut Random) -> WallClock {
        let drawn = duration_below(random, most.saturating_mul(2));
        let skew = nanos(drawn).saturating_sub(nanos(most));
        WallClock {
            off: Rc::new(Off {
                skew,
                jumped: Cell::new(0),
            }),
        }
    }

    /// Sets the clock forward, or back.
    pub(super) fn jump(&self, ms: i64) {
        let jump = ms.saturating_mul(1_000_000);
        let jumped = self.off.jumped.get().saturating_add(jump);
        self.off.jumped.set(jumped);
    }

    /// Undoes all jumps.
    pub(super) fn mend(&self) {
        self.off.jumped.set(0);
    }

    pub(super) fn has_jumped(&self) -> bool {
        self.off.jumped.get() != 0
    }

    /// The time that this clock shows at a true time.
    fn show(&self, truth: Duration) -> Duration {
        let off = self.off.skew.saturating_add(self.off.jumped.get());
        let by = Duration::from_nanos(off.unsigned_abs());
        if off < 0 {
            truth.saturating_sub(by)
        } else {
            truth.saturating_add(by)
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// The clocks of one life of a node.
pub(super) struct NodeClock {
    cluster: VirtualClock,
    /// The origin of this life.
    born: Instant,
    wall: WallClock,
}

impl NodeClock {
    pub(super) fn new(cluster: VirtualClock, born: Instant, wall: WallClock) -> NodeClock {
        NodeClock {
            cluster,
            born,
            wall,
        }
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Instant {
        Instant::ZERO + self.cluster.now().since(self.born)
    }

    fn unix_time(&self) -> Duration {
        self.wall.show(self.cluster.unix_time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::VIRTUAL_UNIX_START;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_life_begins_at_zero_and_its_wall_clock_is_that_of_the_machine() {
        let cluster = VirtualClock::default();
        let wall = WallClock::skewed(Duration::ZERO, &mut Random::new(1));
        cluster.advance(7 * SECOND);
        let life = NodeClock::new(cluster.clone(), cluster.now(), wall.clone());
        assert_eq!(life.now(), Instant::ZERO);
        cluster.advance(2 * SECOND);
        assert_eq!(life.now(), Instant::from_millis(2_000));
        assert_eq!(life.unix_time(), VIRTUAL_UNIX_START + 9 * SECOND);
        wall.jump(-5_000);
        assert_eq!(life.unix_time(), VIRTUAL_UNIX_START + 4 * SECOND);
        wall.jump(1_000);
        assert_eq!(life.unix_time(), VIRTUAL_UNIX_START + 5 * SECOND);
        assert_eq!(life.now(), Instant::from_millis(2_000));
        wall.mend();
        assert!(!wall.has_jumped());
        assert_eq!(life.unix_time(), VIRTUAL_UNIX_START + 9 * SECOND);
        wall.jump(i64::MIN);
        assert_eq!(life.unix_time(), Duration::ZERO, "not before 1970");
    }

    #[test]
    fn the_skew_is_within_its_bound_on_both_sides() {
        let mut random = Random::new(2);
        let shown = (0..100).map(|_| WallClock::skewed(SECOND, &mut random).show(10 * SECOND));
        let shown: Vec<Duration> = shown.collect();
        assert!(
            shown
                .iter()
                .all(|shown| (9 * SECOND..11 * SECOND).contains(shown))
        );
        assert!(shown.iter().any(|shown| *shown < 10 * SECOND));
        assert!(shown.iter().any(|shown| *shown > 10 * SECOND));
    }
}
