//! unique-ids: one correct node, and some that repeat ids.

use eddyline::sim::{Failure, Partition, Simulation, workload};
use eddyline::{Context, Node, Request, Result};
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, Copy)]
enum Bug {
    None,
    NoNodeInId,
    SmallLottery,
    AsksALeader,
}

struct Ids {
    bug: Bug,
    next: Cell<u64>,
    /// Distinguishes the lives of a node that restarts.
    life: u64,
}

impl Node for Ids {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let next = self.next.get();
        self.next.set(next + 1);
        let id = match self.bug {
            Bug::None => json!([cx.node_id(), self.life, next]),
            Bug::NoNodeInId => json!(next),
            Bug::SmallLottery => json!(cx.random(|random| random.below(10_000))),
            Bug::AsksALeader => {
                let reply = cx.sync_rpc("lin-tso", "ts", &()).await?;
                let reply: serde_json::Value = reply.body()?;
                reply["ts"].clone()
            }
        };
        cx.reply(&request, &json!({ "id": id }))
    }
}

fn run(bug: Bug) -> Result<usize, Box<Failure>> {
    let cut = ["n0", "n1", "n2"].map(|node| (node.to_owned(), "lin-tso".to_owned()));
    let span = Duration::from_secs(2)..Duration::from_secs(3);
    let simulation = Simulation::new(9)
        .nodes(3)
        .partition(Partition::Links(cut.to_vec()), span);
    let build = move |cx: &Context| Ids {
        bug,
        next: Cell::new(0),
        life: cx.random(|random| random.next_u64()),
    };
    let workload = workload::UniqueIds::new().total_availability();
    Ok(simulation.run_with(build, workload)?.summary.ids)
}

#[test]
fn a_correct_node_passes() {
    assert!(run(Bug::None).unwrap() > 900);
}

#[test]
fn wrong_nodes_are_found_out() {
    assert!(run(Bug::NoNodeInId).unwrap_err().mentions("duplicate id"));
    assert!(run(Bug::SmallLottery).unwrap_err().mentions("duplicate id"));
    assert!(run(Bug::AsksALeader).unwrap_err().mentions("not available"));
}
