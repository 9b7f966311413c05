//! One end of a pipe writes lines, the other one reads. A read is not a line.

use rustix::io::{read, write};
use rustix::pipe::{PipeFlags, pipe_with};

fn main() -> std::io::Result<()> {
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK)?;
    let mut chunk = [0; 4096];
    let mut shown = |count| -> std::io::Result<String> {
        let count = read(&reader, &mut chunk[..count])?;
        Ok(String::from_utf8_lossy(&chunk[..count]).into_owned())
    };
    write(&writer, b"first\n")?;
    write(&writer, b"second\n")?;
    println!("two writes, then a read:    {:?}", shown(4096)?);
    write(&writer, b"a line that is longer than the read\n")?;
    println!("one write, reads of 16:     {:?}", shown(16)?);
    println!("                            {:?}", shown(16)?);
    println!("                            {:?}", shown(16)?);
    Ok(())
}
