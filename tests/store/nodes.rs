//! Wrong nodes, whose runs the pages must explain.

use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cell::RefCell;
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
