//! Wrong nodes, whose runs the pages must explain.

use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A set that tells each new element to all others once: a lost message is a lost element.
pub(crate) struct Forgetful {
    elements: RefCell<BTreeSet<u64>>,
}

#[derive(Serialize, Deserialize)]
struct Add {
    element: u64,
}

impl Node for Forgetful {
    fn new(_: &Context) -> Self {
        Forgetful {
            elements: RefCell::default(),
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "add" => {
                let add: Add = request.body()?;
                self.elements.borrow_mut().insert(add.element);
                for peer in cx.peers() {
                    cx.send(peer, "tell", &add)?;
                }
                cx.reply(&request, &())
            }
            "tell" => {
                self.elements
                    .borrow_mut()
                    .insert(request.body::<Add>()?.element);
                Ok(())
            }
            _ => {
                let value = self.elements.borrow().clone();
                cx.reply(&request, &json!({ "value": value }))
            }
        }
    }
}

/// A store that each node keeps for itself.
pub(crate) struct Islands {
    values: RefCell<BTreeMap<u64, i64>>,
}

#[derive(Deserialize)]
struct Fields {
    key: u64,
    value: Option<i64>,
    from: Option<i64>,
    to: Option<i64>,
}

impl Node for Islands {
    fn new(_: &Context) -> Self {
        Islands {
            values: RefCell::default(),
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let fields: Fields = request.body()?;
        let now = self.values.borrow().get(&fields.key).copied();
        let none = || eddyline::Error::key_does_not_exist("there is no such key");
        match request.kind() {
            "read" => {
                let value = now.ok_or_else(none)?;
                cx.reply(&request, &json!({ "value": value }))
            }
            "cas" if now != fields.from => match now {
                None => Err(none()),
                Some(_) => Err(eddyline::Error::precondition_failed("another value")),
            },
            _ => {
                let value = fields.value.or(fields.to).unwrap_or_default();
                self.values.borrow_mut().insert(fields.key, value);
                cx.reply(&request, &())
            }
        }
    }
}

/// A sound node: the echo.
pub(crate) struct Parrot;

impl Node for Parrot {
    fn new(_: &Context) -> Self {
        Parrot
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let body: Value = request.body()?;
        cx.reply(&request, &json!({ "echo": body["echo"] }))
    }
}

/// A node that does every workload wrongly. It tells other nodes once and never again; it
/// turns an echo round; it counts ids for itself; it overwrites a message of a log, and a poll
/// leaves one out.
pub(crate) struct Wrong {
    served: Cell<u64>,
    is_broadcast: Cell<bool>,
    total: Cell<i64>,
    elements: RefCell<Vec<u64>>,
    stored: RefCell<BTreeMap<String, Value>>,
    logs: RefCell<BTreeMap<String, Vec<Value>>>,
    committed: RefCell<BTreeMap<String, Value>>,
}

impl Node for Wrong {
    fn new(_: &Context) -> Self {
        Wrong {
            served: Cell::default(),
            is_broadcast: Cell::default(),
            total: Cell::default(),
            elements: RefCell::default(),
            stored: RefCell::default(),
            logs: RefCell::default(),
            committed: RefCell::default(),
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let body: Value = request.body()?;
        let served = self.served.get() + 1;
        self.served.set(served);
        let tell = |fields: Value| -> Result<()> {
            let mut peers = cx.peers();
            peers.try_for_each(|peer| cx.send(peer, "tell", &fields))
        };
        match request.kind() {
            "echo" if served.is_multiple_of(7) => {
                cx.reply(&request, &json!({ "echo": "something else" }))
            }
            "echo" => cx.reply(&request, &json!({ "echo": body["echo"] })),
            "generate" => cx.reply(&request, &json!({ "id": served })),
            "tell" => {
                self.hear(&body);
                Ok(())
            }
            "broadcast" | "add" => {
                self.hear(&body);
                tell(json!({ "message": body["message"], "delta": body["delta"] }))?;
                cx.reply(&request, &())
            }
            // A topology comes in a broadcast alone.
            "topology" => {
                self.is_broadcast.set(true);
                cx.reply(&request, &())
            }
            "read" if self.is_broadcast.get() => {
                let messages = self.elements.borrow().clone();
                cx.reply(&request, &json!({ "messages": messages }))
            }
            "read" => cx.reply(&request, &json!({ "value": self.total.get() })),
            "txn" => {
                let (done, changed) = self.transact(&body["txn"]);
                tell(json!({ "changed": changed }))?;
                cx.reply(&request, &json!({ "txn": done }))
            }
            "send" => cx.reply(&request, &json!({ "offset": self.append(&body) })),
            "poll" => cx.reply(&request, &json!({ "msgs": self.poll(&body, served) })),
            "commit_offsets" => {
                let offsets = body["offsets"].as_object().cloned().unwrap_or_default();
                self.committed.borrow_mut().extend(offsets);
                cx.reply(&request, &())
            }
            "list_committed_offsets" => {
                let offsets = self.committed.borrow().clone();
                cx.reply(&request, &json!({ "offsets": offsets }))
            }
            _ => cx.reply(&request, &()),
        }
    }
}

impl Wrong {
    fn hear(&self, body: &Value) {
        self.elements.borrow_mut().extend(body["message"].as_u64());
        let delta = body["delta"].as_i64().unwrap_or_default();
        self.total.set(self.total.get() + delta);
        let changed = body["changed"].as_object().cloned().unwrap_or_default();
        self.stored.borrow_mut().extend(changed);
    }

    /// The transaction with its reads, and the keys that it has changed.
    fn transact(&self, txn: &Value) -> (Vec<Value>, BTreeMap<String, Value>) {
        let mut stored = self.stored.borrow_mut();
        let (mut done, mut changed) = (Vec::new(), BTreeMap::new());
        for micro in txn.as_array().into_iter().flatten() {
            let key = micro[1].to_string();
            let value = stored.entry(key.clone()).or_default();
            match micro[0].as_str() {
                Some("r") => done.push(json!(["r", micro[1], value])),
                kind => {
                    *value = match (kind, value.as_array()) {
                        (Some("w"), _) => micro[2].clone(),
                        (_, Some(list)) => [&list[..], &[micro[2].clone()]].concat().into(),
                        (_, None) => json!([micro[2]]),
                    };
                    changed.insert(key, value.clone());
                    done.push(micro.clone());
                }
            }
        }
        (done, changed)
    }

    /// Appends a message to a log. Each fifth one overwrites the one before it.
    fn append(&self, body: &Value) -> usize {
        let mut logs = self.logs.borrow_mut();
        let log = logs.entry(body["key"].as_str().unwrap_or_default().to_owned());
        let log = log.or_default();
        log.push(body["msg"].clone());
        let last = log.len() - 1;
        if last > 0 && last.is_multiple_of(5) {
            log[last - 1] = body["msg"].clone();
        }
        last
    }

    /// The messages from the offsets on. Each ninth poll leaves out the first one.
    fn poll(&self, body: &Value, served: u64) -> BTreeMap<String, Vec<Value>> {
        let logs = self.logs.borrow();
        let offsets = body["offsets"].as_object().into_iter().flatten();
        let polled = offsets.filter_map(|(key, offset)| {
            let begin = offset.as_u64()?;
            let pairs = logs.get(key)?.iter().zip(0_u64..);
            let pairs = pairs.filter(|(_, at)| *at >= begin + u64::from(served.is_multiple_of(9)));
            let pairs = pairs.take(4).map(|(message, at)| json!([at, message]));
            Some((key.clone(), pairs.collect()))
        });
        polled.collect()
    }
}
