//! Nodes that are right.

use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// Echoes.
pub(crate) struct Echo;

impl Node for Echo {
    fn new(_: &Context) -> Self {
        Echo
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let body: Value = request.body()?;
        cx.reply(&request, &json!({ "echo": body["echo"] }))
    }
}

/// A set that tells all others all it knows, again and again.
pub(crate) struct GSet {
    elements: RefCell<BTreeSet<u64>>,
}

#[derive(Deserialize)]
struct Add {
    element: u64,
}

#[derive(Serialize, Deserialize)]
struct Elements {
    value: BTreeSet<u64>,
}

impl Node for GSet {
    fn new(_: &Context) -> Self {
        GSet {
            elements: RefCell::default(),
        }
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let mut ticks = cx.every(Duration::from_millis(500));
        loop {
            ticks.tick().await;
            let value = self.elements.borrow().clone();
            for peer in cx.peers() {
                cx.send(peer, "merge", &json!({ "value": value }))?;
            }
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "add" => {
                let Add { element } = request.body()?;
                self.elements.borrow_mut().insert(element);
                cx.reply(&request, &())
            }
            "merge" => {
                let Elements { value } = request.body()?;
                self.elements.borrow_mut().extend(value);
                Ok(())
            }
            "read" => {
                let value = self.elements.borrow().clone();
                cx.reply(&request, &Elements { value })
            }
            _ => cx.not_supported(&request),
        }
    }
}
