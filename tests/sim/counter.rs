//! Counters: correct ones on the services and as a CRDT, and some that count wrongly.

use eddyline::sim::workload::Counter;
use eddyline::sim::{Failure, Latency, Nemesis, Simulation};
use eddyline::{Context, ErrorCode, Node, Request, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bug {
    None,
    CountsTwice,
    ForgetsOthers,
}

/// A CRDT: each node tells all others its own sum, again and again.
pub(crate) struct Crdt {
    bug: Bug,
    /// By node: the sum, and how many additions it has.
    sums: RefCell<BTreeMap<String, (i64, u64)>>,
}

#[derive(Deserialize)]
struct Add {
    delta: i64,
}

#[derive(Deserialize)]
struct Merge {
    sums: BTreeMap<String, (i64, u64)>,
}

impl Node for Crdt {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let mut ticks = cx.every(Duration::from_millis(200));
        loop {
            ticks.tick().await;
            let body = json!({ "sums": *self.sums.borrow() });
            for peer in cx.peers() {
                cx.send(peer, "merge", &body)?;
            }
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let mut sums = self.sums.borrow_mut();
        match request.kind() {
            "add" => {
                let Add { delta } = request.body()?;
                let own = sums.entry(cx.node_id().to_owned()).or_default();
                *own = (own.0 + delta, own.1 + 1);
                cx.reply(&request, &())
            }
            "merge" => {
                let Merge { sums: others } = request.body()?;
                for (node, sum) in others {
                    let known = sums.entry(node).or_default();
                    match self.bug {
                        _ if sum.1 <= known.1 => {}
                        Bug::CountsTwice => *known = (known.0 + sum.0, sum.1),
                        Bug::ForgetsOthers => {}
                        Bug::None => *known = sum,
                    }
                }
                Ok(())
            }
            _ => {
                let value: i64 = sums.values().map(|(sum, _)| sum).sum();
                cx.reply(&request, &json!({ "value": value }))
            }
        }
    }
}

/// A sum in lin-kv, correct or with a bug.
pub(crate) struct Stored {
    is_careless: bool,
}

impl Node for Stored {
    fn new(_: &Context) -> Self {
        Stored { is_careless: false }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        loop {
            let now = match cx.sync_rpc("lin-kv", "read", &json!({"key": "sum"})).await {
                Ok(reply) => reply.body::<Value>()?["value"].as_i64().unwrap_or(0),
                Err(error) if error.code == ErrorCode::KeyDoesNotExist => 0,
                Err(error) => return Err(error),
            };
            if request.kind() == "read" {
                return cx.reply(&request, &json!({ "value": now }));
            }
            let Add { delta } = request.body()?;
            let then = now + delta;
            let stored = if self.is_careless {
                let body = json!({"key": "sum", "value": then});
                cx.sync_rpc("lin-kv", "write", &body).await
            } else {
                let body =
                    json!({"key": "sum", "from": now, "to": then, "create_if_not_exists": true});
                cx.sync_rpc("lin-kv", "cas", &body).await
            };
            match stored {
                Err(error) if error.code == ErrorCode::PreconditionFailed => {}
                stored => {
                    stored?;
                    return cx.reply(&request, &());
                }
            }
        }
    }
}

fn rough(seed: u64) -> Simulation {
    Simulation::new(seed)
        .nodes(3)
        .latency(Latency::exponential_ms(5))
        .loss(0.02)
        .nemesis(Nemesis::every(Duration::from_secs(1)).partitions().pauses())
}

pub(crate) fn build(bug: Bug) -> impl Fn(&Context) -> Crdt + 'static {
    move |_| Crdt {
        bug,
        sums: RefCell::default(),
    }
}

pub(crate) fn careless(_: &Context) -> Stored {
    Stored { is_careless: true }
}

fn crdt(bug: Bug) -> Result<(), Box<Failure>> {
    let summary = rough(3).run_with(build(bug), Counter::pn())?.summary;
    assert_eq!(summary.final_reads, 3);
    Ok(())
}

#[test]
fn correct_nodes_pass() {
    crdt(Bug::None).unwrap();
    for seed in 0..5 {
        let report = rough(seed).run::<Stored, _>(Counter::g()).unwrap();
        assert!(report.summary.unknown > 0, "{:?}", report.summary);
    }
}

#[test]
fn wrong_nodes_are_found_out() {
    assert!(
        crdt(Bug::CountsTwice)
            .unwrap_err()
            .mentions("the final read")
    );
    assert!(
        crdt(Bug::ForgetsOthers)
            .unwrap_err()
            .mentions("the final read")
    );
    let failure = rough(1).run_with(careless, Counter::g()).unwrap_err();
    assert!(failure.mentions("the final read"), "{failure}");
}

#[test]
fn a_g_counter_that_counts_twice_is_caught_before_the_end() {
    let failure = rough(4)
        .run_with(build(Bug::CountsTwice), Counter::g())
        .unwrap_err();
    assert!(failure.mentions("that was added until then"), "{failure}");
}
