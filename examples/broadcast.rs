//! Broadcast, efficient and fault-tolerant. Every message reaches every node, also
//! after a partition, with few messages between nodes.
//!
//! It shows batches, acknowledgements that travel with other messages, and resending.
//! Read `txn_rw_register` next, which replicates a database.
//!
//! There are two shapes, for two targets of the Gossip Glomers. Both have 25 nodes, a
//! latency of 100 ms and 100 operations a second, half of them broadcasts.
//!
//! - `Direct`, for low latency (3d). The node that gets a message from a client sends
//!   it to all others immediately. This costs one hop and one message per other node.
//! - `Hub`, for few messages (3e). All nodes send to the hub immediately. The hub
//!   sends all new messages to the others every `FLUSH_EVERY`.
//!
//! ```sh
//! cargo build --release --bins --examples
//! target/release/eddyline test -w broadcast --bin target/release/examples/broadcast \
//!     --node-count 25 --time-limit 20 --rate 100 --latency 100    # and: --nemesis partition
//! ```
//!
//! `maelstrom test` takes the same options.

use eddyline::time::Instant;
use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// The shape when Maelstrom starts the node.
const SHAPE: Shape = Shape::Hub;

/// How long the hub collects messages. A message takes two hops and, on average, half
/// of this time.
const FLUSH_EVERY: Duration = Duration::from_millis(190);

/// How long an acknowledgement waits for a message that can carry it.
const ACK_AFTER: Duration = Duration::from_millis(2000);

/// How long until an unacknowledged message is sent again. This is longer than an
/// acknowledgement may take.
const RESEND_AFTER: Duration = Duration::from_millis(3000);

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    Direct,
    Hub,
}

pub(crate) struct Broadcast {
    shape: Shape,
    messages: RefCell<BTreeSet<i64>>,
    /// The nodes that this node sends to.
    links: RefCell<BTreeMap<String, Link>>,
}

/// The state of the exchange with one neighbour.
#[derive(Default)]
struct Link {
    /// Messages that the neighbour has not acknowledged, with the time of the next send.
    unacked: BTreeMap<i64, Instant>,
    /// Messages that we have not acknowledged yet.
    acks: Vec<i64>,
    /// The latest time to send `acks`.
    acks_due: Instant,
}

#[derive(Serialize, Deserialize)]
struct Gossip {
    messages: Vec<i64>,
    acks: Vec<i64>,
}

#[derive(Deserialize)]
struct Message {
    message: i64,
}

impl Link {
    /// Sends everything that is due, in one message.
    fn flush(&mut self, cx: &Context, peer: &str) {
        let now = cx.now();
        let mut messages = Vec::new();
        for (&message, due) in self.unacked.iter_mut().filter(|(_, due)| **due <= now) {
            messages.push(message);
            *due = now + RESEND_AFTER;
        }
        if messages.is_empty() && (self.acks.is_empty() || self.acks_due > now) {
            return;
        }
        let acks = std::mem::take(&mut self.acks);
        // A failed send is treated like a lost message: the next flush repeats it.
        let _lost = cx.send(peer, "gossip", &Gossip { messages, acks });
    }

    fn receive(&mut self, now: Instant, gossip: &Gossip) {
        for message in &gossip.acks {
            self.unacked.remove(message);
        }
        if self.acks.is_empty() {
            self.acks_due = now + ACK_AFTER;
        }
        self.acks.extend(&gossip.messages);
    }
}

impl Broadcast {
    pub(crate) fn shaped(cx: &Context, shape: Shape) -> Broadcast {
        let hub = &cx.node_ids()[0];
        let talks_to = |peer: &&str| shape == Shape::Direct || *peer == hub || cx.node_id() == hub;
        let link = |peer: &str| (peer.to_owned(), Link::default());
        let links = RefCell::new(cx.peers().filter(talks_to).map(link).collect());
        let messages = RefCell::default();
        Broadcast {
            shape,
            messages,
            links,
        }
    }

    /// Adds messages, and forwards those that are new.
    fn learn(&self, cx: &Context, from: &str, mut gossip: Gossip) {
        let mut links = self.links.borrow_mut();
        let link = links.get_mut(from);
        let is_from_peer = link.map(|link| link.receive(cx.now(), &gossip)).is_some();
        let mut known = self.messages.borrow_mut();
        gossip.messages.retain(|&message| known.insert(message));
        if self.shape == Shape::Direct && is_from_peer {
            return; // the peer sends them to all others itself
        }
        // A leaf sends to the hub only, so it gains nothing by collecting.
        let gathers = self.shape == Shape::Hub && links.len() > 1;
        for (peer, link) in links.iter_mut().filter(|(peer, _)| *peer != from) {
            let messages = gossip.messages.iter();
            link.unacked
                .extend(messages.map(|&message| (message, cx.now())));
            if !gathers {
                link.flush(cx, peer);
            }
        }
    }
}

impl Node for Broadcast {
    fn new(cx: &Context) -> Broadcast {
        Broadcast::shaped(cx, SHAPE)
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let mut ticks = cx.every(FLUSH_EVERY);
        loop {
            ticks.tick().await;
            for (peer, link) in self.links.borrow_mut().iter_mut() {
                link.flush(&cx, peer);
            }
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            // Maelstrom proposes neighbours; this node uses its own shape.
            "topology" => cx.reply(&request, &()),
            "broadcast" => {
                let messages = vec![request.body::<Message>()?.message];
                let acks = Vec::new(); // clients do not acknowledge
                self.learn(&cx, request.src(), Gossip { messages, acks });
                cx.reply(&request, &())
            }
            "read" => cx.reply(&request, &json!({ "messages": *self.messages.borrow() })),
            "gossip" => {
                self.learn(&cx, request.src(), request.body()?);
                Ok(())
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::process::ExitCode {
    eddyline::main::<Broadcast>()
}
