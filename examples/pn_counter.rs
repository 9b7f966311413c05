//! A counter that goes up and down, as a CRDT. It is always available.
//!
//! Each node sums its increments and its decrements separately. Both sums only grow,
//! so the greater of two values is the newer one. A node sends the sums to each other
//! node after a change, until they are acknowledged. Without changes there are no
//! messages. The example shows a CRDT with a merge function. Read `g_counter` next, which
//! keeps its state in a service.
//!
//! ```sh
//! cargo build --release --bins --examples
//! target/release/eddyline test -w pn-counter --bin target/release/examples/pn_counter \
//!     --node-count 5 --time-limit 20 --rate 100 --nemesis partition
//! ```
//!
//! `maelstrom test` takes the same options.

use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// The time between two messages with changes to a peer.
const GOSSIP_EVERY: Duration = Duration::from_millis(500);

/// The sums of one node.
#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Tally {
    up: u64,
    down: u64,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Tallies {
    by_node: BTreeMap<String, Tally>,
}

impl Tallies {
    /// The result is the same in any order and after any number of repetitions.
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

#[derive(Default)]
pub(crate) struct PnCounter {
    tallies: RefCell<Tallies>,
}

#[derive(Deserialize)]
struct Add {
    delta: i64,
}

impl PnCounter {
    /// Sends all changes to one peer, one message at a time. The reply contains the
    /// peer's sums, for a node that has started again and lost its own.
    async fn gossip(self: Rc<Self>, cx: Context, peer: String) -> Result<()> {
        let mut acknowledged = None;
        let mut ticks = cx.every(GOSSIP_EVERY);
        loop {
            ticks.tick().await;
            let tallies = self.tallies.borrow().clone();
            if acknowledged.as_ref() == Some(&tallies) {
                continue;
            }
            if let Ok(reply) = cx.sync_rpc(&peer, "merge", &tallies).await {
                self.tallies.borrow_mut().merge(reply.body()?);
                acknowledged = Some(tallies);
            }
        }
    }
}

impl Node for PnCounter {
    fn new(_: &Context) -> PnCounter {
        PnCounter::default()
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        for peer in cx.peers() {
            cx.spawn(self.clone().gossip(cx.clone(), peer.to_owned()));
        }
        Ok(())
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let mut tallies = self.tallies.borrow_mut();
        match request.kind() {
            "add" => {
                let Add { delta } = request.body()?;
                let own = tallies.by_node.entry(cx.node_id().to_owned());
                let own = own.or_default();
                if delta >= 0 {
                    own.up += delta.unsigned_abs();
                } else {
                    own.down += delta.unsigned_abs();
                }
                cx.reply(&request, &())
            }
            "read" => cx.reply(&request, &json!({ "value": tallies.value() })),
            "merge" => {
                tallies.merge(request.body()?);
                cx.reply(&request, &*tallies)
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::process::ExitCode {
    eddyline::main::<PnCounter>()
}
