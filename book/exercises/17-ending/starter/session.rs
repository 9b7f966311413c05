//! A node without descriptors: lines in, lines out, and the time is told.

use crate::calls::{Call, Calls, Timeout};
use crate::executor::Executor;
use serde_json::{Map, Value, json};
use std::cell::{Cell, RefCell};
use std::mem::take;
use std::rc::Rc;
use std::time::Duration;

/// For how long a call waits for its reply.
pub const CALL_TIMEOUT: Duration = Duration::from_millis(1000);

/// Maelstrom's numbers of errors.
const TIMEOUT: u64 = 0;
const NOT_SUPPORTED: u64 = 10;
const MALFORMED_REQUEST: u64 = 12;

#[derive(Default)]
pub struct Session {
    node: Rc<Node>,
    executor: Executor,
}

/// The part that handlers use.
#[derive(Default)]
struct Node {
    name: RefCell<String>,
    calls: Calls,
    output: RefCell<Vec<u8>>,
    now: Cell<Duration>,
}

impl Session {
    /// A line has come. A request becomes a task, a reply ends its call, and a line that
    /// is no message is ignored.
    pub fn receive(&mut self, line: &[u8]) {
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        // Absent is not the same as 0.
        match message["body"].get("in_reply_to") {
            None => self.executor.spawn(handle(self.node.clone(), message)),
            Some(number) => {
                let reply = message["body"].clone();
                let number = number.as_u64().unwrap_or_default();
                self.node.calls.end(number, Ok(reply));
            }
        }
    }

    /// The time of this turn. It comes before all else.
    pub fn set_now(&mut self, now: Duration) {
        self.node.now.set(now);
    }

    pub fn next_deadline(&self) -> Option<u64> {
        self.node.calls.next_deadline()
    }

    /// Ends the calls whose time is over.
    pub fn expire(&mut self, now: u64) {
        self.node.calls.expire(now);
    }

    /// Polls each task that is ready, once.
    pub fn run_tasks(&mut self) {
        self.executor.run_ready();
    }

    /// Whether a task is ready.
    pub fn has_work(&self) -> bool {
        self.executor.has_work()
    }

    /// How many requests have no answer yet.
    pub fn tasks(&self) -> usize {
        self.executor.tasks()
    }

    /// The lines that were said since the last call.
    pub fn take_output(&mut self) -> Vec<u8> {
        take(&mut *self.node.output.borrow_mut())
    }
}

/// Answers a request.
async fn handle(node: Rc<Node>, request: Value) {
    let body = &request["body"];
    let answer = match body["type"].as_str() {
        Some("init") => {
            let name = body["node_id"].as_str().unwrap_or_default();
            *node.name.borrow_mut() = name.to_owned();
            json!({"type": "init_ok"})
        }
        Some("echo") => json!({"type": "echo_ok", "echo": body["echo"]}),
        Some("proxy") => match body["inner"].as_object() {
            None => error(MALFORMED_REQUEST, "inner is not a request"),
            Some(inner) => match node.call(&body["target"], inner.clone()).await {
                Ok(reply) => json!({"type": "proxy_ok", "result": reply}),
                Err(Timeout) => error(TIMEOUT, "the target has not answered in time"),
            },
        },
        _ => error(NOT_SUPPORTED, "this node does not know such a request"),
    };
    node.reply(&request, answer);
}

fn error(code: u64, text: &str) -> Value {
    json!({"type": "error", "code": code, "text": text})
}

impl Node {
    /// Sends a request with a number of our own.
    fn call(&self, target: &Value, mut body: Map<String, Value>) -> Call {
        let call = self
            .calls
            .begin(tick_at_or_after(self.now.get() + CALL_TIMEOUT));
        body.insert("msg_id".to_owned(), call.number.into());
        self.say(target, body.into());
        call
    }

    /// Answers a request, if it has a number.
    fn reply(&self, request: &Value, mut body: Value) {
        if let Some(number) = request["body"].get("msg_id") {
            body["in_reply_to"] = number.clone();
            self.say(&request["src"], body);
        }
    }

    fn say(&self, dest: &Value, body: Value) {
        let message = json!({"src": *self.name.borrow(), "dest": dest, "body": body});
        let mut output = self.output.borrow_mut();
        output.extend_from_slice(message.to_string().as_bytes());
        output.push(b'\n');
    }
}

/// The first tick, a whole millisecond, at or after a moment. A timer is never early.
pub fn tick_at_or_after(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
