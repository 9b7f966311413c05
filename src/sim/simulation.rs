//! The builder of a simulation, and its run.
//!
//! Read next: `cluster`, which is simulated, and [`Workload`], which is run on it.

use super::cluster::{Cluster, LogSink, Spawn};
use super::plan::Plan;
use super::report::{Failure, Report};
use crate::node::{Context, Node};
use crate::session::{Session, Settings};
use crate::time::Clock;
use crate::workload::faults::{Fault, Latency, Nemesis, Partition};
use crate::workload::{Driver, History, Workload};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// A builder: a cluster, the faults of its nodes and network, and the load on it.
/// Everything is drawn from the seed, so a run that failed fails again, on any machine.
///
/// ```
/// use eddyline::sim::{Latency, Partition, Simulation, workload::Echo};
/// use std::time::Duration;
/// # use eddyline::{Context, Node, Request, Result};
/// # use serde_json::{Value, json};
/// # use std::rc::Rc;
/// # struct EchoNode;
/// # impl Node for EchoNode {
/// #     fn new(_: &Context) -> Self { EchoNode }
/// #     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
/// #         let body: Value = request.body()?;
/// #         cx.reply(&request, &json!({"echo": body["echo"]}))
/// #     }
/// # }
///
/// let report = Simulation::new(7)
///     .nodes(3)
///     .latency(Latency::exponential_ms(20))
///     .loss(0.05)
///     .partition(Partition::Halves, Duration::from_secs(2)..Duration::from_secs(4))
///     .run::<EchoNode, _>(Echo::new())?;
/// assert_eq!(report.history.availability(), 1.0);
/// # Ok::<(), Box<eddyline::sim::Failure>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is built or run"]
pub struct Simulation {
    plan: Plan,
}

impl Simulation {
    /// A simulation of one node on a perfect network: 100 operations a second
    /// for 10 s (20 s if nodes are killed), and 10 s to recover.
    pub fn new(seed: u64) -> Simulation {
        Simulation {
            plan: Plan::new(seed),
        }
    }

    // The cluster.

    /// How many nodes there are: n0, n1, and so on. At least one.
    pub fn nodes(mut self, count: usize) -> Simulation {
        self.plan.nodes = count.max(1);
        self
    }

    /// How long the nodes' calls wait by default: 1 s.
    pub fn rpc_timeout(mut self, timeout: Duration) -> Simulation {
        self.plan.rpc_timeout = timeout;
        self
    }

    /// How far the wall clock of each node may be off, forward or back: not at all. The
    /// difference is drawn once, and a restart does not change it. A
    /// [clock jump](Fault::ClockJump) adds to it.
    ///
    /// ```
    /// # use {eddyline::sim::{Nemesis, Simulation}, std::time::Duration};
    /// let simulation = Simulation::new(7).nodes(5).clock_skew(Duration::from_secs(2));
    /// let simulation = simulation.nemesis(Nemesis::default().restarts().clock_jumps());
    /// ```
    pub fn clock_skew(mut self, most: Duration) -> Simulation {
        self.plan.clock_skew = most;
        self
    }

    // The network between nodes, and to services. As in Maelstrom, clients sit beside
    // their node: their delays would hide anomalies.

    /// The latency of messages: none.
    pub fn latency(mut self, latency: Latency) -> Simulation {
        self.plan.conditions.latency = latency;
        self
    }

    /// The probability of each message to be lost: 0.
    ///
    /// # Panics
    /// When it is not from 0 to 1.
    pub fn loss(mut self, probability: f64) -> Simulation {
        self.plan.conditions.loss = checked(probability);
        self
    }

    /// The probability of each message to arrive twice: 0.
    ///
    /// # Panics
    /// When it is not from 0 to 1.
    pub fn duplication(mut self, probability: f64) -> Simulation {
        self.plan.conditions.duplication = checked(probability);
        self
    }

    /// The probability of each message to be held back while later ones pass it: 0. The
    /// delay is at most ten times the mean latency, or 10 ms if that is more. Latency
    /// that is not constant reorders by itself.
    ///
    /// # Panics
    /// When it is not from 0 to 1.
    pub fn reordering(mut self, probability: f64) -> Simulation {
        self.plan.conditions.reordering = checked(probability);
        self
    }

    /// Messages from and to clients have the same latency and faults as all others.
    pub fn faulty_clients(mut self) -> Simulation {
        self.plan.conditions.clients_too = true;
        self
    }

