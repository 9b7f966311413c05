//! The bare loop: a node that can only echo, as a lower bound of the cost.
//!
//! It parses the envelope and then the body with serde_json, both borrowed from the line,
//! and serialises its reply. It has no timers, calls, limits, errors or backpressure, and
//! ends at the first malformed line. `lean_loop` goes one step further.

use peers::bare::{Request, run};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::error::Error;

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

fn answer(line: &[u8], msg_id: u64, out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
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

fn main() -> Result<(), Box<dyn Error>> {
    run(answer)
}
