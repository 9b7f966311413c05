//! Timers in a heap. A cancelled timer is only marked, as a heap cannot take out an
//! entry from its middle.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

fn main() {
    let mut heap = BinaryHeap::new();
    let mut armed: HashSet<u64> = HashSet::new();
    let mut next_call = 0;
    println!("each ms: 100 calls with a timeout of 1000 ms; each reply comes after 2 ms");
    for now in 0..1000 {
        for _ in 0..100 {
            heap.push(Reverse((now + 1000, next_call)));
            armed.insert(next_call);
            next_call += 1;
        }
        if now >= 2 {
            for call in (now - 2) * 100..(now - 1) * 100 {
                armed.remove(&call);
            }
        }
        if [9, 99, 999].contains(&now) {
            println!(
                "after {:>4} ms: {} calls wait, {} timers in the heap",
                now + 1,
                armed.len(),
                heap.len()
            );
        }
    }
}
