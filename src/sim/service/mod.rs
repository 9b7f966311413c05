//! Maelstrom's services, with the liberties that it takes.
//!
//! Each answers one request at a time. A type of request that a service does
//! not know is answered with silence, as Maelstrom's worker throws and carries
//! on; replies carry no `msg_id` of their own.

mod eventual;
mod linearizable;
mod operation;
mod oracle;
mod sequential;

use crate::random::Random;
use eventual::Eventual;
use linearizable::Linearizable;
use operation::{Asked, Request};
use oracle::Oracle;
use sequential::Sequential;
use serde_json::{Value, json};

/// The services' names, in the order of their addresses.
pub(super) const NAMES: [&str; 4] = ["lin-kv", "seq-kv", "lww-kv", "lin-tso"];

/// All services of a cluster.
pub(super) struct Services {
    lin_kv: Linearizable,
    seq_kv: Sequential,
    lww_kv: Eventual,
    lin_tso: Oracle,
    random: Random,
}

impl Services {
    pub(super) fn new(random: Random) -> Services {
        Services {
            lin_kv: Linearizable::default(),
            seq_kv: Sequential::default(),
            lww_kv: Eventual::default(),
            lin_tso: Oracle::default(),
            random,
        }
    }

    /// Has service number `service` answer the request in `body`, which came
    /// from `client`. Returns the reply's body; `None` is silence.
    pub(super) fn answer(&mut self, service: usize, client: &str, body: &str) -> Option<Value> {
        let asked: Asked = serde_json::from_str(body).ok()?;
        let msg_id = asked.msg_id.clone();
        let mut reply = match service {
            3 => self.lin_tso.answer(&asked),
            _ => {
                let request = Request::from_asked(asked)?;
                match service {
                    0 => self.lin_kv.answer(&request),
                    1 => self.seq_kv.answer(client, &request, &mut self.random),
                    _ => self.lww_kv.answer(&request, &mut self.random),
                }
            }
            .into(),
        }?;
        reply["in_reply_to"] = msg_id;
        Some(reply)
    }
}

/// A reply of a key-value service.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Read(Value),
    Written,
    Swapped,
    NoSuchKey,
    Mismatch { current: Value, from: Value },
}

impl From<Answer> for Option<Value> {
    fn from(answer: Answer) -> Option<Value> {
        Some(match answer {
            Answer::Read(value) => json!({"type": "read_ok", "value": value}),
            Answer::Written => json!({"type": "write_ok"}),
            Answer::Swapped => json!({"type": "cas_ok"}),
            Answer::NoSuchKey => {
                json!({"type": "error", "code": 20, "text": "key does not exist"})
            }
            Answer::Mismatch { current, from } => {
                let text = format!("current value {current} is not {from}");
                json!({"type": "error", "code": 22, "text": text})
            }
        })
    }
}

#[cfg(test)]
mod tests;
