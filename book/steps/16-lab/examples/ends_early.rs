//! The node of this chapter, when its input ends: how many of 20 answers arrive?

use lab::Liar;
use lab::node::{Edges, Kernel, Loop};
use std::io;
use std::time::Duration;

/// The lying kernel, with an end behind the last byte of the input.
struct Ends {
    liar: Liar,
    left: usize,
}

impl Kernel for Ends {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Edges> {
        self.liar.wait(timeout)
    }

    fn now(&mut self) -> Duration {
        self.liar.now()
    }

    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let count = self.liar.read(chunk)?;
        self.left -= count;
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.liar.write(bytes)
    }
}

fn main() -> io::Result<()> {
    let text = "x".repeat(1000);
    let request = |number| {
        format!(r#"{{"src":"c1","body":{{"type":"echo","msg_id":{number},"echo":"{text}"}}}}"#)
    };
    let requests: Vec<String> = (1..=20).map(request).collect();
    // The last line has no newline.
    let input = requests.join("\n");
    for seed in 0..4 {
        let left = input.len();
        let liar = Liar::new(seed, input.as_bytes());
        let mut node = Loop::new(Ends { liar, left });
        while node.turn()? {}
        // All that the node has written is taken in the end.
        let mut kernel = node.kernel.liar;
        while !kernel.is_over {
            kernel.wait(None)?;
        }
        let answers = kernel.taken.iter().filter(|&&byte| byte == b'\n').count();
        println!("seed {seed}: {answers} of 20 answers");
    }
    Ok(())
}
