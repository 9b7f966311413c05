//! The loop of the bare loops: it blocks in `read`, answers every line, and writes all
//! replies after each read.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

/// The body of a request.
#[derive(Deserialize)]
pub struct Request<'a> {
    /// Its type.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// Its number.
    pub msg_id: u64,
    /// The value that comes back.
    #[serde(borrow)]
    pub echo: Option<&'a RawValue>,
}

/// Answers lines with `answer`, which gets a line, the number of its reply, and the output.
/// Ends with the input, or with the first line that `answer` refuses.
pub fn run(
    answer: impl Fn(&[u8], u64, &mut Vec<u8>) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    // Without std's buffers, which would copy every byte once more.
    let mut input = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    let mut buffer = vec![0; 1 << 20];
    let (mut start, mut end) = (0, 0);
    let mut out = Vec::new();
    let mut msg_id = 0;
    loop {
        if buffer.len() - end < 64 << 10 {
            buffer.copy_within(start..end, 0);
            (start, end) = (0, end - start);
            if buffer.len() - end < 64 << 10 {
                buffer.resize(2 * buffer.len(), 0);
            }
        }
        let until = end + (64 << 10);
        let count = input.read(&mut buffer[end..until])?;
        if count == 0 {
            return Ok(());
        }
        let searched = end - start;
        end += count;
        let mut from = start + searched;
        while let Some(found) = memchr::memchr(b'\n', &buffer[from..end]) {
            answer(&buffer[start..from + found], msg_id, &mut out)?;
            msg_id += 1;
            start = from + found + 1;
            from = start;
        }
        if start == end {
            (start, end) = (0, 0);
        }
        output.write_all(&out)?;
        out.clear();
    }
}
