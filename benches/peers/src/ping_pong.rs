//! Ping-pong: one message at a time.

use crate::node::{self, Node};
use std::error::Error;
use std::time::Instant;

/// The median of a round trip in microseconds. Node and client share one processor. With
/// two processors, most of the time would be wake-ups of the other one.
pub fn ping_pong(program: &str, line: &[u8], pings: usize) -> Result<f64, Box<dyn Error>> {
    node::pin(0, 0)?;
    let mut node = Node::start(program, Some(0))?;
    let mut times = Vec::with_capacity(pings);
    for _ in 0..pings {
        let start = Instant::now();
        node.write(line)?;
        node.read_lines(1)?;
        times.push(start.elapsed());
    }
    node.end()?;
    node::unpin()?;
    times.sort();
    Ok(times[pings / 2].as_secs_f64() * 1e6)
}
