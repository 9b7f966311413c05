//! The lean loop: the bare loop, with its reply written by hand.
//!
//! It parses as the bare loop does. Its reply is pieces of text, with numbers by `itoa` and
//! the names and the value as they stood in the line. So it can write this one reply only.

use peers::bare::{Request, run};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::error::Error;

#[derive(Deserialize)]
struct Envelope<'a> {
    /// A name with an escape is refused.
    src: &'a str,
    dest: &'a str,
    #[serde(borrow)]
    body: &'a RawValue,
}

fn answer(line: &[u8], msg_id: u64, out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    let envelope: Envelope = serde_json::from_str(std::str::from_utf8(line)?)?;
    let request: Request = serde_json::from_str(envelope.body.get())?;
    let kind: &[u8] = if request.kind == "init" {
        br#"","body":{"type":"init_ok","msg_id":"#
    } else {
        br#"","body":{"type":"echo_ok","msg_id":"#
    };
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(br#"{"src":""#);
    out.extend_from_slice(envelope.dest.as_bytes());
    out.extend_from_slice(br#"","dest":""#);
    out.extend_from_slice(envelope.src.as_bytes());
    out.extend_from_slice(kind);
    out.extend_from_slice(digits.format(msg_id).as_bytes());
    out.extend_from_slice(br#","in_reply_to":"#);
    out.extend_from_slice(digits.format(request.msg_id).as_bytes());
    if let Some(echo) = request.echo {
        out.extend_from_slice(br#","echo":"#);
        out.extend_from_slice(echo.get().as_bytes());
    }
    out.extend_from_slice(b"}}\n");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(answer)
}
