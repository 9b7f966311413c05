//! A deadline at 7.3 ms, and a kernel that waits for whole milliseconds. A turn that does
//! not wait costs 20 µs.

use std::time::Duration;

fn waits(deadline: Duration, to_millis: fn(Duration) -> u64) -> Vec<(Duration, u64)> {
    let mut now = Duration::from_micros(500);
    let mut waits = Vec::new();
    while now < deadline {
        let millis = to_millis(deadline - now);
        waits.push((now, millis));
        now += Duration::from_millis(millis) + Duration::from_micros(20);
    }
    waits.push((now, 0));
    waits
}

fn show(name: &str, waits: &[(Duration, u64)]) {
    println!("{name}: {} waits", waits.len() - 1);
    let (last, first) = waits.split_last().expect("at least one");
    for (index, (at, millis)) in first.iter().enumerate() {
        match index {
            0..3 => println!(
                "  at {:.2} ms: wait for {millis} ms",
                at.as_secs_f64() * 1e3
            ),
            3 => println!("  …"),
            _ => {}
        }
    }
    println!("  at {:.2} ms: the timer fires", last.0.as_secs_f64() * 1e3);
}

fn main() {
    let deadline = Duration::from_micros(7_300);
    show(
        "rounded down",
        &waits(deadline, |left| left.as_millis() as u64),
    );
    show(
        "rounded up",
        &waits(deadline, |left| left.as_nanos().div_ceil(1_000_000) as u64),
    );
}
