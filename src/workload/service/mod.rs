//! Maelstrom's four services, with the freedoms that it takes.
//!
//! | service | a read may return |
//! |---|---|
//! | `lin-kv` | the newest value |
//! | `seq-kv` | any of the last 32 states, but none older than the caller has seen |
//! | `lww-kv` | the value at either of two replicas, which are merged now and then |
//! | `lin-tso` | (timestamps, one after another from 0) |
//!
//! Each answers one request at a time. Replies carry no `msg_id`. Numbers of more than 64 bits are
//! rounded to a double: nodes should send them as strings.
//!
//! Under test a service is as taciturn as Maelstrom's, whose worker throws and goes on. On NATS,
//! as `eddyline serve`, it says what is wrong:
//!
//! | request | under test | on NATS |
//! |---|---|---|
//! | a body that cannot be read | error 12 | error 12 |
//! | of an unknown type | no reply | error 10 |
//! | without a field that its type needs | the field is null | error 12 |
//! | without a `msg_id` | carried out, `in_reply_to` is null | carried out, no reply |
//! | without a `msg_id`, and wrong | no reply | no reply |
//!
//! Read next: `key`, the effect of a request on one key; then `sequential`, and `strict`.

mod eventual;
mod kept;
mod key;
mod sequential;
mod strict;

use crate::random::Random;
use eventual::Eventual;
use kept::{Keeper, Kept};
use key::{Answer, KeyRequest, ServiceBody};
use sequential::Sequential;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// The services' names, in the order of their numbers.
pub(crate) const NAMES: [&str; 4] = ["lin-kv", "seq-kv", "lww-kv", "lin-tso"];

/// All services of a cluster.
pub(crate) struct Services {
    lin_kv: Linearizable,
    seq_kv: Sequential,
    lww_kv: Eventual,
    lin_tso: Oracle,
    random: Random,
    keeper: Keeper,
}

impl Services {
    pub(crate) fn new(random: Random) -> Services {
        Services {
            lin_kv: Linearizable::default(),
            seq_kv: Sequential::default(),
            lww_kv: Eventual::default(),
            lin_tso: Oracle::default(),
            random,
            keeper: Keeper::default(),
        }
    }

    /// The memory that the values of all services take, about.
    pub(crate) fn held_bytes(&self) -> usize {
        self.keeper.bytes()
    }

    /// Makes service number `service` answer the request in `body`, from `client`.
    /// Returns the reply, or `None` if there is no reply.
    pub(crate) fn answer(&mut self, service: usize, client: &str, body: &str) -> Option<Reply> {
        let body: ServiceBody = match serde_json::from_str(body) {
            Ok(body) => body,
            Err(error) => return Reply::malformed(body, &error),
        };
        let in_reply_to = body.msg_id.clone();
        let answer = if service == 3 {
            self.lin_tso.answer(&body)?
        } else {
            let request = KeyRequest::from_body(body, &self.keeper)?;
            match service {
                0 => self.lin_kv.answer(&request),
                1 => self.seq_kv.answer(client, &request, &mut self.random),
                _ => self.lww_kv.answer(&request, &mut self.random),
            }
        };
        Some(Reply {
            in_reply_to,
            answer,
        })
    }
}

/// A reply, whose text is made when it is wanted: a short request can ask for a long value.
/// `{}` prints its body.
pub(crate) struct Reply {
    in_reply_to: Value,
    answer: Answer,
}

impl Reply {
    /// The reply to a body that cannot be read; `None` if not even its `msg_id` can.
    fn malformed(body: &str, error: &serde_json::Error) -> Option<Reply> {
        #[derive(Deserialize)]
        struct Numbered {
            msg_id: Value,
        }
        // All other fields are skipped, whatever is wrong with them.
        let Numbered { msg_id } = serde_json::from_str(body).ok()?;
        Some(Reply {
            in_reply_to: msg_id,
            answer: Answer::Malformed(format!("the body of the request cannot be read: {error}")),
        })
    }
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<u32>,
            in_reply_to: &'a Value,
            #[serde(skip_serializing_if = "Option::is_none")]
            text: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            ts: Option<u64>,
            #[serde(rename = "type")]
            kind: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            value: Option<&'a Value>,
        }
        let reply = |kind| Body {
            code: None,
            in_reply_to: &self.in_reply_to,
            text: None,
            ts: None,
            kind,
            value: None,
        };
        let error = |code, text| Body {
            code: Some(code),
            text: Some(text),
            ..reply("error")
        };
        let body = match &self.answer {
            Answer::Read(kept) => Body {
                value: Some(&kept.value),
                ..reply("read_ok")
            },
            Answer::Written => reply("write_ok"),
            Answer::Swapped => reply("cas_ok"),
            Answer::NoSuchKey => error(20, "key does not exist".to_owned()),
            Answer::Mismatch { current, from } => {
                let (current, from) = (&current.value, &from.value);
                error(22, format!("current value {current} is not {from}"))
            }
            Answer::NotSupported(why) => error(10, why.clone()),
            Answer::Malformed(why) => error(12, why.clone()),
            Answer::Time(ts) => Body {
                ts: Some(*ts),
                ..reply("ts_ok")
            },
        };
        body.serialize(serializer)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// `lin-kv`: one map, and every request sees all that came before it.
#[derive(Default)]
struct Linearizable {
    values: BTreeMap<String, Rc<Kept>>,
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
    fn answer(&mut self, body: &ServiceBody) -> Option<Answer> {
        if body.kind != "ts" {
            return None;
        }
        let ts = self.next;
        self.next += 1;
        Some(Answer::Time(ts))
    }
}

#[cfg(test)]
mod tests;
