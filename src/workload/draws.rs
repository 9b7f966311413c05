//! Draws that several parts of a run make: an index, a duration, an order.

use crate::random::Random;
use std::time::Duration;

/// An index below `bound`.
pub(super) fn index_below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}

/// A duration below `bound`, to the nanosecond.
pub(crate) fn duration_below(random: &mut Random, bound: Duration) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random.below(nanos))
}

/// Puts items into a random order, as Fisher and Yates do.
pub(super) fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, index_below(random, last + 1));
    }
}
