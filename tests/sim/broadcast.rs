//! broadcast: one correct node, and some that lose values.

use eddyline::sim::workload::{Broadcast, BroadcastSummary, Topology};
use eddyline::sim::{Failure, Latency, Nemesis, Simulation};
use eddyline::{Context, Node, Request, Result};
use serde::Deserialize;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bug {
    None,
    TellsOnce,
    TellsNobody,
    KeepsDoubles,
    LosesAcknowledged,
}

pub(crate) struct Gossip {
    bug: Bug,
    values: RefCell<Vec<u64>>,
}

#[derive(Deserialize)]
struct Message {
    message: u64,
}

impl Gossip {
    /// Whether it was new.
    fn add(&self, value: u64) -> bool {
        let mut values = self.values.borrow_mut();
        let fresh = !values.contains(&value);
        if fresh || self.bug == Bug::KeepsDoubles {
            values.push(value);
        }
        fresh
    }

    /// Tells a peer again and again, until it replies.
    async fn tell(self: Rc<Self>, cx: Context, peer: String, message: u64) -> Result<()> {
        let body = json!({ "message": message });
        loop {
            let call = cx.sync_rpc(&peer, "tell", &body);
            let told = call.timeout(Duration::from_millis(500)).await.is_ok();
            if told || self.bug == Bug::TellsOnce {
                return Ok(());
            }
        }
    }
}

impl Node for Gossip {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "topology" => cx.reply(&request, &()),
            "read" => cx.reply(&request, &json!({ "messages": *self.values.borrow() })),
            "tell" => {
                let Message { message } = request.body()?;
                self.add(message);
                cx.reply(&request, &())
            }
            "broadcast" => {
                let Message { message } = request.body()?;
                if self.bug == Bug::LosesAcknowledged && message % 50 == 0 {
                    return cx.reply(&request, &());
                }
                if self.add(message) && self.bug != Bug::TellsNobody {
                    for peer in cx.peers() {
                        let told = self.clone().tell(cx.clone(), peer.to_owned(), message);
                        cx.spawn(told);
                    }
                }
                cx.reply(&request, &())
            }
            _ => cx.not_supported(&request),
        }
    }
}

pub(crate) fn build(bug: Bug) -> impl Fn(&Context) -> Gossip + 'static {
    move |_| Gossip {
        bug,
        values: RefCell::default(),
    }
}

fn run(bug: Bug, simulation: &Simulation) -> Result<BroadcastSummary, Box<Failure>> {
    let workload = Broadcast::new().topology(Topology::Tree(4));
    Ok(simulation.run_with(build(bug), workload)?.summary)
}

fn rough(seed: u64) -> Simulation {
    Simulation::new(seed)
        .nodes(5)
        .latency(Latency::constant_ms(100))
        .loss(0.1)
        .nemesis(Nemesis::every(Duration::from_secs(1)).partitions())
}

#[test]
fn fan_out_takes_one_latency_and_a_call_for_every_other_node() {
    let perfect = Simulation::new(1)
        .nodes(25)
        .latency(Latency::constant_ms(100))
        .duration(Duration::from_secs(20));
    let summary = run(Bug::None, &perfect).unwrap();
    assert!(summary.values > 900);
    // Half of the operations are reads. Each of the others takes 24 calls and 24 replies.
    assert!(
        (22.0..26.0).contains(&summary.messages_per_operation),
        "{summary:?}"
    );
    let (median, max) = (summary.stable_latency_median, summary.stable_latency_max);
    assert!(median >= Duration::from_millis(80), "{summary:?}");
    assert!(max <= Duration::from_millis(100), "{summary:?}");
}

#[test]
fn a_correct_node_passes_under_loss_and_partitions() {
    for seed in 0..5 {
        run(Bug::None, &rough(seed)).unwrap();
    }
}

#[test]
fn wrong_nodes_are_found_out() {
    let failure = |bug| run(bug, &rough(1)).unwrap_err();
    assert!(failure(Bug::TellsOnce).mentions("is lost"));
    assert!(failure(Bug::TellsNobody).mentions("is lost"));
    assert!(failure(Bug::LosesAcknowledged).mentions("is lost"));
    assert!(failure(Bug::KeepsDoubles).mentions("has a value twice"));
}
