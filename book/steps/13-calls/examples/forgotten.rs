//! A handler asks three nodes and needs two answers. The third call is dropped. `forget`
//! plays a table that does not notice: it takes a value away without dropping it.

use calls::{Call, Calls};

/// The calls in the table, the timers, and how often the loop wakes for a dead timer in
/// the second after the last request.
fn run(drop_call: fn(Call<&'static str>)) -> (usize, usize, usize) {
    let calls = Calls::default();
    for now in 0..1000 {
        let asked = [(); 3].map(|()| calls.begin(now + 1000));
        let [first, second, third] = asked;
        for call in [first, second] {
            calls.reply(call.number(), "yes");
        }
        drop_call(third);
    }
    let sizes = calls.sizes();
    let mut wakes = 0;
    while let Some(tick) = calls.next_deadline() {
        calls.expire(tick);
        wakes += 1;
    }
    (sizes.0, sizes.1, wakes)
}

fn main() {
    println!("1000 requests, in 1000 ms, each with 3 calls of which one is dropped");
    let (calls, timers, wakes) = run(std::mem::forget);
    println!("forgotten: {calls} calls in the table, {timers} timers, {wakes} wakes for nothing");
    let (calls, timers, wakes) = run(drop);
    println!("dropped:   {calls} calls in the table, {timers} timers, {wakes} wakes for nothing");
}
