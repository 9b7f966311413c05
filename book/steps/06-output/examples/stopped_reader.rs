//! Lines go through a program from one pipe to another. The reader of the second pipe has
//! stopped. How much does the program hold?

use outputs::OutputBuffer;
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};

/// Takes up to `input` bytes through. Returns how many the program and its input hold.
fn hold(input: usize, low: usize, high: usize) -> std::io::Result<(usize, usize)> {
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK)?;
    let (_stopped, out) = pipe_with(PipeFlags::NONBLOCK)?;
    let mut output = OutputBuffer::new(low, high);
    let (mut chunk, mut written, mut taken) = ([0; 4096], 0, 0);
    for _ in 0..10_000 {
        if written < input
            && let Ok(count) = write(&writer, &[b'x'; 4096])
        {
            written += count;
        }
        if !output.is_congested() {
            match read(&reader, &mut chunk) {
                Ok(count) => output.append(&chunk[..count]),
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let before = output.len();
        output.flush(|bytes| Ok(write(&out, bytes)?))?;
        taken += before - output.len();
    }
    Ok((output.len(), written - output.len() - taken))
}

fn main() -> std::io::Result<()> {
    println!("                      sent       held by the program   left in its input");
    for mib in [1, 4, 16] {
        let input = mib << 20;
        let (held, left) = hold(input, usize::MAX, usize::MAX)?;
        println!("no mark         {input:>10} {held:>21} {left:>20}");
    }
    for mib in [1, 4, 16] {
        let (held, left) = hold(mib << 20, 64 << 10, 256 << 10)?;
        println!("256 KiB, 64 KiB   (blocked) {held:>19} {left:>20}");
    }
    Ok(())
}
