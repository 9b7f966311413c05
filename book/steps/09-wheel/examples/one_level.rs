//! A wheel with one level of 64 slots: the slot of a timer is its tick modulo 64.

fn main() {
    let mut slots: Vec<Vec<u64>> = vec![Vec::new(); 64];
    for tick in [6, 70, 134, 63] {
        slots[tick as usize % 64].push(tick);
    }
    for now in 0..64 {
        for tick in slots[now as usize % 64].drain(..) {
            let late = if tick == now { "" } else { ", too early" };
            println!("at {now:>2}: the timer for {tick} fires{late}");
        }
    }
}
