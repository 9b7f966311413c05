//! The loop of the bare loops: it blocks in `read`, answers every line, and writes all
//! replies after each read.

use serde::{Deserialize, Serialize};
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

#[derive(Deserialize, Serialize)]
struct Envelope<'a, B> {
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow)]
    dest: Cow<'a, str>,
    body: B,
}

#[derive(Serialize)]
struct Reply<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    msg_id: u64,
    in_reply_to: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    echo: Option<&'a RawValue>,
}

/// Answers an echo or `init`, with a line that ends with a newline.
///
/// # Errors
/// When the line is no request.
pub fn answer(line: &[u8], msg_id: u64, out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    let envelope: Envelope<&RawValue> = serde_json::from_slice(line)?;
    let request: Request = serde_json::from_str(envelope.body.get())?;
    let body = Reply {
        kind: if request.kind == "init" {
            "init_ok"
        } else {
            "echo_ok"
        },
        msg_id,
        in_reply_to: request.msg_id,
        echo: request.echo,
    };
    let reply = Envelope {
        src: envelope.dest,
        dest: envelope.src,
        body,
    };
    serde_json::to_writer(&mut *out, &reply)?;
    out.push(b'\n');
    Ok(())
}
