//! Two nodes talk to each other through two pipes. Both stop reading above their high
//! watermark. Can both be stopped at once?

use outputs::OutputBuffer;
use std::io::ErrorKind;

const PIPE_BYTES: usize = 64 << 10;
const READ_BYTES: usize = 16 << 10;

struct Node {
    output: OutputBuffer,
    /// The bytes in the pipe that this node reads.
    input: usize,
    /// How many bytes it says for each byte that it hears.
    says: usize,
}

impl Node {
    fn new(says: usize) -> Node {
        Node {
            output: OutputBuffer::new(64 << 10, 256 << 10),
            input: 0,
            says,
        }
    }

    /// Returns whether anything has moved.
    fn turn(&mut self, other: &mut Node) -> bool {
        let mut read = 0;
        if !self.output.is_congested() {
            read = self.input.min(READ_BYTES);
            self.input -= read;
            self.output.append(&vec![b'x'; read * self.says]);
        }
        let before = other.input;
        let done = self.output.flush(|bytes| {
            let count = bytes.len().min(PIPE_BYTES - other.input);
            other.input += count;
            match count {
                0 => Err(ErrorKind::WouldBlock.into()),
                _ => Ok(count),
            }
        });
        done.expect("a pipe in memory does not fail");
        read > 0 || other.input > before
    }
}

fn talk(name: &str, says: [usize; 2]) {
    let mut a = Node::new(says[0]);
    let mut b = Node::new(says[1]);
    a.input = 1024;
    let mut held_max = 0;
    for turn in 1..=1000 {
        let moved = [a.turn(&mut b), b.turn(&mut a)];
        held_max = held_max.max(a.output.len() + b.output.len());
        if moved == [false, false] {
            let (a, b) = (a.output.len(), b.output.len());
            println!("{name}: turn {turn}: a holds {a} bytes, b holds {b}, and nothing moves");
            return;
        }
    }
    println!("{name}: 1000 turns, at most {held_max} bytes are held");
}

fn main() {
    talk("each line leads to two in both ", [2, 2]);
    talk("each line leads to two in a    ", [2, 1]);
    talk("each line leads to one         ", [1, 1]);
}
