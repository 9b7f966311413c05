//! A guide for authors: from an empty crate to a broadcast that survives a
//! partition, in its own tests, then under Maelstrom.
//!
//! Clients tell a broadcast numbers, each number to one of its nodes. Every node must
//! know every number in the end, whatever the network does meanwhile. This guide
//! writes it twice: once wrong, to see how a test says so, and once right.
//!
//! # An empty crate
//!
//! ```sh
//! cargo new broadcast && cd broadcast
//! ```
//!
//! In `Cargo.toml`, where `path` leads to your copy of Eddyline:
//!
//! ```toml
//! [dependencies]
//! eddyline = { path = "../eddyline" }
//! serde = { version = "1", features = ["derive"] }
//!
//! [dev-dependencies]
//! serde_json = "1"
//!
//! [profile.dev.package."*"]
//! opt-level = 2 # clusters in tests send many messages: twice as fast
//! ```
//!
//! # A first node
//!
//! A node is a type that implements [`Node`]. It is built from
//! its `init`, so it knows its name and its peers from the beginning. `handle`
//! gets each *request*, a message from a client or another node, and answers it
//! with a *reply*. This is all of `src/main.rs`:
//!
//! ```no_run
//! use eddyline::{Context, Node, Request, Result};
//! use serde::{Deserialize, Serialize};
//! use std::cell::RefCell;
//! use std::collections::BTreeSet;
//! use std::rc::Rc;
//!
//! struct Broadcast {
//!     numbers: RefCell<BTreeSet<u64>>, // one thread: no locks
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Message {
//!     message: u64,
//! }
//!
//! #[derive(Serialize)]
//! struct ReadOk<'a> {
//!     messages: &'a BTreeSet<u64>,
//! }
//!
//! impl Node for Broadcast {
//!     fn new(_: &Context) -> Self {
//!         Broadcast { numbers: RefCell::default() }
//!     }
//!
//!     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
//!         match request.kind() {
//!             "topology" => cx.reply(&request, &()), // who talks to whom: we know better
//!             "broadcast" => {
//!                 let Message { message } = request.body()?;
//!                 self.numbers.borrow_mut().insert(message);
//!                 for peer in cx.peers() {
//!                     cx.send(peer, "tell", &Message { message })?;
//!                 }
//!                 cx.reply(&request, &())
//!             }
//!             "tell" => {
//!                 let Message { message } = request.body()?;
//!                 self.numbers.borrow_mut().insert(message);
//!                 Ok(()) // it was sent, not called: nobody waits for a reply
//!             }
//!             "read" => cx.reply(&request, &ReadOk { messages: &self.numbers.borrow() }),
//!             _ => cx.not_supported(&request),
//!         }
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     eddyline::run::<Broadcast>()
//! }
//! ```
//!
//! You write the fields that the workload asks for; `type`, `msg_id` and
//! `in_reply_to` are written for you. A reply's type is the request's with `_ok`
//! behind it. Say a few words to the node by hand:
//!
//! ```sh
//! cargo run --quiet <<'END'
//! {"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}
//! {"src":"c1","dest":"n0","body":{"type":"broadcast","msg_id":1,"message":7}}
//! {"src":"c1","dest":"n0","body":{"type":"read","msg_id":2}}
//! END
//! ```
//!
//! # A cluster in a test
//!
//! [`sim`](crate::sim) runs whole clusters inside `cargo test`, on virtual time:
//! a second of it costs what its messages cost. Tests stand at the end of
//! `src/main.rs`:
//!
//! ```
//! #[cfg(test)]
//! mod tests {
//!     use super::*;
//!     use eddyline::sim::{Latency, Partition, Simulation, seeds, workload};
//!     use serde_json::json;
//!     use std::time::Duration;
//!
//!     // All tests of this guide go here.
//! }
//! ```
//!
//! The first one drives a cluster by hand. [`call`](crate::sim::Cluster::call) is
//! a client that waits for the reply; [`run_for`](crate::sim::Cluster::run_for)
//! lets time pass. Between the two nothing happens.
//!
//! The second one has a workload make the requests, as Maelstrom's clients do: 100
//! a second for ten seconds, then ten seconds for the cluster to recover, then a
//! last read of every node. Its checker looks for what was lost. Everything is drawn
//! from the *seed*: who asks when, how long each message takes, who is cut off.
//!
//! ```should_panic
//! # use eddyline::sim::{Latency, Partition, Simulation, seeds, workload};
//! # use eddyline::{Context, Node, Request, Result};
//! # use {serde::{Deserialize, Serialize}, serde_json::json};
//! # use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};
//! # struct Broadcast { numbers: RefCell<BTreeSet<u64>> }
//! # #[derive(Serialize, Deserialize)] struct Message { message: u64 }
//! # #[derive(Serialize)] struct ReadOk<'a> { messages: &'a BTreeSet<u64> }
//! # impl Node for Broadcast {
//! #     fn new(_: &Context) -> Self { Broadcast { numbers: RefCell::default() } }
//! #     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
//! #         match request.kind() {
//! #             "read" => return cx.reply(&request, &ReadOk { messages: &self.numbers.borrow() }),
//! #             "topology" => return cx.reply(&request, &()),
//! #             _ => {}
//! #         }
//! #         let Message { message } = request.body()?;
//! #         self.numbers.borrow_mut().insert(message);
//! #         if request.kind() == "tell" { return Ok(()) }
//! #         for peer in cx.peers() { cx.send(peer, "tell", &Message { message })?; }
//! #         cx.reply(&request, &())
//! #     }
//! # }
//! # macro_rules! tests { ($(#[test] fn $name:ident() $body:block)*) => { $($body)* } }
//! # tests! {
//! #[test]
//! fn a_number_reaches_all_nodes() {
//!     let simulation = Simulation::new(1).nodes(3).latency(Latency::constant_ms(10));
//!     let mut cluster = simulation.build::<Broadcast>();
//!     cluster.call("n0", "broadcast", &json!({ "message": 7 })).unwrap();
//!     cluster.run_for(Duration::from_secs(1));
//!     assert_eq!(cluster.call("n2", "read", &()).unwrap()["messages"], json!([7]));
//! }
//!
//! #[test]
//! fn it_survives_a_partition() {
//!     let seconds = Duration::from_secs;
//!     for seed in seeds(5) {
//!         let simulation = Simulation::new(seed)
//!             .nodes(5)
//!             .latency(Latency::exponential_ms(20))
//!             .partition(Partition::Halves, seconds(2)..seconds(4));
//!         simulation.run::<Broadcast, _>(workload::Broadcast::new()).unwrap();
//!     }
//! }
//! # }
//! ```
//!
//! The first passes; the second does not. What was sent across the cut is gone, and
//! nobody sends it again:
//!
//! ```text
//! broadcast failed with seed 0:
//!   - value 98 is lost: it was known, and a final read of n0 does not have it
//!   …
//!   … 255 anomalies in all
//! 1021 operations, 3789 messages delivered, 0 lost, 255 cut off, in 20.154904323s of virtual time
//! EDDYLINE_SEED=0 replays it exactly where the test's seeds come from …
//! ```
//!
//! # When a run fails
//!
//! The same seed makes the same run, on any machine. Run only that one:
//!
//! ```sh
//! EDDYLINE_SEED=0 cargo test survives
//! ```
//!
//! A run that fails is run once more with the *trace* on, so the whole conversation
//! is at hand: as JSON lines, which `grep` and `jq` read, and as a sequence diagram
//! in SVG, which a browser shows. Nodes are columns, messages are arrows, drops
//! are marked. Give the diagram a short span; it draws the first 400
//! messages in it. Put this in place of the `unwrap`:
//!
//! ```should_panic
//! use eddyline::sim::Failure;
//! use eddyline::time::Instant;
//! # use {eddyline::{Context, Node, Request, Result, sim::{Simulation, workload}}, std::rc::Rc};
//! # struct Parrot;
//! # impl Node for Parrot {
//! #     fn new(_: &Context) -> Self { Parrot }
//! #     async fn handle(self: Rc<Self>, cx: Context, r: Request) -> Result<()> { cx.reply(&r, &()) }
//! # }
//!
//! fn show(failure: Box<Failure>) {
//!     let span = Instant::from_millis(2_000)..Instant::from_millis(2_300);
//!     let files = failure.write(std::env::temp_dir(), span).unwrap();
//!     panic!("{failure}\nthe trace and the diagram are {files:?}");
//! }
//! # show(Simulation::new(1).run::<Parrot, _>(workload::Echo::new()).unwrap_err());
//! ```
//!
//! and call it: `if let Err(failure) = simulation.run::<Broadcast, _>(…) { show(failure) }`.
//! What a handler writes with [`cx.log`](crate::Context::log) stands in the trace
//! too. For a run to replay, a node takes its time and its random numbers from its
//! context ([`now`](crate::Context::now), [`random`](crate::Context::random)), and what it sends does not depend
//! on the order of a `HashMap`. A failure says so when its second run was different.
//!
//! # A broadcast that survives
//!
//! A message that may be lost must be sent until somebody says that it has arrived.
//! A *call* does both halves: it sends a request and waits for the reply, and ends
//! with error 0 if there is none before its *deadline*. So each node remembers, for
//! each peer, what that peer has acknowledged; again and again it calls the
//! peer with all the rest: gossip. [`start`](crate::Node::start) runs beside the handlers, and
//! [`every`](crate::Context::every) ticks there.
//!
//! ```
//! # use eddyline::sim::{Latency, Partition, Simulation, seeds, workload};
//! # use eddyline::{Context, Node, Request, Result};
//! # use {serde::{Deserialize, Serialize}, serde_json::json};
//! # use std::{cell::RefCell, collections::BTreeSet, rc::Rc};
//! # struct Broadcast { numbers: RefCell<BTreeSet<u64>> }
//! # #[derive(Serialize, Deserialize)] struct Message { message: u64 }
//! # #[derive(Serialize)] struct ReadOk<'a> { messages: &'a BTreeSet<u64> }
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Gossip {
//!     numbers: Vec<u64>,
//! }
//!
//! impl Broadcast {
//!     /// Tells one peer all that it does not know, for as long as the node runs.
//!     async fn gossip(self: Rc<Self>, cx: Context, peer: String) -> Result<()> {
//!         let mut known = BTreeSet::new(); // what the peer has acknowledged
//!         let mut ticks = cx.every(Duration::from_millis(100));
//!         loop {
//!             ticks.tick().await;
//!             let numbers: Vec<u64> = self.numbers.borrow().difference(&known).copied().collect();
//!             if numbers.is_empty() {
//!                 continue;
//!             }
//!             let gossip = Gossip { numbers };
//!             let call = cx.sync_rpc(&peer, "gossip", &gossip);
//!             if call.timeout(Duration::from_millis(500)).await.is_ok() {
//!                 known.extend(gossip.numbers);
//!             } // else: the next tick sends it again, with what is new by then
//!         }
//!     }
//! }
//!
//! impl Node for Broadcast {
//!     fn new(_: &Context) -> Self {
//!         Broadcast { numbers: RefCell::default() }
//!     }
//!
//!     async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
//!         for peer in cx.peers() {
//!             cx.spawn(self.clone().gossip(cx.clone(), peer.to_owned()));
//!         }
//!         Ok(())
//!     }
//!
//!     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
//!         match request.kind() {
//!             "topology" => cx.reply(&request, &()),
//!             "broadcast" => {
//!                 self.numbers.borrow_mut().insert(request.body::<Message>()?.message);
//!                 cx.reply(&request, &())
//!             }
//!             "gossip" => {
//!                 self.numbers.borrow_mut().extend(request.body::<Gossip>()?.numbers);
//!                 cx.reply(&request, &()) // the acknowledgement
//!             }
//!             "read" => cx.reply(&request, &ReadOk { messages: &self.numbers.borrow() }),
//!             _ => cx.not_supported(&request),
//!         }
//!     }
//! }
//! # macro_rules! tests { ($(#[test] fn $name:ident() $body:block)*) => { $($body)* } }
//!
//! // And in `tests`:
//! use eddyline::sim::{Fault, Nemesis};
//! # tests! {
//! # #[test] fn it_survives_a_partition() {
//! #     let seconds = Duration::from_secs;
//! #     for seed in seeds(2) {
//! #         Simulation::new(seed).nodes(5).latency(Latency::exponential_ms(20))
//! #             .partition(Partition::Halves, seconds(2)..seconds(4))
//! #             .run::<Broadcast, _>(workload::Broadcast::new()).unwrap();
//! #     }
//! # }
//!
//! #[test]
//! fn a_node_that_was_cut_off_learns_everything() {
//!     let simulation = Simulation::new(1).nodes(3).latency(Latency::constant_ms(10));
//!     let mut cluster = simulation.build::<Broadcast>();
//!     cluster.apply(&Fault::Partition(Partition::Isolate(2)));
//!     cluster.call("n0", "broadcast", &json!({ "message": 7 })).unwrap();
//!     cluster.run_for(Duration::from_secs(5));
//!     assert_eq!(cluster.call("n2", "read", &()).unwrap()["messages"], json!([]));
//!     cluster.apply(&Fault::Heal);
//!     cluster.run_for(Duration::from_secs(1));
//!     assert_eq!(cluster.call("n2", "read", &()).unwrap()["messages"], json!([7]));
//! }
//!
//! #[test]
//! fn it_survives_everything_at_once() {
//!     for seed in seeds(5) {
//!         let report = Simulation::new(seed)
//!             .nodes(5)
//!             .latency(Latency::exponential_ms(20))
//!             .loss(0.05)
//!             .duplication(0.05)
//!             .nemesis(Nemesis::every(Duration::from_secs(1)).partitions().pauses())
//!             .run::<Broadcast, _>(workload::Broadcast::new())
//!             .unwrap();
//!         assert!(report.summary.values > 400, "{:?}", report.summary);
//!     }
//! }
//! # }
//! ```
//!
//! Both tests pass now, and so does `it_survives_a_partition`. Five seeds are for every
//! day; `EDDYLINE_SEEDS=500 cargo test` is for the day on which you want to know.
//! The summary has the latency and the messages per operation;
//! `examples/broadcast.rs` needs far fewer of those.
//!
//! # Code between two `.await`s is atomic
//!
//! All handlers and tasks of a node run on one thread, and one gives way to another
//! only where it says `.await`. So `RefCell` and `Cell` are enough. There are two
//! ways to get it wrong, and both have an `.await` in the middle:
//!
//! ```
//! # use {eddyline::{Context, Result}, std::cell::{Cell, RefCell}};
//! # struct Tickets { last: Cell<u64>, sold: RefCell<Vec<u64>> }
//! # impl Tickets {
//! async fn sell(&self, cx: &Context) -> Result<u64> {
//!     let ticket = self.last.get() + 1;
//!     self.last.set(ticket); // after the `.await` two buyers would get the same one
//!     cx.sync_rpc("n1", "note", &()).await?;
//!     self.sold.borrow_mut().push(ticket); // a `borrow_mut` before it would still be held
//!     Ok(ticket)
//! }
//! # }
//! ```
//!
//! - What you read before an `.await` may have changed after it. Read it again.
//! - A borrow that is held over an `.await` makes the next handler panic, which
//!   answers its request with error 13. `cargo clippy` finds these.
//!
//! # Errors and `?`
//!
//! A handler that returns an [`Error`] answers its request with it.
//! So `?` is all you need: `request.body()?` answers a body of another shape with
//! error 12, and `cx.sync_rpc(…).await?` passes on what the other node said, or error
//! 0 when it said nothing.
//!
//! - [`is_definite`](crate::Error::is_definite) tells whether the request certainly
//!   was not carried out. Errors 0 and 13 leave it open, and so do those of your own.
//! - `?` passes a definite error on as such. If your node has changed something
//!   by then, the client would be misled: answer with error 0 or 13 instead.
//! - Errors of your own have the numbers from 1000 on: `Error::new(1000, "sold out")`.
//! - Nobody waits for a task of `start` or `spawn`: an error is logged, and the task is
//!   over. A loop that is to go on takes no `?`, as in `gossip` above.
//!
//! # Timeouts and retry
//!
//! Every call ends: after a second, unless [`timeout`](crate::Call::timeout) says
//! otherwise. [`retry`](crate::Call::retry) sends the same request again after pauses
//! that double, until a reply comes; the timeout is then the deadline of all of it.
//! The request may be carried out twice, so it must do no harm twice. Calls are
//! ordinary futures: [`Call`](crate::Call) shows how to ask all peers and wait
//! for a majority.
//!
//! ```
//! # use eddyline::{Backoff, Context, Request, Result};
//! # use std::time::Duration;
//! # async fn forward(cx: Context, request: Request) -> Result<()> {
//! let call = cx.sync_rpc_raw("n1", &request.body()?);
//! let reply = call.retry(Backoff::default()).timeout(Duration::from_secs(4)).await?;
//! cx.reply_raw(&request, reply.raw_value()?)
//! # }
//! ```
//!
//! Maelstrom's clients give up after five seconds; a handler that takes longer
//! answers nobody.
//!
//! # When to use the services
//!
//! Maelstrom's four services are in every simulated cluster too. A node that must
//! answer while it is cut off keeps its own state and gossips. A node that must
//! agree with others, and may answer with an error when it cannot, asks a service.
//!
//! | to | use |
//! |---|---|
//! | agree on one value, take a lock, see the newest | [`lin_kv`](crate::Context::lin_kv) |
//! | count, where reads may lag behind | [`seq_kv`](crate::Context::seq_kv), and [`fence`](crate::node::Kv::fence) before a read that may not |
//! | cache what may be lost | [`lww_kv`](crate::Context::lww_kv) |
//! | number things in one order | [`lin_tso`](crate::Context::lin_tso) |
//!
//! ```
//! # use eddyline::{Context, Result};
//! # async fn add(cx: Context, delta: u64) -> Result<u64> {
//! cx.seq_kv().update("sum", 0, move |sum| sum + delta).await // reads, then cas, until it holds
//! # }
//! ```
//!
//! Maelstrom delivers nothing twice; with [`duplication`](crate::sim::Simulation::duplication)
//! the simulation does. Then count with [`update_once`](crate::node::Kv::update_once): of a
//! doubled `cas`, error 22 may be the first answer, and `update` would add again. What may reach
//! your own nodes twice must do no harm twice, or carry a mark: see `examples/kafka.rs`.
//!
//! # Under Maelstrom
//!
//! The same `main` speaks to the real thing. With Maelstrom (and its JVM) installed:
//!
//! ```sh
//! cargo build --release
//! maelstrom test -w broadcast --bin target/release/broadcast --node-count 5 \
//!     --time-limit 20 --rate 100 --latency 20 --nemesis partition
//! ```
//!
//! It ends with `Everything looks good!`. What the nodes log is in
//! `store/latest/node-logs/`; `println!` goes there as well.
//!
//! From here: `examples/` has a node for each workload, and
//! [`sim::workload`](crate::sim::workload) lists the checkers.
//!
//! [`Node`]: crate::Node
//! [`Error`]: crate::Error
