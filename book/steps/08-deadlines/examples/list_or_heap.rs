//! Timers are armed, and the earliest is taken, again and again. How many steps do a list
//! and a heap take?

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

thread_local!(static COMPARED: Cell<u64> = const { Cell::new(0) });

/// A deadline that counts its comparisons. The smallest is the greatest for a heap.
#[derive(PartialEq, Eq)]
struct Counted(u64);

impl Ord for Counted {
    fn cmp(&self, other: &Counted) -> Ordering {
        COMPARED.set(COMPARED.get() + 1);
        other.0.cmp(&self.0)
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Counted) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Numbers without a pattern, the same in each run.
fn random(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    *state >> 33
}

/// Steps for an unsorted list, a sorted list, and a heap, for each timer that fires.
fn steps(timers: usize) -> [u64; 3] {
    let mut state = 1;
    let mut unsorted: Vec<u64> = (0..timers).map(|_| random(&mut state)).collect();
    let mut sorted = unsorted.clone();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let mut heap: BinaryHeap<Counted> = unsorted.iter().map(|&at| Counted(at)).collect();
    COMPARED.set(0);
    let rounds = 1000;
    let mut counts = [0; 3];
    for _ in 0..rounds {
        // The earliest one fires, and the next one is armed for some time after it.
        let next = sorted.last().expect("some") + random(&mut state);
        // Looks at each one to find the earliest.
        counts[0] += unsorted.len() as u64;
        let (at, _) = unsorted
            .iter()
            .enumerate()
            .min_by_key(|(_, tick)| **tick)
            .expect("some");
        unsorted[at] = next;
        // The earliest is last. To insert moves all that are earlier.
        sorted.pop();
        let place = sorted.partition_point(|&tick| tick > next);
        counts[1] += (sorted.len() - place) as u64;
        sorted.insert(place, next);
        heap.pop();
        heap.push(Counted(next));
    }
    counts[2] = COMPARED.get();
    counts.map(|count| count / rounds)
}

fn main() {
    println!("timers    unsorted list    sorted list    heap");
    for timers in [10, 1_000, 100_000] {
        let [unsorted, sorted, heap] = steps(timers);
        println!("{timers:>6} {unsorted:>16} {sorted:>14} {heap:>7}");
    }
}
