//! A set that only grows, as a CRDT.
//!
//! Every node repeatedly sends each other node the elements that are new to it, until
//! they are acknowledged. The receiver takes the union, so neither the order nor a
//! repetition matters. Without news there are no messages. The example shows tasks that
//! gossip while the handlers run.
//!
//! Read `broadcast` next, which needs fewer messages.
//!
//! ```sh
//! cargo build --release --bins --examples
//! target/release/eddyline test -w g-set --bin target/release/examples/g_set --node-count 5 \
//!     --time-limit 20 --rate 100 --nemesis partition
//! ```
//!
//! `maelstrom test` takes the same options.

use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// The time between two messages with news to a peer.
const GOSSIP_EVERY: Duration = Duration::from_millis(500);

/// The most elements in one message.
const ELEMENTS_MAX: usize = 1000;

#[derive(Default)]
pub(crate) struct GSet {
    /// The order of a `BTreeSet` is the same in every run, so that a simulated run
    /// can be replayed. A `HashSet` has no such order.
    elements: RefCell<BTreeSet<u64>>,
    /// The same elements, in the order in which they came to this node.
    learned: RefCell<Vec<u64>>,
}

#[derive(Deserialize)]
struct Add {
    element: u64,
}

#[derive(Serialize, Deserialize)]
struct Elements {
    value: Vec<u64>,
}

impl GSet {
    fn learn(&self, elements: impl IntoIterator<Item = u64>) {
        let mut known = self.elements.borrow_mut();
        let news = elements
            .into_iter()
            .filter(|&element| known.insert(element));
        self.learned.borrow_mut().extend(news);
    }

    /// Reads the set of one peer, then sends it all news, one message at a time.
    async fn gossip(self: Rc<Self>, cx: Context, peer: String) -> Result<()> {
        let mut ticks = cx.every(GOSSIP_EVERY);
        // A node that starts again has lost its set, and its peers send only news.
        loop {
            ticks.tick().await;
            if let Ok(reply) = cx.sync_rpc(&peer, "read", &()).await {
                self.learn(reply.body::<Elements>()?.value);
                break;
            }
        }
        let mut acknowledged = 0;
        loop {
            ticks.tick().await;
            let news = self.news(acknowledged);
            let count = news.value.len();
            if count > 0 && cx.sync_rpc(&peer, "merge", &news).await.is_ok() {
                acknowledged += count;
            }
        }
    }

    fn news(&self, acknowledged: usize) -> Elements {
        // There is no `.await` while the cell is borrowed, so no other borrow
        // can conflict with this one.
        let learned = self.learned.borrow();
        let news = learned.iter().skip(acknowledged).take(ELEMENTS_MAX);
        let value = news.copied().collect();
        Elements { value }
    }
}

impl Node for GSet {
    fn new(_: &Context) -> GSet {
        GSet::default()
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        for peer in cx.peers() {
            cx.spawn(self.clone().gossip(cx.clone(), peer.to_owned()));
        }
        Ok(())
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "add" => {
                self.learn([request.body::<Add>()?.element]);
                cx.reply(&request, &())
            }
            "read" => cx.reply(&request, &json!({ "value": *self.elements.borrow() })),
            "merge" => {
                self.learn(request.body::<Elements>()?.value);
                cx.reply(&request, &())
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::process::ExitCode {
    eddyline::main::<GSet>()
}
