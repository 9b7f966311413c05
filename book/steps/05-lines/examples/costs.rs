//! The draft that everybody writes first, and the step: bytes that each one touches.

use lines::LineBuffer;

/// A buffer that searches from its beginning, and moves the rest after each line.
#[derive(Default)]
struct Draft {
    bytes: Vec<u8>,
    searched_bytes: usize,
    moved_bytes: usize,
}

impl Draft {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn next_line(&mut self) -> Option<Vec<u8>> {
        let at = self.bytes.iter().position(|&byte| byte == b'\n');
        self.searched_bytes += at.map_or(self.bytes.len(), |at| at + 1);
        let line: Vec<u8> = self.bytes.drain(..=at?).collect();
        self.moved_bytes += self.bytes.len();
        Some(line)
    }
}

fn main() {
    let long = [&[b'x'; 99_999][..], b"\n"].concat();
    let short = b"123456789\n".repeat(10_000);
    println!("                                      searched        moved");
    for (name, input, chunk) in [
        ("one line of 100,000 bytes, 100 a read", &long, 100),
        ("10,000 lines of 10 bytes, one read   ", &short, 100_000),
    ] {
        let mut draft = Draft::default();
        let mut step = LineBuffer::new(1_000_000);
        for chunk in input.chunks(chunk) {
            draft.push(chunk);
            while draft.next_line().is_some() {}
            step.push(chunk);
            while step.next_line().is_some() {}
        }
        println!("{name}");
        println!(
            "  draft {:>39} {:>12}",
            draft.searched_bytes, draft.moved_bytes
        );
        println!("  step  {:>39} {:>12}", step.searched_bytes, 0);
    }
}
