//! Writes into a pipe that does not block, until it is full and beyond.

use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};

fn main() -> Result<(), Errno> {
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK)?;
    let bytes = [b'x'; 100_000];
    println!("write 100000 bytes: {:?}", write(&writer, &bytes));
    println!("write the rest:     {:?}", write(&writer, &bytes[65536..]));
    println!("read 5000 bytes:    {:?}", read(&reader, &mut [0; 5000]));
    println!("write the rest:     {:?}", write(&writer, &bytes[65536..]));
    println!("read all:           {:?}", read(&reader, &mut [0; 100_000]));
    println!("read again:         {:?}", read(&reader, &mut [0; 100_000]));
    drop(writer);
    println!("after the end:      {:?}", read(&reader, &mut [0; 100_000]));
    Ok(())
}
