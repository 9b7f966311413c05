//! Requests to the node: their lines, and what became of each.

use crate::time::Instant;
use serde_json::json;
use std::time::Duration;

/// The work that a request asks for.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    Init,
    /// Holds the number of bytes.
    Echo(usize),
    Proxy(Answer),
    Start,
    Send(usize),
    Stats,
    /// Sleeps for so many milliseconds.
    Nap(u64),
    /// Waits for [`Bell`](super::node::Bell).
    Bell,
    /// Sends so many messages of so many bytes.
    Spam(u64, usize),
    Unknown,
}

/// How the other node answers a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    After(Duration),
    Error(Duration),
    Twice(Duration, Duration),
    /// Another node answers first, with the right number.
    Forged(Duration),
    Never,
}

/// A request, and its state.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) wanted: Wanted,
    pub(super) msg_id: u64,
    /// When its last byte was in the pipe to the node.
    pub(super) written: Option<Instant>,
    pub(super) answered: bool,
    /// The answer was no error.
    pub(super) succeeded: bool,
    /// For a proxy: when the last byte of the first good reply was in the pipe.
    pub(super) reply_written: Option<Instant>,
    /// For a proxy: when the other node got the call.
    pub(super) called: Option<Instant>,
    /// For a spam: how many of its messages have come.
    pub(super) told: u64,
    /// For a send: the port of the server was known when this was written.
    pub(super) server_listened: bool,
}

impl Request {
    pub(super) fn new(wanted: Wanted, msg_id: u64) -> Request {
        Request {
            wanted,
            msg_id,
            written: None,
            answered: false,
            succeeded: false,
            reply_written: None,
            called: None,
            told: 0,
            server_listened: false,
        }
    }

    pub(super) fn source(&self) -> String {
        format!("c{}", self.msg_id % 5)
    }

    /// The data of a request: no two requests have the same.
    pub(super) fn text(&self, len: usize) -> String {
        let mut text = format!("{}:", self.msg_id);
        let more = len.saturating_sub(text.len());
        let alphabet = "abcdefghijklmnopqrstuvw";
        text.push_str(&alphabet.repeat(more.div_ceil(alphabet.len()))[..more]);
        text
    }

    /// The request as a line, without its newline.
    pub(super) fn line(&self) -> Vec<u8> {
        let id = self.msg_id;
        let body = match &self.wanted {
            Wanted::Init => {
                json!({ "type": "init", "msg_id": id, "node_id": "n1", "node_ids": ["n1", "n2"] })
            }
            Wanted::Echo(len) => json!({ "type": "echo", "msg_id": id, "echo": self.text(*len) }),
            Wanted::Proxy(_) => json!({
                "type": "proxy", "msg_id": id, "target": "n2",
                "inner": { "type": "work", "of": id },
            }),
            Wanted::Start => json!({ "type": "tcp_echo_start", "msg_id": id, "port": 0 }),
            Wanted::Send(len) => {
                json!({ "type": "tcp_echo_send", "msg_id": id, "data": self.text(*len) })
            }
            Wanted::Stats => json!({ "type": "tcp_echo_stats", "msg_id": id }),
            Wanted::Nap(millis) => json!({ "type": "nap", "msg_id": id, "millis": millis }),
            Wanted::Bell => json!({ "type": "bell", "msg_id": id }),
            Wanted::Spam(count, bytes) => {
                json!({ "type": "spam", "msg_id": id, "count": count, "bytes": bytes })
            }
            Wanted::Unknown => json!({ "type": "no_such_thing", "msg_id": id }),
        };
        let line = json!({ "src": self.source(), "dest": "n1", "body": body });
        line.to_string().into_bytes()
    }

    /// Whether a process may end without an answer to it: it waits for another node.
    pub(super) fn may_wait(&self) -> bool {
        matches!(self.wanted, Wanted::Proxy(_))
    }
}
