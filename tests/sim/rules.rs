//! Rules whose violation ends a run, with the seed and the reason: Maelstrom's, and those
//! that a simulation needs.

use eddyline::sim::{Cluster, Failure, Fault, Partition, Simulation, workload};
use eddyline::{Context, Node, Request, Result};
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
enum Bug {
    PanicsWhenBuilt,
    NeverWaits,
    KnowsMoreThanItsSeed,
    AnswersTwice,
}

struct Rogue {
    bug: Bug,
}

/// Lives longer than a run. A node must have nothing like it.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

impl Node for Rogue {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match self.bug {
            Bug::NeverWaits => loop {
                let mut yielded = false;
                std::future::poll_fn(|task| {
                    task.waker().wake_by_ref();
                    if std::mem::replace(&mut yielded, true) {
                        std::task::Poll::Ready(())
                    } else {
                        std::task::Poll::Pending
                    }
                })
                .await;
            },
            Bug::KnowsMoreThanItsSeed => {
                let count = REQUESTS.fetch_add(1, Ordering::Relaxed);
                cx.reply(&request, &json!({ "echo": count }))
            }
            Bug::AnswersTwice => {
                let body: serde_json::Value = request.body()?;
                let reply = json!({ "echo": body["echo"] });
                cx.reply(&request, &reply)?;
                cx.reply(&request, &reply)
            }
            Bug::PanicsWhenBuilt => Ok(()),
        }
    }
}

fn run(bug: Bug) -> Result<(), Box<Failure>> {
    let build = move |_: &Context| {
        assert!(bug != Bug::PanicsWhenBuilt, "no node today");
        Rogue { bug }
    };
    let simulation = Simulation::new(17).nodes(2);
    simulation.run_with(build, workload::Echo::new())?;
    Ok(())
}

#[test]
fn a_node_that_cannot_be_built_does_not_answer_init() {
    let failure = run(Bug::PanicsWhenBuilt).unwrap_err();
    assert!(failure.mentions("not answered by init_ok"), "{failure}");
    assert!(failure.to_string().contains("no node today"), "{failure}");
}

#[test]
fn a_task_that_never_waits_is_stopped() {
    let failure = run(Bug::NeverWaits).unwrap_err();
    assert!(failure.mentions("its tasks do not stop"), "{failure}");
}

#[test]
fn a_node_that_depends_on_more_than_its_seed_is_reported() {
    let failure = run(Bug::KnowsMoreThanItsSeed).unwrap_err();
    assert!(failure.is_not_reproducible);
    assert!(
        failure.to_string().contains("seed 17 does NOT replay it"),
        "{failure}"
    );
}

#[test]
fn a_second_answer_is_not_sent() {
    run(Bug::AnswersTwice).unwrap();
}

/// Counts its ticks.
struct Ticker {
    ticks: Cell<u64>,
}

