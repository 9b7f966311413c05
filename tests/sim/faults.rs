//! Faults: those that strike several nodes, their list in the report, and the clocks of nodes.

use eddyline::sim::workload;
use eddyline::sim::{
    Cluster, Failure, Fault, FaultKind, Group, Latency, Nemesis, Partition, Report, Simulation,
};
use eddyline::time::VIRTUAL_UNIX_START;
use eddyline::workload::GSetSummary;
use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The set of README.md: it sends each element once, keeps it in memory, and tells its clocks.
struct Forgetful {
    elements: RefCell<BTreeSet<u64>>,
}

#[derive(Serialize, Deserialize)]
struct Add {
    element: u64,
}

impl Node for Forgetful {
    fn new(_: &Context) -> Self {
        Forgetful {
            elements: RefCell::default(),
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "add" => {
                let Add { element } = request.body()?;
                self.elements.borrow_mut().insert(element);
                for peer in cx.peers() {
                    cx.send(peer, "merge", &Add { element })?;
                }
                cx.reply(&request, &())
            }
            "merge" => {
                self.elements
                    .borrow_mut()
                    .insert(request.body::<Add>()?.element);
                Ok(())
            }
            "clocks" => {
                let unix = cx.unix_time().as_secs_f64() - VIRTUAL_UNIX_START.as_secs_f64();
                let now = cx.now().as_nanos();
                cx.reply(
                    &request,
                    &json!({ "now_ms": now / 1_000_000, "unix": unix }),
                )
            }
            "sleep" => {
                cx.sleep(SECOND).await;
                cx.reply(&request, &())
            }
            "ask" => {
                let reply = cx.sync_rpc("n1", "clocks", &()).await?;
                cx.reply_raw(&request, reply.raw_value()?)
            }
            _ => cx.reply(&request, &json!({ "value": *self.elements.borrow() })),
        }
    }
}

fn g_set(simulation: Simulation) -> Result<Report<GSetSummary>, Box<Failure>> {
    simulation.run::<Forgetful, _>(workload::GSet::new())
}

#[test]
fn a_node_that_was_paused_before_it_ever_ran_starts_when_all_faults_end() {
    let mut cluster = Simulation::new(5).nodes(3).build::<Forgetful>();
    cluster.apply(&Fault::Pause(1));
    cluster.run_for(SECOND);
    assert!(!cluster.is_running(1));
    cluster.calm();
    assert!(cluster.is_running(1));
    assert!(cluster.call("n1", "read", &()).is_ok());
    assert_eq!(cluster.faults().spans()[0].to, Some(SECOND));
}

#[test]
fn messages_on_their_way_to_a_node_are_lost_when_it_starts_again() {
    let mut simulation = Simulation::new(1).nodes(2);
    simulation = simulation.latency(Latency::constant_ms(100));
    let mut cluster = simulation.build::<Forgetful>();
    assert!(cluster.call("n0", "ask", &()).is_ok());
    let ask = json!({"type": "ask", "msg_id": 1});
    cluster.inject("c9", "n0", &ask);
    cluster.run_for(Duration::from_millis(50));
    // The request is half way when the next life begins.
    cluster.apply(&Fault::Crash(1));
    cluster.apply(&Fault::Restart(1));
    cluster.run_for(Duration::from_secs(2));
    assert_eq!(cluster.statistics().to_the_dead, 1);
    assert_eq!(cluster.take_received("c9")[0]["body"]["code"], 0);
    assert!(cluster.call("n0", "ask", &()).is_ok());
}