    /// Nodes and services receive as in Maelstrom: each takes the message that is due next,
    /// and waits until it is due. A request of a client that comes meanwhile waits too, so that
    /// clients see much of the network's latency in their own requests. A link is looked at
    /// when its message is taken. Otherwise each message arrives when it is due, and its link is
    /// looked at then.
    ///
    /// ```
    /// # use eddyline::sim::{Latency, Simulation};
    /// let simulation = Simulation::new(7).nodes(25).latency(Latency::constant_ms(100));
    /// let as_in_maelstrom = simulation.one_message_at_a_time();
    /// ```
    pub fn one_message_at_a_time(mut self) -> Simulation {
        self.plan.one_at_a_time = true;
        self
    }

    // Faults. Times are counted from the start of the run. All faults end with the
    // load, even if they were scheduled for longer. A node that the cluster does not have
    // makes the run panic.

    /// A partition from one time to another.
    ///
    /// ```
    /// # use {eddyline::sim::{Partition, Simulation}, std::time::Duration};
    /// let span = Duration::from_secs(2)..Duration::from_secs(4);
    /// let simulation = Simulation::new(7).nodes(5).partition(Partition::Halves, span);
    /// ```
    pub fn partition(mut self, partition: Partition, span: Range<Duration>) -> Simulation {
        self.plan.faults.partitions.push((partition, span));
        self
    }

    /// A node pauses at one time and goes on at another.
    pub fn pause(self, node: usize, span: Range<Duration>) -> Simulation {
        self.fault(span.start, Fault::Pause(node))
            .fault(span.end, Fault::Resume(node))
    }

    /// A node crashes for good.
    pub fn crash(self, node: usize, at: Duration) -> Simulation {
        self.fault(at, Fault::Crash(node))
    }

    /// A node crashes at one time and starts again at another, without its memory.
    pub fn restart(self, node: usize, span: Range<Duration>) -> Simulation {
        self.fault(span.start, Fault::Crash(node))
            .fault(span.end, Fault::Restart(node))
    }

    /// Any fault at a time.
    pub fn fault(mut self, at: Duration, fault: Fault) -> Simulation {
        self.plan.faults.faults.push((at, fault));
        self
    }

    /// Random faults at random times. The [report](Report::faults) lists those that struck.
    pub fn nemesis(mut self, nemesis: Nemesis) -> Simulation {
        self.plan.faults.nemesis = nemesis;
        self
    }

    // The load.

    /// How many clients there are: one for each node. They are spread evenly over the
    /// nodes.
    pub fn clients(mut self, count: usize) -> Simulation {
        self.plan.load.clients = Some(count.max(1));
        self
    }

    /// How many operations all clients together make in a second: 100. When all
    /// of them wait, the next operations wait too.
    ///
    /// # Panics
    /// When it is neither 0 nor from 1e-6 to 1e9.
    pub fn rate(mut self, operations_per_second: f64) -> Simulation {
        assert!(
            operations_per_second == 0.0 || (1e-6..=1e9).contains(&operations_per_second),
            "a rate of {operations_per_second} operations a second: 0, or from 1e-6 to 1e9"
        );
        self.plan.load.rate = operations_per_second;
        self
    }

    /// How long the load lasts: 10 s, or 20 s if nodes are killed. The client of a killed node
    /// waits 5 s for its reply, and needs time to ask again.
    pub fn duration(mut self, duration: Duration) -> Simulation {
        self.plan.duration = Some(duration);
        self
    }

    /// The time between the end of load and faults and the final operations: 10 s, as in
    /// Maelstrom.
    pub fn recovery(mut self, recovery: Duration) -> Simulation {
        self.plan.load.recovery = recovery;
        self
    }

    /// Keeps the whole conversation. A run that fails always has it.
    pub fn trace(mut self) -> Simulation {
        self.plan.trace = true;
        self
    }

    // The run.

    /// A cluster of `N`, to be driven by hand.
    ///
    /// Its faults strike as in a run: those of a nemesis within the
    /// [`duration`](Simulation::duration), from time zero on. So a property that no workload
    /// has is checked under faults:
    ///
    /// ```
    /// # use eddyline::sim::{Nemesis, Simulation, seeds};
    /// # use std::time::Duration;
    /// fn all_agree<N: eddyline::Node>() {
    ///     for seed in seeds(20) {
    ///         let nemesis = Nemesis::every(Duration::from_secs(1)).partitions();
    ///         let mut cluster = Simulation::new(seed).nodes(3).nemesis(nemesis).build::<N>();
    ///         for round in 0..50 {
    ///             let node = format!("n{}", round % 3);
    ///             cluster.call(&node, "commit", &()).ok(); // an error is no failure here
    ///         }
    ///         cluster.calm();
    ///         cluster.run_for(Duration::from_secs(10));
    ///         let states = ["n0", "n1", "n2"].map(|node| cluster.call(node, "read", &()).unwrap());
    ///         assert!(states.iter().all(|state| state["value"] == states[0]["value"]), "{seed}");
    ///         assert!(cluster.violations().is_empty());
    ///     }
    /// }
    /// ```
    pub fn build<N: Node>(&self) -> Cluster {
        self.build_with(N::new)
    }

