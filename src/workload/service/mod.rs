//! Maelstrom's four services, with the freedoms that it takes.
//!
//! | service | a read may return |
//! |---|---|
//! | `lin-kv` | the newest value |
//! | `seq-kv` | any of the last 32 states, but none older than the caller has seen |
//! | `lww-kv` | the value at either of two replicas, which are merged now and then |
//! | `lin-tso` | (timestamps, one after another from 0) |
//!
//! Each answers one request at a time. A type of request that a service does not know
//! gets no reply: Maelstrom's worker throws and goes on. Replies carry no `msg_id`.
//!
//! Read next: `key`, the effect of a request on one key; then `sequential`.

mod eventual;
mod key;
mod sequential;

use crate::random::Random;
use eventual::Eventual;
use key::{Answer, KeyRequest, ServiceBody};
use sequential::Sequential;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The services' names, in the order of their numbers.
pub(crate) const NAMES: [&str; 4] = ["lin-kv", "seq-kv", "lww-kv", "lin-tso"];

/// All services of a cluster.
pub(crate) struct Services {
    lin_kv: Linearizable,
    seq_kv: Sequential,
    lww_kv: Eventual,
    lin_tso: Oracle,
    random: Random,
}

impl Services {
    pub(crate) fn new(random: Random) -> Services {
        Services {
            lin_kv: Linearizable::default(),
            seq_kv: Sequential::default(),
            lww_kv: Eventual::default(),
            lin_tso: Oracle::default(),
            random,
        }
    }

    /// Makes service number `service` answer the request in `body`, from `client`.
    /// Returns the reply's body, or `None` if there is no reply.
    pub(crate) fn answer(&mut self, service: usize, client: &str, body: &str) -> Option<Value> {
        let body: ServiceBody = serde_json::from_str(body).ok()?;
        let msg_id = body.msg_id.clone();
        let mut reply = if service == 3 {
            self.lin_tso.answer(&body)?
        } else {
            let request = KeyRequest::from_body(body)?;
            Value::from(match service {
                0 => self.lin_kv.answer(&request),
                1 => self.seq_kv.answer(client, &request, &mut self.random),
                _ => self.lww_kv.answer(&request, &mut self.random),
            })
        };
        reply["in_reply_to"] = msg_id;
        Some(reply)
    }
}

/// `lin-kv`: one map, and every request sees all that came before it.
#[derive(Default)]
struct Linearizable {
    values: BTreeMap<String, Value>,
}

impl Linearizable {
    fn answer(&mut self, request: &KeyRequest) -> Answer {
        let (written, answer) = request.apply(self.values.get(&request.key));
        if let Some(value) = written {
            self.values.insert(request.key.clone(), value);
        }
        answer
    }
}

/// `lin-tso`: timestamps, one after another from 0.
#[derive(Default)]
struct Oracle {
    next: u64,
}

impl Oracle {
    fn answer(&mut self, body: &ServiceBody) -> Option<Value> {
        if body.kind != "ts" {
            return None;
        }
        let ts = self.next;
        self.next += 1;
        Some(json!({"type": "ts_ok", "ts": ts}))
    }
}

#[cfg(test)]
mod tests;
