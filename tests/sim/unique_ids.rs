//! unique-ids: one correct node, and some that repeat ids.

use eddyline::sim::{Failure, Nemesis, Partition, Simulation, workload};
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
    /// The milliseconds since the process began.
    NowInId,
    /// The same, read once in each life, as a name for that life.
    NowIsLife,
    /// The time of day in milliseconds, and a counter within the millisecond.
    UnixTimeInId,
    /// The time of day at the beginning of a life, in seconds, as a name for that life.
    UnixTimeIsLife,
}

struct Ids {
    bug: Bug,
    next: Cell<u64>,
    /// Distinguishes the lives of a node that restarts.
    life: u64,
    born_at: [u64; 2],
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
            Bug::NowInId => json!([cx.node_id(), cx.now().as_nanos() / 1_000_000]),
            Bug::NowIsLife => json!([cx.node_id(), self.born_at[0], next]),
            Bug::UnixTimeInId => {
                let ms = cx.unix_time().as_millis().to_string();
                json!([cx.node_id(), ms])
            }
            Bug::UnixTimeIsLife => json!([cx.node_id(), self.born_at[1], next]),
        };
        cx.reply(&request, &json!({ "id": id }))
    }
}

fn build(bug: Bug) -> impl Fn(&Context) -> Ids + 'static {
    move |cx: &Context| Ids {
        bug,
        next: Cell::new(0),
        life: cx.random(|random| random.next_u64()),
        born_at: [cx.now().as_nanos(), cx.unix_time().as_secs()],
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
    let jumps = Nemesis::default().restarts().clock_jumps();
    assert_eq!(repeats(Bug::None, &jumps), 0);
    // Each life begins at zero, so its name by that clock is always the same. It stays unseen
    // when the only client of a node that restarts waits for a lost reply until the end.
    let [by_now, now, unix, by_unix] = [
        repeats(Bug::NowIsLife, &restarts),
        repeats(Bug::NowInId, &restarts),
        repeats(Bug::UnixTimeInId, &jumps),
        repeats(Bug::UnixTimeIsLife, &jumps),
    ];
    eprintln!("of 20 seeds: {by_now}, {now}, {unix}, {by_unix}");
    assert!(by_now >= 15 && now >= 10 && unix >= 1 && by_unix >= 1);
}