#[test]
fn a_receiver_that_takes_one_message_at_a_time_lets_clients_wait() {
    let latency = Latency::constant_ms(100);
    let waits = |simulation: Simulation| {
        let mut cluster = simulation.nodes(2).latency(latency).build::<Forgetful>();
        cluster.run_for(SECOND);
        cluster.inject(
            "c8",
            "n0",
            &json!({"type": "add", "msg_id": 1, "element": 1}),
        );
        cluster.run_for(Duration::from_millis(40));
        // n1 has taken n0's message, which is due in 60 ms.
        let before = cluster.now();
        cluster.call("n1", "read", &()).unwrap();
        cluster.now().since(before)
    };
    assert_eq!(waits(Simulation::new(1)), Duration::ZERO);
    let one = waits(Simulation::new(1).one_message_at_a_time());
    assert_eq!(one, Duration::from_millis(60));
}

#[test]
fn a_receiver_that_takes_one_message_at_a_time_looks_at_the_link_when_it_takes_it() {
    let latency = Latency::constant_ms(100);
    let arrives = |simulation: Simulation| {
        let mut cluster = simulation.nodes(2).latency(latency).build::<Forgetful>();
        cluster.run_for(SECOND);
        cluster.inject(
            "c8",
            "n0",
            &json!({"type": "add", "msg_id": 1, "element": 1}),
        );
        cluster.run_for(Duration::from_millis(40));
        cluster.apply(&Fault::Partition(Partition::Isolate(0)));
        cluster.run_for(SECOND);
        cluster.statistics().cut == 0
    };
    assert!(!arrives(Simulation::new(1)));
    assert!(arrives(Simulation::new(1).one_message_at_a_time()));
}

#[test]
fn groups_of_nodes_are_killed_and_paused_at_once() {
    let most = |group, seed| {
        let nemesis = Nemesis::default().pauses().restarts().groups(&[group]);
        let simulation = Simulation::new(seed).nodes(5).nemesis(nemesis);
        // It loses what it knew: only the faults count here.
        let faults = g_set(simulation).unwrap_err().report.faults;
        assert!(faults.never_struck().is_empty(), "{faults}");
        let ended = faults.spans().iter().all(|span| span.to.is_some());
        assert!(ended, "{faults}");
        let sizes = faults.spans().iter().map(|span| span.nodes.len());
        sizes.max().unwrap()
    };
    assert_eq!(most(Group::One, 1), 1);
    assert_eq!(most(Group::Minority, 1), 2);
    assert_eq!(most(Group::Majority, 1), 3);
    assert_eq!(most(Group::All, 1), 5);
}

#[test]
fn a_report_lists_each_fault_with_its_span() {
    let second = Duration::from_secs;
    let simulation = Simulation::new(3)
        .nodes(3)
        .partition(Partition::Isolate(0), second(1)..second(2))
        .restart(1, second(3)..second(4))
        .pause(2, second(5)..second(6))
        .fault(second(7), Fault::ClockJump(0, -500))
        .crash(2, second(8));
    let failure = g_set(simulation).unwrap_err();
    let faults = &failure.report.faults;
    assert!(faults.never_struck().is_empty());
    let shown: Vec<String> = faults.spans().iter().map(ToString::to_string).collect();
    let end = faults.spans()[3].to.expect("mended with the load");
    assert_eq!(
        shown,
        [
            "partition (Isolate(0)) of n0, n1, n2 from 1s to 2s",
            "crash of n1 from 3s to 4s",
            "pause of n2 from 5s to 6s",
            &format!("clock jump (-500 ms) of n0 from 7s to {end:?}"),
            "crash of n2 from 8s to the end",
        ]
    );
    let text = failure.to_string();
    assert!(text.contains("5 faults:\n  partition"), "{text}");
}

