//! Latencies, counted in steps of less than one percent.
//!
//! As in HdrHistogram, each power of two is divided into equal steps. The crate of that name
//! brings serialisation, corrections and two further crates. A bench needs four quantiles, so
//! this file is smaller than the reason for a dependency would be.

use std::time::Duration;

/// Each power of two has 2^7 steps, so a step is at most 1/128 of its value.
const STEP_BITS: u32 = 7;
const STEPS: usize = 1 << STEP_BITS;

/// Counts of latencies. Takes 59 KiB, however many are counted.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    greatest: u64,
}

impl Histogram {
    pub(super) fn new() -> Histogram {
        Histogram {
            counts: vec![0; place(u64::MAX) + 1],
            total: 0,
            greatest: 0,
        }
    }

    pub(super) fn add(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[place(nanos)] += 1;
        self.total += 1;
        self.greatest = self.greatest.max(nanos);
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The latency in nanoseconds that this part of all does not exceed. 1.0 is the greatest.
    pub(super) fn quantile(&self, part: f64) -> u64 {
        let wanted = (self.total as f64 * part).ceil().max(1.0);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen as f64 >= wanted {
                return greatest_at(place).min(self.greatest);
            }
        }
        self.greatest
    }
}

/// The place of a value. Values below 256 have a place each.
fn place(nanos: u64) -> usize {
    let doubled = (u64::BITS - nanos.leading_zeros()).saturating_sub(STEP_BITS + 1);
    // Below 2^8, because only 8 bits are left.
    let step = usize::try_from(nanos >> doubled).unwrap_or(0);
    (doubled as usize * STEPS) + step
}

/// The greatest value with that place.
fn greatest_at(place: usize) -> u64 {
    let doubled = (place / STEPS).saturating_sub(1);
    let step = (place - doubled * STEPS) as u64;
    let greatest = (u128::from(step + 1) << doubled) - 1;
    u64::try_from(greatest).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_neighbours_that_differ_by_less_than_a_percent() {
        let values =
            (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + (1 << bit) / 3]);
        for value in values.chain([u64::MAX]) {
            let greatest = greatest_at(place(value));
            assert!(greatest >= value, "{value}");
            assert!((greatest - value) as f64 <= value as f64 / 128.0, "{value}");
            assert_eq!(place(greatest), place(value));
            if greatest < u64::MAX {
                assert_eq!(place(greatest + 1), place(value) + 1);
            }
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::new();
        let mut sorted: Vec<u64> = (0..1000u64).map(|i| i * i * 37 % 1_000_003 + i).collect();
        for nanos in &sorted {
            histogram.add(Duration::from_nanos(*nanos));
        }
        sorted.sort_unstable();
        for (part, index) in [(0.5, 499), (0.99, 989), (0.999, 998), (1.0, 999)] {
            let (exact, found) = (sorted[index] as f64, histogram.quantile(part) as f64);
            assert!(
                found >= exact && found <= exact * 1.01,
                "{part}: {found}, {exact}"
            );
        }
        assert_eq!(
            histogram.quantile(1.0),
            sorted[999],
            "the greatest is exact"
        );
        assert_eq!(
            (histogram.total(), Histogram::new().quantile(0.5)),
            (1000, 0)
        );
    }
}
