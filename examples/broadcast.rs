//! Broadcast, efficient and fault-tolerant: every message reaches every node,
//! with few messages between nodes, and after a partition nothing is missing.
//! Shows batches, acknowledgements that ride along, and resending.
//!
//! Two shapes, for the two targets of the Gossip Glomers (25 nodes, latency of
//! 100 ms, 100 operations a second, half of them broadcasts):
//!
//! - `Direct`, for latency (3d): whoever hears a message from a client tells all
//!   others at once. One hop, and one message for each of the others.
//! - `Hub`, for few messages (3e): all tell the hub at once, and the hub tells
//!   all others what came in since it last did, every `FLUSH_EVERY`.
//!
//! ```sh
//! cargo build --release --examples
//! maelstrom test -w broadcast --bin target/release/examples/broadcast --node-count 25 \
//!     --time-limit 20 --rate 100 --latency 100    # and: --nemesis partition
//! ```

use eddyline::time::Instant;
use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// Which of the two a node has when Maelstrom starts it.
const SHAPE: Shape = Shape::Hub;

/// How long the hub gathers. A message takes two hops and half of this on
/// average, and up to all of it.
const FLUSH_EVERY: Duration = Duration::from_millis(190);

/// How long an acknowledgement waits for something to ride along with.
const ACK_AFTER: Duration = Duration::from_millis(2000);

/// How long until a message that nobody acknowledged is sent again: longer than
/// an acknowledgement may take.
const RESEND_AFTER: Duration = Duration::from_millis(3000);

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    Direct,
    Hub,
}

pub(crate) struct Broadcast {
    shape: Shape,
    messages: RefCell<BTreeSet<i64>>,
    /// The nodes that this one talks to.
    links: RefCell<BTreeMap<String, Link>>,
}

/// What goes to one neighbour.
#[derive(Default)]
struct Link {
    /// What it has not acknowledged, and when to send it next.
    unacked: BTreeMap<i64, Instant>,
    /// What we have not acknowledged, and when to do so at the latest.
    acks: Vec<i64>,
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
    /// Sends all that is due, in one message.
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
        // What cannot be sent now is as good as lost: it is sent again later.
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

    /// Takes in messages, and passes on those that are new.
    fn learn(&self, cx: &Context, from: &str, mut gossip: Gossip) {
        let mut links = self.links.borrow_mut();
        let link = links.get_mut(from);
        let is_from_peer = link.map(|link| link.receive(cx.now(), &gossip)).is_some();
        let mut known = self.messages.borrow_mut();
        gossip.messages.retain(|&message| known.insert(message));
        if self.shape == Shape::Direct && is_from_peer {
            return; // whoever told us tells all others
        }
        // A leaf has nothing to gain by waiting for more.
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
            // Maelstrom proposes who talks to whom; ours is better.
            "topology" => cx.reply(&request, &()),
            "broadcast" => {
                let messages = vec![request.body::<Message>()?.message];
                let acks = Vec::new(); // clients have none
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

fn main() -> std::io::Result<()> {
    eddyline::run::<Broadcast>()
}
