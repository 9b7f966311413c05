//! A counter that goes up and down, as a CRDT, available whatever the network
//! does: each node counts its own ups and downs, both of which only grow, and
//! the greater of two numbers is the newer. Shows a CRDT with a merge of its own.
//!
//! ```sh
//! cargo build --release --examples
//! maelstrom test -w pn-counter --bin target/release/examples/pn_counter --node-count 5 \
//!     --time-limit 20 --rate 100 --nemesis partition
//! ```

use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// How often a node tells the others what it knows.
const GOSSIP_EVERY: Duration = Duration::from_millis(500);

/// What one node has counted.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Tally {
    up: u64,
    down: u64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Tallies {
    by_node: BTreeMap<String, Tally>,
}

impl Tallies {
    /// In any order and any number of times, with the same result.
    fn merge(&mut self, other: Tallies) {
        for (node, theirs) in other.by_node {
            let ours = self.by_node.entry(node).or_default();
            ours.up = ours.up.max(theirs.up);
            ours.down = ours.down.max(theirs.down);
        }
    }

    fn value(&self) -> i128 {
        let tallies = self.by_node.values();
        tallies
            .map(|tally| i128::from(tally.up) - i128::from(tally.down))
            .sum()
    }
}

pub(crate) struct PnCounter {
    tallies: RefCell<Tallies>,
}

#[derive(Deserialize)]
struct Add {
    delta: i64,
}

impl Node for PnCounter {
    fn new(_: &Context) -> PnCounter {
        PnCounter {
            tallies: RefCell::default(),
        }
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let mut ticks = cx.every(GOSSIP_EVERY);
        loop {
            ticks.tick().await;
            for peer in cx.peers() {
                // What cannot be sent now is as good as lost, and no reason to stop.
                let _lost = cx.send(peer, "merge", &*self.tallies.borrow());
            }
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let mut tallies = self.tallies.borrow_mut();
        match request.kind() {
            "add" => {
                let Add { delta } = request.body()?;
                let own = tallies.by_node.entry(cx.node_id().to_owned());
                let own = own.or_default();
                match delta {
                    0.. => own.up += delta.unsigned_abs(),
                    _ => own.down += delta.unsigned_abs(),
                }
                cx.reply(&request, &())
            }
            "read" => cx.reply(&request, &json!({ "value": tallies.value() })),
            "merge" => {
                tallies.merge(request.body()?);
                Ok(())
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::io::Result<()> {
    eddyline::run::<PnCounter>()
}