    /// A cluster of the nodes that `build` makes.
    ///
    /// ```
    /// # use eddyline::{Context, Node, sim::{Cluster, Simulation}};
    /// fn build<N: Node>(gossip: impl Fn(usize) -> N + 'static, fanout: usize) -> Cluster {
    ///     Simulation::new(7).nodes(9).build_with(move |_: &Context| gossip(fanout))
    /// }
    /// ```
    pub fn build_with<N: Node>(&self, build: impl Fn(&Context) -> N + 'static) -> Cluster {
        Cluster::new(&self.plan, spawn(build))
    }

    /// Runs a cluster of `N` under a workload, and checks its history.
    ///
    /// # Errors
    /// When a node broke a rule of the protocol, or the workload's checker found
    /// an anomaly.
    pub fn run<N: Node, W: Workload>(
        &self,
        workload: W,
    ) -> Result<Report<W::Summary>, Box<Failure>> {
        self.run_with(N::new, workload)
    }

    /// Runs a cluster of the nodes that `build` makes, as [`run`](Simulation::run)
    /// does. For nodes that are built from more than their `init`.
    ///
    /// ```
    /// # use eddyline::{Context, Node, sim::{Failure, Simulation, workload}};
    /// fn spreads<N: Node>(gossip: fn(usize) -> N, fanout: usize) -> Result<(), Box<Failure>> {
    ///     let build = move |_: &Context| gossip(fanout);
    ///     Simulation::new(7).nodes(9).run_with(build, workload::Broadcast::new())?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`run`](Simulation::run).
    pub fn run_with<N: Node, W: Workload>(
        &self,
        build: impl Fn(&Context) -> N + 'static,
        workload: W,
    ) -> Result<Report<W::Summary>, Box<Failure>> {
        let spawn = spawn(build);
        let first = run_once(&self.plan, spawn.clone(), workload.clone());
        let Err(failure) = first else {
            return first;
        };
        // Once more, to keep the trace and to find out whether the seed replays the run.
        let plan = Plan {
            trace: true,
            ..self.plan.clone()
        };
        match run_once(&plan, spawn, workload) {
            Err(again) if again.report.fingerprint == failure.report.fingerprint => Err(again),
            _ => Err(Box::new(Failure {
                is_not_reproducible: true,
                ..*failure
            })),
        }
    }
}

/// Runs a new cluster under a workload.
fn run_once<W: Workload>(
    plan: &Plan,
    spawn: Spawn,
    workload: W,
) -> Result<Report<W::Summary>, Box<Failure>> {
    let mut cluster = Cluster::new(plan, spawn);
    let name = workload.name();
    let latency = plan.conditions.latency.mean();
    let load = plan.load();
    let driver = Driver::new(&mut cluster, workload, &load, plan.seed, latency);
    let finished = driver.run().with_progress();
    let (history, cost) = (finished.history, finished.server_messages_per_operation);
    match finished.checked {
        Ok(summary) => Ok(report(&mut cluster, history, cost, summary)),
        Err(anomalies) => Err(Box::new(Failure {
            workload: name,
            violations: cluster.violations().to_vec(),
            anomalies,
            report: report(&mut cluster, history, cost, ()),
            is_not_reproducible: false,
        })),
    }
}

fn report<S>(cluster: &mut Cluster, history: History, cost: f64, summary: S) -> Report<S> {
    Report {
        seed: cluster.seed(),
        summary,
        history,
        statistics: cluster.statistics(),
        faults: cluster.faults().clone(),
        server_messages_per_operation: cost,
        elapsed: cluster.now(),
        logs: cluster.logs().map(str::to_owned).collect(),
        fingerprint: cluster.fingerprint(),
        trace: cluster.take_trace(),
    }
}

/// Checks a probability: a test that asks for a loss of 5 means 0.05.
fn checked(probability: f64) -> f64 {
    assert!(
        (0.0..=1.0).contains(&probability),
        "a probability is from 0 to 1, and {probability} is not"
    );
    probability
}

/// Hides the node's type from the cluster.
fn spawn<N: Node>(build: impl Fn(&Context) -> N + 'static) -> Spawn {
    let build = Rc::new(build);
    Rc::new(
        move |settings: Settings, clock: Rc<dyn Clock>, log: LogSink| {
            let build = build.clone();
            Session::new(move |cx: &Context| build(cx), settings, clock, log)
        },
    )
}
