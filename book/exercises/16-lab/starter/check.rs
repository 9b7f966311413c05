//! One run of a node on the lying kernel, and the question whether it is right. A bug can
//! be planted in the node.

use crate::Liar;
use crate::node::{Edges, Kernel, Loop};
use serde_json::{Value, json};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// A mistake of the loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// A read that does not fill the chunk is taken as the last one.
    ShortReadIsDry,
    /// The rest of a partial write is dropped.
    RestIsDropped,
    /// A read that finds nothing after an edge is taken for the end.
    EdgeIsProof,
}

/// Stands between a sound loop and its kernel, so that both together act as if the loop
/// had the bug.
struct Planted {
    liar: Liar,
    bug: Option<Bug>,
    was_short: bool,
    has_edge: bool,
}

impl Kernel for Planted {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Edges> {
        let edges = self.liar.wait(timeout)?;
        self.has_edge = edges.readable;
        self.was_short = false;
        Ok(edges)
    }

    fn now(&mut self) -> Duration {
        self.liar.now()
    }

    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        if self.bug == Some(Bug::ShortReadIsDry) && self.was_short {
            return Err(ErrorKind::WouldBlock.into()); // it does not ask
        }
        let read = self.liar.read(chunk);
        self.was_short = read.as_ref().is_ok_and(|count| *count < chunk.len());
        let is_first = std::mem::take(&mut self.has_edge);
        match self.bug {
            Some(Bug::EdgeIsProof) if is_first => Ok(read.unwrap_or(0)),
            _ => read,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.liar.write(bytes);
        match self.bug {
            Some(Bug::RestIsDropped) => written.map(|_| bytes.len()),
            _ => written,
        }
    }
}

/// Requests of several sizes, and one whose call is never answered.
fn requests() -> Vec<Value> {
    let echo = |number: u64| {
        let text = "x".repeat((number as usize * 911) % 7_000);
        json!({"type": "echo", "msg_id": number, "echo": text})
    };
    let mut bodies: Vec<Value> = (1..=12).map(echo).collect();
    let inner = json!({"type": "echo", "echo": 1});
    bodies.push(json!({"type": "proxy", "msg_id": 13, "target": "n2", "inner": inner}));
    bodies
}

/// Makes a run. The error says what is wrong with it.
pub fn check(seed: u64, bug: Option<Bug>) -> Result<(), String> {
    let message = |body: &Value| json!({"src": "c1", "dest": "n1", "body": body}).to_string();
    let input: Vec<String> = requests().iter().map(message).collect();
    let mut node = Loop::new(Planted {
        liar: Liar::new(seed, (input.join("\n") + "\n").as_bytes()),
        bug,
        was_short: false,
        has_edge: false,
    });
    let mut turns = 0;
    while !node.kernel.liar.is_over {
        turns += 1;
        if turns > 20_000 {
            return Err("20,000 turns, and no end".to_owned());
        }
        match node.turn() {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(format!("turn {turns}: {error}")),
        }
    }
    let output = String::from_utf8_lossy(&node.kernel.liar.taken).into_owned();
    let mut answers = Vec::new();
    for line in output.lines() {
        let message: Value = serde_json::from_str(line)
            .map_err(|_| format!("turn {turns}: a line is broken: {:.40}…", line))?;
        let body = &message["body"];
        if message["dest"] == "c1" {
            let kind = body["type"].as_str().unwrap_or_default().to_owned();
            answers.push((body["in_reply_to"].as_u64(), kind));
        }
    }
    let expected = (1..=13).map(|number| {
        let kind = if number == 13 { "error" } else { "echo_ok" };
        (Some(number), kind.to_owned())
    });
    match answers.len() {
        13 if answers.into_iter().eq(expected) => Ok(()),
        13 => Err(format!("turn {turns}: wrong answers")),
        count => Err(format!("turn {turns}: {count} of 13 answers, and the node waits for ever")),
    }
}
