//! unique-ids: one correct node, and some that repeat ids.

use eddyline::sim::{Failure, Nemesis, Partition, Simulation, workload};
use eddyline::{Context, Node, Request, Result};
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, Copy)]
pub(crate) enum Bug {
    None,
    NoNodeInId,
    SmallLottery,
    AsksALeader,
    /// The milliseconds since the process began, and a counter within the millisecond.
    NowInId,
    /// The time at which the process began, by its own clock, as a name for its life.
    NowIsLife,
    /// The time of day in milliseconds, and a counter within the millisecond.
    UnixTimeInId,
}

pub(crate) struct Ids {
    bug: Bug,
    next: Cell<u64>,
    /// Distinguishes the lives of a node that restarts.
    life: u64,
    born_at: u64,
    last_ms: Cell<u128>,
}

impl Ids {
    /// An id of a time in milliseconds: unique as long as the clock does not go back.
    fn stamped(&self, cx: &Context, ms: u128) -> serde_json::Value {
        if self.last_ms.replace(ms) != ms {
            self.next.set(0);
        }
        json!([cx.node_id(), ms.to_string(), self.next.get()])
    }
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
            Bug::NowInId => self.stamped(&cx, u128::from(cx.now().as_nanos() / 1_000_000)),
            Bug::UnixTimeInId => self.stamped(&cx, cx.unix_time().as_millis()),
            Bug::NowIsLife => json!([cx.node_id(), self.born_at, next]),
        };
        cx.reply(&request, &json!({ "id": id }))
    }
}

pub(crate) fn build(bug: Bug) -> impl Fn(&Context) -> Ids + 'static {
    move |cx: &Context| Ids {
        bug,
        next: Cell::new(0),
        life: cx.random(|random| random.next_u64()),
        born_at: cx.now().as_nanos(),
        last_ms: Cell::new(0),
    }
}

fn run(bug: Bug) -> Result<usize, Box<Failure>> {
    let cut = ["n0", "n1", "n2"].map(|node| (node.to_owned(), "lin-tso".to_owned()));
    let span = Duration::from_secs(2)..Duration::from_secs(3);
    let simulation = Simulation::new(9)
        .nodes(3)
        .partition(Partition::Links(cut.to_vec()), span);
    let workload = workload::UniqueIds::new().total_availability();
    Ok(simulation.run_with(build(bug), workload)?.summary.ids)
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

/// In how many of 20 seeds ids repeat, with 100 ids a second of three nodes.
fn repeats(bug: Bug, nemesis: &Nemesis) -> usize {
    let repeats = |seed: &u64| {
        let simulation = Simulation::new(*seed)
            .nodes(3)
            .clock_skew(Duration::from_secs(1))
            .nemesis(nemesis.clone());
        match simulation.run_with(build(bug), workload::UniqueIds::new()) {
            Ok(report) => {
                assert!(report.faults.never_struck().is_empty(), "{report}");
                false
            }
            Err(failure) => failure.mentions("duplicate id"),
        }
    };
    (0..20).filter(repeats).count()
}

#[test]
fn ids_that_are_made_of_a_clock_repeat() {
    let restarts = Nemesis::default().restarts();
    let jumps = Nemesis::default().clock_jumps();
    assert_eq!(repeats(Bug::None, &restarts.clone().clock_jumps()), 0);
    assert_eq!(repeats(Bug::NowInId, &jumps), 0);
    assert_eq!(repeats(Bug::UnixTimeInId, &restarts), 0);
    let by_now = repeats(Bug::NowIsLife, &restarts);
    let now = repeats(Bug::NowInId, &restarts);
    let unix = repeats(Bug::UnixTimeInId, &jumps);
    // A clock repeats a millisecond only if its jump is shorter than the time that it has run.
    eprintln!("of 20 seeds: {by_now}, {now}, {unix}");
    assert!(by_now >= 18 && now >= 10 && unix >= 5);
}