#[test]
fn a_run_in_which_no_fault_struck_says_so() {
    let alone = Simulation::new(1).nemesis(Nemesis::default().restarts());
    let report = g_set(alone).unwrap();
    assert_eq!(report.faults.never_struck(), [FaultKind::Crash]);
    let text = report.to_string();
    assert!(text.contains("NO FAULT STRUCK"), "{text}");
    assert!(text.contains("never came"), "{text}");
    let quiet = g_set(Simulation::new(1)).unwrap();
    assert!(quiet.faults.never_struck().is_empty());
    assert!(
        quiet
            .to_string()
            .contains("no faults of nodes, links or clocks"),
        "{quiet}"
    );
    // One of two kinds.
    let late = Duration::from_secs(100);
    let simulation = Simulation::new(1).nodes(3).crash(0, late);
    let simulation = simulation.pause(1, SECOND..2 * SECOND);
    let report = g_set(simulation).unwrap();
    assert_eq!(report.faults.never_struck(), [FaultKind::Crash]);
    assert!(report.to_string().contains("NOT ALL FAULTS STRUCK"));
}

#[test]
fn a_restart_is_noticed_in_each_seed_however_rare_faults_are() {
    for every in [2 * SECOND, 60 * SECOND] {
        for seed in 0..10 {
            let nemesis = Nemesis::every(every).restarts();
            let result = g_set(Simulation::new(seed).nodes(3).nemesis(nemesis));
            let failure = result.expect_err("a node forgot its elements, and that passed");
            assert!(failure.mentions("is lost"), "{failure}");
        }
    }
}

fn clocks(cluster: &mut Cluster, node: usize) -> (u64, f64) {
    let reply = cluster.call(&format!("n{node}"), "clocks", &());
    let reply = reply.expect("a node that runs");
    (
        reply["now_ms"].as_u64().expect("a number"),
        reply["unix"].as_f64().expect("a number"),
    )
}

#[test]
fn each_life_begins_at_zero_and_the_wall_clock_goes_on() {
    let mut cluster = Simulation::new(2).nodes(2).build::<Forgetful>();
    cluster.run_for(3 * SECOND);
    let (now, unix) = clocks(&mut cluster, 0);
    assert!(
        (2_980..=3_000).contains(&now),
        "{now}: it boots within 10 ms"
    );
    assert!((unix - 3.0).abs() < 0.001, "{unix}");
    cluster.apply(&Fault::Crash(0));
    cluster.run_for(4 * SECOND);
    cluster.apply(&Fault::Restart(0));
    let (now, unix) = clocks(&mut cluster, 0);
    assert_eq!(now, 0);
    assert!((unix - 7.0).abs() < 0.001, "{unix}");
    // Timers go by the clock of the life.
    let before = cluster.now();
    cluster.call("n0", "sleep", &()).unwrap();
    let slept = cluster.now().since(before);
    assert!(
        (SECOND..SECOND + Duration::from_millis(1)).contains(&slept),
        "{slept:?}"
    );
    assert_eq!(clocks(&mut cluster, 0).0, 1_000);
    assert!(clocks(&mut cluster, 1).0 >= 7_980);
}

#[test]
fn wall_clocks_differ_and_jump_and_are_set_right() {
    let simulation = Simulation::new(2).nodes(2).clock_skew(2 * SECOND);
    let mut cluster = simulation.build::<Forgetful>();
    cluster.run_for(SECOND);
    let [one, other] = [0, 1].map(|node| clocks(&mut cluster, node).1 - 1.0);
    assert!(one.abs() < 2.0 && other.abs() < 2.0 && (one - other).abs() > 0.01);
    cluster.apply(&Fault::ClockJump(0, -60_000));
    let (now, unix) = clocks(&mut cluster, 0);
    assert!((unix - (1.0 + one - 60.0)).abs() < 0.001, "{unix}");
    assert!((980..=1_000).contains(&now), "{now}");
    // A restart does not set a machine's clock.
    cluster.apply(&Fault::Crash(0));
    cluster.apply(&Fault::Restart(0));
    assert!((clocks(&mut cluster, 0).1 - (1.0 + one - 60.0)).abs() < 0.001);
    cluster.calm();
    assert!((clocks(&mut cluster, 0).1 - (1.0 + one)).abs() < 0.001);
    assert_eq!(cluster.faults().spans()[0].kind, FaultKind::ClockJump);
    assert!(cluster.faults().spans()[0].to.is_some());
}
