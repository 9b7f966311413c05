//! Echo requests that arrive alone, or many at once. How often does the node ask the
//! kernel?

use small_node::{Edges, Kernel, Loop};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// Brings a batch with each wait, takes all output, and counts the calls.
struct Counting {
    batch: Vec<u8>,
    batches: usize,
    input: Vec<u8>,
    calls: [usize; 4],
}

impl Kernel for Counting {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Edges> {
        self.calls[0] += 1;
        let has_batch = timeout.is_none() && self.batches > 0;
        if has_batch {
            self.batches -= 1;
            self.input.extend_from_slice(&self.batch);
        }
        Ok(Edges {
            readable: timeout.is_none(),
            writable: false,
        })
    }

    fn now(&mut self) -> Duration {
        self.calls[3] += 1;
        Duration::ZERO
    }

    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        self.calls[1] += 1;
        let count = chunk.len().min(self.input.len());
        if count == 0 && self.batches > 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (place, byte) in chunk.iter_mut().zip(self.input.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls[2] += 1;
        Ok(bytes.len())
    }
}

fn main() -> io::Result<()> {
    println!("for each message:    waits    reads   writes   clock readings");
    for together in [1, 10, 100] {
        let echo = r#"{"src":"c1","body":{"type":"echo","msg_id":1,"echo":"hello"}}"#;
        let batches = 1000;
        let kernel = Counting {
            batch: format!("{echo}\n").repeat(together).into_bytes(),
            batches,
            input: Vec::new(),
            calls: [0; 4],
        };
        let mut node = Loop::new(kernel);
        node.run()?;
        let messages = (batches * together) as f64;
        let [waits, reads, writes, clock] = node.kernel.calls.map(|count| count as f64 / messages);
        println!("{together:>4} at once {waits:>13.2} {reads:>8.2} {writes:>8.2} {clock:>8.2}");
    }
    Ok(())
}
