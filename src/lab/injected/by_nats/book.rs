//! The book of a run: what the servers handed to the node, what came back, and when the
//! node had no server.

use crate::lab::injected::request::{Answer, Request, Wanted};
use crate::time::Instant;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a call of the node waits for its reply: the default.
const RPC_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Book {
    /// The requests that were handed to a connection with subscriptions.
    pub(super) requests: BTreeMap<u64, Request>,
    /// The times without a connection that serves: from the last sign of the old one to the
    /// subscriptions of the next.
    outages: Vec<(Instant, Instant)>,
    /// Since when there is none.
    since: Option<Instant>,
    /// How late an answer may be.
    pub(super) slack: Duration,
    /// The `msg_id`s that the node has given out.
    msg_ids: BTreeSet<u64>,
    /// The script is over, and the requests that came after it are answered.
    pub(super) is_over: bool,
    pub(super) connections: u64,
    pub(super) errors: Vec<String>,
}

impl Book {
    pub(super) fn new(slack: Duration) -> Book {
        Book {
            requests: BTreeMap::new(),
            outages: Vec::new(),
            since: Some(Instant::ZERO),
            slack,
            msg_ids: BTreeSet::new(),
            is_over: false,
            connections: 0,
            errors: Vec::new(),
        }
    }

    pub(super) fn error(&mut self, text: String) {
        self.errors.push(text);
    }

    /// A connection has its subscriptions.
    pub(super) fn serves(&mut self, now: Instant) {
        self.connections += 1;
        if let Some(since) = self.since.take() {
            self.outages.push((since, now));
        }
    }

    /// The connection that served has served until then.
    pub(super) fn serves_no_more(&mut self, since: Instant) {
        self.since.get_or_insert(since);
    }

    pub(super) fn is_served(&self) -> bool {
        self.since.is_none()
    }

    /// The requests without an answer that no outage explains.
    pub(super) fn lost(&self) -> Vec<String> {
        let open = self.requests.values().filter(|request| !request.answered);
        let lost = open.filter(|request| {
            let written = request.written.unwrap_or(Instant::ZERO);
            let due = written + self.work(request) + self.slack;
            let mut outages = self.outages.iter();
            !outages.any(|&(since, until)| since <= due && written <= until)
        });
        let text = |request: &Request| {
            let Request {
                msg_id,
                wanted,
                written,
                ..
            } = request;
            format!(
                "{msg_id} {wanted:?} at {written:?}, outages {:?}",
                self.outages
            )
        };
        lost.map(text).collect()
    }

    /// How long the node works on a request.
    fn work(&self, request: &Request) -> Duration {
        match request.wanted {
            Wanted::Proxy(_) => RPC_TIMEOUT,
            Wanted::Nap(millis) => Duration::from_millis(millis),
            _ => Duration::ZERO,
        }
    }

    /// Takes a message of the node. If it is a call to the other node, returns the call's
    /// `msg_id` and how that node is to answer.
    pub(super) fn receive(&mut self, line: &[u8], now: Instant) -> Option<(u64, u64, Answer)> {
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            let text = String::from_utf8_lossy(line)
                .chars()
                .take(200)
                .collect::<String>();
            self.error(format!("no message: {text:?}"));
            return None;
        };
        let body = &message["body"];
        if let Some(msg_id) = body["msg_id"].as_u64()
            && !self.msg_ids.insert(msg_id)
        {
            self.error(format!("message {msg_id} was received twice"));
        }
        if let Some(to) = body["in_reply_to"].as_u64() {
            self.answered(to, &message);
            return None;
        }
        match body["type"].as_str() {
            Some("work") => {
                let (of, msg_id) = (body["of"].as_u64()?, body["msg_id"].as_u64()?);
                let request = self.requests.get_mut(&of)?;
                if request.called.replace(now).is_some() {
                    self.error(format!("proxy {of} called twice"));
                    return None;
                }
                match request.wanted {
                    Wanted::Proxy(answer) => Some((of, msg_id, answer)),
                    _ => None,
                }
            }
            Some("tell") => {
                let of = body["of"].as_str().and_then(|of| of.parse().ok());
                let request = of.and_then(|of| self.requests.get_mut(&of))?;
                request.told += 1;
                if let Wanted::Spam(count, _) = request.wanted
                    && request.told > count
                {
                    self.error(format!("more messages of {of:?} than {count}"));
                }
                None
            }
            _ => {
                self.error(format!("a message without a reason: {message}"));
                None
            }
        }
    }

    fn answered(&mut self, to: u64, message: &Value) {
        let Some(request) = self.requests.get_mut(&to) else {
            return self.error(format!("a reply to {to}, which was never sent: {message}"));
        };
        let body = &message["body"];
        let is_second = std::mem::replace(&mut request.answered, true);
        let is_for_another = message["dest"] != request.source();
        let (code, kind) = (body["code"].as_u64(), body["type"].as_str());
        let is_right = match request.wanted {
            Wanted::Echo(len) => kind == Some("echo_ok") && body["echo"] == request.text(len),
            Wanted::Nap(_) => kind == Some("nap_ok"),
            // Ended by its deadline, by the server's report, or by n2.
            Wanted::Proxy(_) => kind == Some("proxy_ok") || matches!(code, Some(0 | 1 | 21)),
            Wanted::Spam(..) => kind == Some("spam_ok") || code == Some(11),
            _ => code == Some(10),
        };
        if is_second || is_for_another || !is_right {
            let text: String = message.to_string().chars().take(300).collect();
            self.error(format!(
                "the reply to {to}: second {is_second}, for another {is_for_another}, right {is_right}: {text}"
            ));
        }
    }
}
