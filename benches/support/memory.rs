//! A session in memory, on virtual time.

use eddyline::session::{Session, Settings};
use eddyline::time::{Clock, VirtualClock};
use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::rc::Rc;
use std::time::Duration;

/// Echoes, calls another node, and sleeps.
struct Bench;

/// The fields of an echo. The value is returned byte for byte.
#[derive(Serialize, Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    echo: &'a RawValue,
}

impl Node for Bench {
    fn new(_: &Context) -> Bench {
        Bench
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "echo" => cx.reply(&request, &request.body::<Echo>()?),
            "ask" => {
                let reply = cx.sync_rpc("n2", "echo", &request.body::<Echo>()?).await?;
                cx.reply(&request, &reply.body::<Echo>()?)
            }
            "nap" => {
                cx.sleep(Duration::from_millis(1)).await;
                cx.reply(&request, &())
            }
            _ => cx.not_supported(&request),
        }
    }
}

/// A session after `init`.
pub(crate) struct Memory {
    pub(crate) session: Session,
    clock: VirtualClock,
    /// The number of the next message that the session sends.
    next_msg_id: u64,
    /// A buffer for replies, kept to reuse its memory.
    line: Vec<u8>,
}

impl Memory {
    pub(crate) fn new() -> Memory {
        let clock = VirtualClock::default();
        let shared: Rc<dyn Clock> = Rc::new(clock.clone());
        let session = Session::new(Bench::new, Settings::default(), shared, |text| {
            panic!("unexpected log line: {text}")
        });
        let mut memory = Memory {
            session,
            clock,
            next_msg_id: 1,
            line: Vec::with_capacity(256),
        };
        memory.session.receive(
            br#"{"id":0,"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2"]}}"#,
        );
        memory.written();
        memory
    }

    /// An echo: one line of input, one line of output.
    pub(crate) fn echo(&mut self, line: &[u8]) -> usize {
        self.session.receive(line);
        self.next_msg_id += 1;
        self.written()
    }

    /// A call and its reply: a request comes in, our own request goes out, its reply
    /// comes in, and our reply goes out.
    pub(crate) fn ask(&mut self, line: &[u8]) -> usize {
        self.session.receive(line);
        self.line.clear();
        self.line.extend_from_slice(REPLY_FRONT);
        push_digits(&mut self.line, self.next_msg_id);
        self.line.extend_from_slice(REPLY_REST);
        self.next_msg_id += 2;
        self.session.receive(&self.line);
        self.session.run_tasks(200);
        self.written()
    }

    /// A timer: a request comes in, a timer fires, and our reply goes out.
    pub(crate) fn nap(&mut self, line: &[u8]) -> usize {
        self.session.receive(line);
        self.next_msg_id += 1;
        self.clock.advance(Duration::from_millis(2));
        self.session.expire(self.clock.now());
        self.session.run_tasks(200);
        self.written()
    }

    /// Consumes the session's output. Returns its length.
    fn written(&mut self) -> usize {
        let mut output = self.session.output();
        let len = output.len();
        assert!(len > 0, "there is no output");
        output.consume(len);
        len
    }
}

/// The other node's reply, before and after the number of the request.
const REPLY_FRONT: &[u8] =
    br#"{"id":7,"src":"n2","dest":"n1","body":{"type":"echo_ok","in_reply_to":"#;
const REPLY_REST: &[u8] = br#","echo":"Please echo 35 and more"}}"#;

/// Appends a number in decimal. `write!` takes four times as long, and this time would
/// be part of the measurement.
fn push_digits(line: &mut Vec<u8>, number: u64) {
    let begin = line.len();
    let mut rest = number;
    loop {
        line.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    line[begin..].reverse();
}

/// A request in the format of Maelstrom. It has about 100 bytes with [`SHORT`].
pub(crate) fn request(kind: &str, payload: &str) -> String {
    format!(
        r#"{{"id":42,"src":"c1","dest":"n1","body":{{"type":"{kind}","msg_id":1234,"echo":"{payload}"}}}}"#
    )
}

/// The payload of short lines.
pub(crate) const SHORT: &str = "Please echo 35 and more";
