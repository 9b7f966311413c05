//! A guide for authors of nodes. It starts with an empty crate and ends with a broadcast that
//! survives a partition, first in its own tests, then under Maelstrom.
//!
//! In a broadcast, clients send numbers, each number to one node. In the end every node must know
//! every number, even if the network loses messages. This guide writes the node twice. The first
//! version is wrong, and a test shows the error. The second version is right.
//!
//! # An empty crate
//!
//! ```sh
//! cargo new broadcast && cd broadcast
//! ```
//!
//! Write in `Cargo.toml`, with the path of your copy of Eddyline:
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
//! opt-level = 2 # makes tests with many messages twice as fast
//! ```
//!
//! # A first node
//!
//! A node is a type that implements [`Node`]. It is built from its `init` message, so it knows its
//! name and its peers from the beginning. `handle` is called for each *request*, a message from a
//! client or from another node, and answers it with a *reply*. This is all of `src/main.rs`:
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
//!             "topology" => cx.reply(&request, &()), // proposed neighbours: not needed here
//!             "broadcast" => {
//!                 let Message { message } = request.body()?;
//!                 self.numbers.borrow_mut().insert(message);
//!                 for peer in cx.peers() {
//!                     cx.send(peer, "forward", &Message { message })?;
//!                 }
//!                 cx.reply(&request, &())
//!             }
//!             "forward" => {
//!                 let Message { message } = request.body()?;
//!                 self.numbers.borrow_mut().insert(message);
//!                 Ok(()) // `send` expects no reply
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
//! You write only the fields of the workload. The library writes `type`, `msg_id` and
//! `in_reply_to`. The type of a reply is the request's type followed by `_ok`, unless the fields
//! have a `type`. Send a few messages to the node by hand:
//!
//! ```sh
//! cargo run --quiet <<'END'
//! {"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}
//! {"src":"c1","dest":"n0","body":{"type":"broadcast","msg_id":1,"message":7}}
//! {"src":"c1","dest":"n0","body":{"type":"read","msg_id":2}}
//! END
//! ```
//!
//! When the input ends, handlers that sleep or wait for a thread go on to their end. A handler that
//! waits for a reply waits in vain, and a line on stderr counts such requests. Without the lines,
//! on a terminal, the node prints an `init` to paste. A node that needs none has its name in
//! [`Options::identity`](crate::Options).
//!
//! Three methods of [`Node`] have a part in the life of a node: `new` makes the value.
//! [`setup`](crate::Node::setup) makes it ready, and holds `init_ok` and all requests back meanwhile.
//! [`start`](crate::Node::start) then runs beside the handlers. A node that keeps a key in `lin-kv`
//! creates it in `setup`: in `start` it could overwrite the first request's work.
//!
//! # A cluster in a test
//!
//! [`sim`](crate::sim) runs whole clusters inside `cargo test`, on virtual time. A virtual second
//! takes only as long as the processing of its messages. Put the tests at the end of `src/main.rs`:
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
//! The first test drives a cluster by hand. [`call`](crate::sim::Cluster::call) sends a request as
//! a client and waits for the reply. [`run_for`](crate::sim::Cluster::run_for) lets time pass.
//! Virtual time stands still outside of these two.
//!
//! In the second test a workload makes the requests, as Maelstrom's clients do. It sends 100
//! requests a second for ten seconds, gives the cluster ten seconds to recover, then reads from
//! every node. Its checker finds lost numbers. The *seed* determines everything: when requests are
//! made, the latency of each message, and the nodes that are cut off.
//!
//! ```should_panic
//! # use eddyline::{Context, Node, Request, Result, sim::{Latency, Partition, Simulation, seeds, workload}};
//! # use {serde::{Deserialize, Serialize}, serde_json::json, std::time::Duration};
//! # use std::{cell::RefCell, collections::BTreeSet, rc::Rc};
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
//! #         if request.kind() == "forward" { return Ok(()) }
//! #         for peer in cx.peers() { cx.send(peer, "forward", &Message { message })?; }
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
//! The first test passes; the second fails. Messages across the partition are lost, and this node
//! does not send them again:
//!
//! ```text
//! broadcast failed with seed 0:
//!   - value 90 is lost at n3: it was known, and final reads of n3 do not have it
//!   …
//!   … 112 anomalies in all
//! 1021 operations, 3787 messages delivered, 0 lost, 0 doubled, 257 cut off, in 20.193630404s of virtual time
//! EDDYLINE_SEED=0 replays it exactly where the test's seeds come from …
//! ```
//!
//! # When a run fails
//!
//! The same seed gives the same run on any machine. Run only that seed:
//!
//! ```sh
//! EDDYLINE_SEED=0 cargo test survives
//! ```
//!
//! A run that fails is run a second time with the *trace* on. The trace has every message, as JSON
//! lines for `grep` and `jq`, and as a sequence diagram in SVG for a browser. In the diagram, nodes
//! are columns, messages are arrows, and lost messages are marked. Choose a short span for it: it
//! draws only the first 400 messages. Put this in place of the `unwrap`:
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
//! and call it: `if let Err(failure) = simulation.run::<Broadcast, _>(…) { show(failure) }`. The
//! trace also contains the lines that handlers write with [`cx.log`](crate::Context::log).
//!
//! A run can only be replayed if the node is deterministic. Take time and random numbers from the
//! context ([`now`](crate::Context::now), [`random`](crate::Context::random)), and do not let
//! messages depend on the order of a `HashMap`. If the second run differs from the first, the
//! failure says so.
//!
//! # A broadcast that survives
//!
//! A message that may be lost must be sent again until it is acknowledged. A *call* sends a request
//! and waits for the reply. It ends with error 0 if there is no reply before its *deadline*. So
//! each node remembers which numbers each peer has acknowledged, and repeatedly calls the peer with
//! all others. This is called *gossip*. [`start`](crate::Node::start) runs at the same time as the
//! handlers, and [`every`](crate::Context::every) makes its timer.
//!
//! ```
//! # use eddyline::{Context, Node, Request, Result, sim::{Latency, Partition, Simulation, seeds, workload}};
//! # use {serde::{Deserialize, Serialize}, serde_json::json, std::{cell::RefCell, collections::BTreeSet, rc::Rc}};
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
//!     /// Sends a peer all numbers that it has not acknowledged, as long as the node runs.
//!     async fn gossip(self: Rc<Self>, cx: Context, peer: String) -> Result<()> {
//!         let mut known = BTreeSet::new(); // the numbers that the peer has acknowledged
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
//!             } // else: the next tick sends them again, together with newer numbers
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
//!         assert!(report.faults.never_struck().is_empty(), "{report}");
//!     }
//! }
//! # }
//! ```
//!
//! The report lists each fault that [struck](crate::sim::Faults), with its nodes and its span. A
//! kind of fault that was asked for and never struck is a run that shows nothing about it.
//!
//! Both tests pass now, and so does `it_survives_a_partition`. Five seeds are enough for every day.
//! `EDDYLINE_SEEDS=500 cargo test` searches more thoroughly. The summary has the latency and the
//! number of messages per operation; `examples/broadcast.rs` needs far fewer messages.
//!
//! # Code between two `.await`s is atomic
//!
//! All handlers and tasks of a node run on one thread. They switch only at an `.await`, so
//! `RefCell` and `Cell` are enough. There are two possible mistakes, and both span an `.await`:
//!
//! ```
//! # use {eddyline::{Context, Result}, std::cell::{Cell, RefCell}};
//! # struct Tickets { last: Cell<u64>, sold: RefCell<Vec<u64>> }
//! # impl Tickets {
//! async fn sell(&self, cx: &Context) -> Result<u64> {
//!     let ticket = self.last.get() + 1;
//!     self.last.set(ticket); // behind the `.await`, two buyers could get the same ticket
//!     cx.sync_rpc("n1", "note", &()).await?;
//!     self.sold.borrow_mut().push(ticket); // no borrow is held across the `.await`
//!     Ok(ticket)
//! }
//! # }
//! ```
//!
//! - A value that was read before an `.await` may have changed after it. Read it again.
//! - If a borrow is held across an `.await`, the next handler that borrows panics, and its request
//!   is answered with error 13. `cargo clippy` finds such borrows.
//!
//! # Errors and `?`
//!
//! If a handler returns an [`Error`], its request is answered with that error. So `?` is usually
//! enough. `request.body()?` answers a body of the wrong shape with error 12.
//! `cx.sync_rpc(…).await?` passes on the other node's error, or error 0 if that node did not reply.
//!
//! - An error is [definite](crate::Error::is_definite) if the request was certainly not carried
//!   out. Errors 0 and 13 and your own errors are not definite.
//! - `?` passes a definite error on as definite. That is wrong if your node has already changed
//!   something. Answer with error 0 or 13 in that case.
//! - Errors of your own have numbers from 1000 on: `Error::new(1000, "sold out")`.
//! - An error in a task of `start` or `spawn` has no caller. It is logged, and the task ends. A
//!   loop that must continue does not use `?`; see `gossip` above. If the handle of a spawned task
//!   is awaited, the error belongs to the code that awaits it.
//!
//! # Types, hints, and replies from another node
//!
//! This node is the follower of a leader. It shows four features that the broadcast did not need:
//!
//! - One enum stands for all messages. A type that it does not have is error 10.
//! - A reply has a type of its own: `vote` is answered with `ballot`. A `type` among the fields is
//!   the reply's type, and [`reply_as`](crate::Context::reply_as) names one for fields without it.
//! - An error carries a hint for programs. The caller reads it with [`field`](crate::Error::field),
//!   and `?` passes it on.
//! - The follower hands a request on, and the leader answers the client. The address of the reply
//!   is a [`ReplyAddress`](crate::node::ReplyAddress) inside the message.
//!
//! ```
//! use eddyline::node::ReplyAddress;
//! # use {eddyline::{Context, Error, Node, Request, Result}, serde::{Deserialize, Serialize}};
//! # use std::{cell::{Cell, RefCell}, rc::Rc};
//! # struct Raft { term: Cell<u64>, leader: RefCell<Option<String>>, sum: Cell<i64> }
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(tag = "type", rename_all = "snake_case")]
//! enum Message {
//!     Vote { term: u64 },
//!     Ballot { term: u64, granted: bool },
//!     Add { delta: i64 },
//!     Forward { to: ReplyAddress, delta: i64 },
//!     AddOk { sum: i64 },
//! }
//!
//! # impl Node for Raft {
//! # fn new(_: &Context) -> Self { Raft { term: Cell::new(0), leader: RefCell::new(None), sum: Cell::new(0) } }
//! async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
//!     match request.body()? {
//!         Message::Vote { term } => {
//!             let granted = term > self.term.get();
//!             self.term.set(self.term.get().max(term));
//!             cx.reply(&request, &Message::Ballot { term, granted })
//!         }
//!         Message::Add { delta } => match self.leader.borrow().as_deref() {
//!             Some(leader) if leader == cx.node_id() => {
//!                 self.sum.set(self.sum.get() + delta);
//!                 cx.reply(&request, &Message::AddOk { sum: self.sum.get() })
//!             }
//!             Some(leader) => {
//!                 let to = request.reply_to(); // the leader replies in place of this node
//!                 cx.send(leader, "forward", &Message::Forward { to, delta })
//!             }
//!             None => {
//!                 let error = Error::temporarily_unavailable("there is no leader now");
//!                 Err(error.with("term", self.term.get()))
//!             }
//!         },
//!         Message::Forward { to, delta } => {
//!             self.sum.set(self.sum.get() + delta);
//!             cx.reply_to(&to, "add_ok", &Message::AddOk { sum: self.sum.get() })
//!         }
//!         Message::Ballot { .. } | Message::AddOk { .. } => cx.not_supported(&request),
//!     }
//! }
//! # }
//! ```
//!
//! # An observer
//!
//! [`observe`](crate::Context::observe) calls a function with each message that the node receives
//! or sends. A log of all messages, counters for each type, and traces are made in this way. The
//! function may also drop a message, which is then lost as if by the network:
//!
//! ```
//! # use eddyline::{Context, node::{Direction, Verdict}};
//! # struct Chaotic; impl Chaotic {
//! fn new(cx: &Context) -> Self {
//!     let dice = cx.clone();
//!     cx.observe(move |message| {
//!         let kind = message.envelope.header.kind.as_deref();
//!         let is_gossip = message.direction == Direction::Out && kind == Some("gossip");
//!         let is_lost = is_gossip && dice.random(|random| random.chance(0.1));
//!         if is_lost { Verdict::Drop } else { Verdict::Pass }
//!     });
//!     Chaotic
//! }
//! # }
//! ```
//!
//! # Timeouts and retry
//!
//! Every call ends after a second, or after the time given with [`timeout`](crate::Call::timeout).
//! [`retry`](crate::Call::retry) sends the same request again, after pauses that double, until a
//! reply comes. The timeout then limits all attempts together. The request may be carried out more
//! than once, so use it only where that is harmless. Calls are ordinary futures;
//! [`Call`](crate::Call) shows how to ask all peers and wait for a majority.
//!
//! ```
//! # use {eddyline::{Backoff, Context, Request, Result}, std::time::Duration};
//! # async fn forward(cx: Context, request: Request) -> Result<()> {
//! let call = cx.sync_rpc_raw("n1", &request.body()?);
//! let reply = call.retry(Backoff::default()).timeout(Duration::from_secs(4)).await?;
//! cx.reply_raw(&request, reply.raw_value()?)
//! # }
//! ```
//!
//! Maelstrom's clients give up after five seconds, so a later reply is useless.
//!
//! A call sends its request when it is first awaited. [`send`](crate::Call::send) sends it at once,
//! so that it leaves before a reply that is written after it, and before the other calls are
//! awaited. [`tries`](crate::Call::tries) tells how often a call sent its request, and
//! [`pending_calls`](crate::Context::pending_calls) how many calls wait. This handler starts all
//! calls, answers, and then waits:
//!
//! ```
//! # use eddyline::{Context, Request, Result};
//! # async fn store(cx: Context, request: Request) -> Result<()> {
//! let calls: Vec<_> = cx.peers().map(|peer| cx.sync_rpc(peer, "store", &()).send()).collect();
//! cx.reply(&request, &())?;
//! for call in calls {
//!     if let Err(error) = call.await {
//!         cx.log(format_args!("not stored: {error}")); // `?` would forget the other calls
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Tasks beside the handlers
//!
//! [`spawn`](crate::Context::spawn) runs a task beside the handlers and returns its
//! [handle](crate::TaskHandle). Await the handle for the task's result, abort it to end the task
//! with its timers and calls, or drop it to let the task run. A follower that expects heartbeats
//! replaces its alarm each time:
//!
//! ```
//! # use {eddyline::{Context, Request, Result, TaskHandle}, std::{cell::RefCell, rc::Rc, time::Duration}};
//! # struct Follower { alarm: RefCell<Option<TaskHandle>> }
//! # impl Follower {
//! # async fn stand_for_election(self: Rc<Self>, _: Context) -> Result<()> { Ok(()) }
//! fn heartbeat(self: Rc<Self>, cx: Context, request: &Request) -> Result<()> {
//!     let (node, context) = (self.clone(), cx.clone());
//!     let alarm = cx.spawn(async move {
//!         context.sleep(Duration::from_millis(300)).await;
//!         node.stand_for_election(context).await
//!     });
//!     if let Some(earlier) = self.alarm.replace(Some(alarm)) {
//!         earlier.abort();
//!     }
//!     cx.reply(request, &())
//! }
//! # }
//! ```
//!
//! # Work that blocks
//!
//! A handler that computes for long, or waits for a disk, stops the whole node until its next
//! `.await`. If that takes a tenth of a second, a line on stderr names the handler. Give such work
//! to [`unblock`](crate::Context::unblock): it runs on another thread, and only this handler waits.
//! In a simulation it runs at once and takes no virtual time, so a run still replays.
//!
//! ```
//! # use {eddyline::{Context, Request, Result}, serde_json::json};
//! # fn count_primes(below: u64) -> u64 { below }
//! # async fn primes(cx: Context, request: Request) -> Result<()> {
//! let count = cx.unblock(|| count_primes(100_000_000)).await?;
//! cx.reply(&request, &json!({ "count": count }))
//! # }
//! ```
//!
//! # When to use the services
//!
//! Every simulated cluster has Maelstrom's four services. If a node must answer while it is cut
//! off, let it keep its own state and gossip. If nodes must agree, and may answer with an error
//! while they cannot, let them use a service.
//!
//! | to | use |
//! |---|---|
//! | agree on one value, take a lock, read the newest value | [`lin_kv`](crate::Context::lin_kv) |
//! | count, if reads may return old values | [`seq_kv`](crate::Context::seq_kv), with [`fence`](crate::node::Kv::fence) before a read that may not |
//! | keep a cache that may lose values | [`lww_kv`](crate::Context::lww_kv) |
//! | number things in one order | [`lin_tso`](crate::Context::lin_tso) |
//!
//! ```
//! # use eddyline::{Context, Result};
//! # async fn add(cx: Context, delta: u64) -> Result<u64> {
//! cx.seq_kv().update("sum", 0, move |sum| sum + delta).await // read and cas, until cas succeeds
//! # }
//! ```
//!
//! Maelstrom delivers no message twice, but the simulation does so with
//! [`duplication`](crate::sim::Simulation::duplication). The second copy of a `cas` is answered
//! with error 22, and this answer may arrive first. `update` would then add again, so count with
//! [`update_once`](crate::node::Kv::update_once). A request that reaches your own nodes twice must
//! be harmless the second time, carry a mark as in `examples/kafka.rs`, or be remembered by its
//! [`ReplyAddress`](crate::node::ReplyAddress). Only `Partition::Links` cuts services off, by name.
//!
//! # As real processes
//!
//! `eddyline test` runs the program itself as real processes, under the same workloads and faults:
//!
//! ```sh
//! eddyline test -w broadcast --bin target/release/broadcast --node-count 5 \
//!     --time-limit 20 --rate 100 --latency 20 --nemesis partition
//! ```
//!
//! It ends with `Everything looks good!`, and names a page that shows each operation and message.
//! The log lines of the nodes, and the output of `println!`, are in `store/latest/node-logs/`.
//! `maelstrom test` takes the same options and needs a JVM.
//!
//! `eddyline bench --bin FILE` measures the program. `benches/throughput.rs` is a bench to copy.
//! Read next: `examples/` has a node for each workload, [`sim::workload`](crate::sim::workload) the checkers.
//!
//! [`Node`]: crate::Node
//! [`Error`]: crate::Error
