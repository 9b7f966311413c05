//! A set that only grows, as a CRDT: every node tells the others all that it
//! knows, again and again, and the union of two sets is the same in any order.
//! Shows a task that gossips beside the handlers.
//!
//! Whole sets cost whole sets: `broadcast` shows how to send only what is new.
//!
//! ```sh
//! cargo build --release --examples
//! maelstrom test -w g-set --bin target/release/examples/g_set --node-count 5 \
//!     --time-limit 20 --rate 100 --nemesis partition
//! ```

use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// How often a node tells the others what it knows. Nothing is acknowledged:
/// what is lost comes again with the next round.
const GOSSIP_EVERY: Duration = Duration::from_millis(500);

pub(crate) struct GSet {
    /// A `BTreeSet` and no `HashSet`: its order is the same in every run, so that
    /// a simulated one replays.
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

/// The same fields as [`Elements`], without a copy of the set.
#[derive(Serialize)]
struct AllOf<'a> {
    value: &'a BTreeSet<u64>,
}

impl Node for GSet {
    fn new(_: &Context) -> GSet {
        GSet {
            elements: RefCell::default(),
        }
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let mut ticks = cx.every(GOSSIP_EVERY);
        loop {
            ticks.tick().await;
            // Nothing waits between here and the next tick, so the borrow of
            // the cell meets no other.
            let elements = self.elements.borrow();
            for peer in cx.peers() {
                // What cannot be sent now is as good as lost, and no reason to stop.
                let _lost = cx.send(peer, "merge", &AllOf { value: &elements });
            }
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let mut elements = self.elements.borrow_mut();
        match request.kind() {
            "add" => {
                elements.insert(request.body::<Add>()?.element);
                cx.reply(&request, &())
            }
            "read" => cx.reply(&request, &AllOf { value: &elements }),
            "merge" => {
                elements.extend(request.body::<Elements>()?.value);
                Ok(())
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::io::Result<()> {
    eddyline::run::<GSet>()
}
