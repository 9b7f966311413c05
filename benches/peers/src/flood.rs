//! A flood: requests as fast as the node reads them.

use crate::node::Node;
use std::error::Error;
use std::io::Write;
use std::time::Instant;

/// The size of a write: the capacity of a pipe.
const WRITE_BYTES: usize = 64 << 10;

/// The result of a flood.
pub struct Flooded {
    /// Processor time of the node for each message.
    pub cpu_micros: f64,
    /// Messages answered in a second.
    pub per_second: f64,
}

/// Sends `line` `messages` times from another thread, and reads the replies in this one.
/// The processor time includes the start of the node, about a millisecond.
pub fn flood(mut node: Node, line: &[u8], messages: usize) -> Result<Flooded, Box<dyn Error>> {
    let mut stdin = node.stdin.take().ok_or("the input was taken")?;
    let block = line.repeat((WRITE_BYTES / line.len()).max(1));
    let start = Instant::now();
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut left = messages * line.len();
            while left > 0 {
                let count = left.min(block.len());
                stdin.write_all(&block[..count])?;
                left -= count;
            }
            Ok::<_, std::io::Error>(stdin)
        });
        let read = node.read_lines(messages);
        (read, writer.join())
    });
    let elapsed = start.elapsed();
    written.0?;
    let _stdin = written.1.map_err(|_| "the writer panicked")??;
    let cpu = node.end()?;
    Ok(Flooded {
        cpu_micros: cpu.as_secs_f64() * 1e6 / messages as f64,
        per_second: messages as f64 / elapsed.as_secs_f64(),
    })
}