impl Node for Ticker {
    fn new(_: &Context) -> Self {
        Ticker {
            ticks: Cell::new(0),
        }
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let mut ticks = cx.every(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            self.ticks.set(self.ticks.get() + 1);
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        if request.kind() == "ask" {
            let reply = cx.sync_rpc("n1", "ticks", &()).await?;
            let body: serde_json::Value = reply.body()?;
            return cx.reply(&request, &json!({ "ticks": body["ticks"] }));
        }
        cx.reply(&request, &json!({ "ticks": self.ticks.get() }))
    }
}

#[test]
fn the_first_message_by_hand_waits_for_the_nodes_and_no_longer() {
    let mut cluster = Simulation::new(1).nodes(3).build::<Quiet>();
    cluster.inject("c9", "n2", &json!({"type": "ping", "msg_id": 7}));
    cluster.run_for(Duration::ZERO);
    assert_eq!(cluster.take_received("c9")[0]["body"]["type"], "ping_ok");
    // Nothing happens in the cluster, so there is no event that lets the time jump.
    cluster.call("n0", "ping", &()).unwrap();
    let started = eddyline::time::Instant::from_millis(10);
    assert_eq!(cluster.now(), started);
}

struct Quiet;

impl Node for Quiet {
    fn new(_: &Context) -> Self {
        Quiet
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        cx.reply(&request, &())
    }
}

#[test]
fn a_pause_delays_messages_and_makes_no_burst_of_ticks() {
    use eddyline::sim::Fault;
    let mut cluster = Simulation::new(1).nodes(1).build::<Ticker>();
    cluster.run_for(Duration::from_secs(1));
    let before = cluster.call("n0", "ticks", &()).unwrap()["ticks"]
        .as_u64()
        .unwrap();
    assert!((8..=10).contains(&before), "{before}");
    cluster.apply(&Fault::Pause(0));
    cluster.inject("c99", "n0", &json!({"type": "ticks", "msg_id": 1}));
    cluster.run_for(Duration::from_secs(10));
    assert!(cluster.take_received("c99").is_empty());
    cluster.apply(&Fault::Resume(0));
    cluster.run_for(Duration::ZERO);
    assert_eq!(cluster.take_received("c99").len(), 1);
    let after = cluster.call("n0", "ticks", &()).unwrap()["ticks"]
        .as_u64()
        .unwrap();
    assert!(after <= before + 1, "{before} and then {after}");
}

#[test]
fn a_link_is_cut_one_way_and_messages_that_arrive_meanwhile_are_lost() {
    let ask = |from: &str, to: &str| {
        let links = vec![(from.to_owned(), to.to_owned())];
        let span = Duration::ZERO..Duration::from_secs(1);
        let simulation = Simulation::new(1).nodes(3);
        let mut cluster = simulation
            .partition(Partition::Links(links), span)
            .build::<Ticker>();
        cluster.call("n0", "ask", &()).map(|_| cluster.statistics())
    };
    assert!(ask("n2", "n1").is_ok());
    // The request is lost, or the reply is.
    assert_eq!(ask("n0", "n1").unwrap_err().code.number(), 0);
    assert_eq!(ask("n1", "n0").unwrap_err().code.number(), 0);
}

#[test]
fn messages_of_clients_can_be_lost_too() {
    let simulation = Simulation::new(1).loss(0.5).faulty_clients();
    let mut cluster = simulation.build::<Ticker>();
    let answered = (0..20)
        .filter(|_| cluster.call("n0", "ticks", &()).is_ok())
        .count();
    assert!((1..15).contains(&answered), "{answered}");
}

/// Handles each request as a test wants.
struct Scripted {
    kind: Script,
}

#[derive(Clone, Copy, PartialEq)]
enum Script {
    RefusesAll,
    RefusesCas,
    AnswersAnythingWithAnything,
    SleepsForNoTime,
}

impl Node for Scripted {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        match self.kind {
            Script::AnswersAnythingWithAnything => {
                cx.peers().try_for_each(|peer| cx.send(peer, "gossip", &()))
            }
            Script::SleepsForNoTime => loop {
                cx.sleep(Duration::ZERO).await;
            },
            Script::RefusesAll | Script::RefusesCas => Ok(()),
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "gossip" => cx.send(request.src(), "gossip", &()),
            "write" if self.kind == Script::RefusesCas => cx.reply(&request, &()),
            _ => cx.not_supported(&request),
        }
    }
}

fn scripted(kind: Script) -> Box<Failure> {
    let build = move |_: &Context| Scripted { kind };
    let simulation = Simulation::new(3).nodes(2).rate(100.0);
    let result = simulation.run_with(build, workload::LinKv::new());
    result.expect_err("a script is no node")
}

#[test]
fn a_node_that_does_nothing_passes_nothing() {
    let failure = scripted(Script::RefusesAll);
    assert!(failure.mentions("operations was done"), "{failure}");
    let failure = scripted(Script::RefusesCas);
    assert!(failure.mentions("operations \"cas\" was done"), "{failure}");
}

#[test]
fn a_run_whose_time_stands_still_is_ended() {
    for kind in [Script::AnswersAnythingWithAnything, Script::SleepsForNoTime] {
        let failure = scripted(kind);
        assert!(failure.mentions("at one instant"), "{failure}");
    }
}

#[test]
fn a_node_that_is_crashed_or_paused_before_it_begins_stays_down() {
    let build = |_: &Context| Ticker {
        ticks: Cell::new(0),
    };
    let mut cluster = Simulation::new(5).nodes(3).build_with(build);
    cluster.apply(&Fault::Crash(0));
    cluster.apply(&Fault::Pause(1));
    cluster.apply(&Fault::Restart(2));
    cluster.run_for(Duration::from_secs(1));
    let running = |cluster: &Cluster| [0, 1, 2].map(|node| cluster.is_running(node));
    assert_eq!(running(&cluster), [false, false, true]);
    cluster.apply(&Fault::Resume(0));
    cluster.apply(&Fault::Resume(1));
    assert_eq!(running(&cluster), [false, true, true]);
    cluster.apply(&Fault::Restart(0));
    cluster.run_for(Duration::from_secs(1));
    assert!(cluster.is_ready());
}
