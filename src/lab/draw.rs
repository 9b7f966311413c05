//! Draws from [`Random`] in the types that this room needs.

use crate::random::Random;
use std::time::Duration;

/// An index below `bound`; 0 for a bound of 0.
pub(crate) fn index(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}

/// One of `choices`, each as likely as any other.
pub(crate) fn one_of<T: Copy, const N: usize>(random: &mut Random, choices: [T; N]) -> T {
    choices[index(random, N)]
}

/// A duration below `bound`.
pub(crate) fn duration(random: &mut Random, bound: Duration) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random.below(nanos))
}
