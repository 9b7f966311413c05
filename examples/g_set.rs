//! A set that only grows, as a CRDT.
//!
//! Every node repeatedly sends its whole set to all others, and each takes the union.
//! The order of the messages does not matter, and a lost message is replaced by the
//! next one. The example shows a task that gossips while the handlers run.
//!
//! Messages grow with the set. Read `broadcast` next: it sends only new elements.
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

/// The time between two rounds of gossip. Gossip is not acknowledged, because the
/// next round contains everything again.
const GOSSIP_EVERY: Duration = Duration::from_millis(500);

pub(crate) struct GSet {
    /// The order of a `BTreeSet` is the same in every run, so that a simulated run
    /// can be replayed. A `HashSet` has no such order.
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
            // There is no `.await` while the cell is borrowed, so no other borrow
            // can conflict with this one.
            let elements = self.elements.borrow();
            for peer in cx.peers() {
                // A failed send is treated like a lost message.
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
