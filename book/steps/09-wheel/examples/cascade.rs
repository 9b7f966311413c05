//! The way of four timers through the levels.

use wheel::{Place, Wheel};

fn main() {
    let ticks = [63, 64, 4096, 4165];
    let mut wheel = Wheel::new(0);
    for tick in ticks {
        wheel.insert(tick, tick);
    }
    let mut now = 0;
    let mut armed = ticks.to_vec();
    while let Some(deadline) = wheel.next_deadline() {
        let mut line = format!("time {now:>4}:");
        for &tick in &armed {
            let place = Place::of(now, tick);
            line += &format!("  {tick} on level {} slot {}", place.level, place.slot);
        }
        println!("{line}");
        let mut due = Vec::new();
        wheel.expire(deadline, &mut due);
        armed.retain(|tick| !due.contains(tick));
        now = deadline;
        for tick in due {
            println!("time {now:>4}:  {tick} fires");
        }
    }
}
