//! A wrong draft: sockets that do not block, and a loop that asks each one in turn.

use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};

fn main() -> Result<(), Errno> {
    let (silent, _kept_open) = pipe_with(PipeFlags::NONBLOCK)?;
    let (second, client) = pipe_with(PipeFlags::NONBLOCK)?;
    let mut chunk = [0; 4096];
    let mut empty_reads = 0;
    loop {
        for source in [&silent, &second] {
            match read(source, &mut chunk) {
                Err(Errno::AGAIN) => empty_reads += 1,
                other => {
                    println!(
                        "{empty_reads} reads found nothing, then one found {} bytes",
                        other?
                    );
                    return Ok(());
                }
            }
        }
        // The client needs a moment to make up its mind.
        if empty_reads == 1_000_000 {
            write(&client, b"hello")?;
        }
    }
}
