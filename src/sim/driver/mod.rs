//! The driver: clients that put a cluster under a workload, from setup to the
//! final reads.

mod step;

use super::cluster::{Cluster, Spawn};
use super::history::{History, Phase};
use super::latency::up_to;
use super::report::{Anomalies, Failure, Report};
use super::simulation::Plan;
use super::workload::{Observed, Workload};
use crate::random::Random;
use crate::time::Instant;
use std::rc::Rc;
use std::time::Duration;

/// How often a final operation that was not done is tried again, a second later.
const FINAL_TRIES: u32 = 5;
const FINAL_RETRY: Duration = Duration::from_secs(1);

/// How long the final operations of a client may take altogether.
const FINAL_LIMIT: Duration = Duration::from_secs(60);

/// How long the nodes may take to answer `init`; the cluster itself gives each 10 s.
const BOOT_LIMIT: Duration = Duration::from_secs(11);

/// Alarms are numbers: the time for the next operation, or a client's timeout.
const ARRIVAL: u64 = u64::MAX;

/// One strand of operations: a client, and its successor when it has given up.
struct Worker {
    client: usize,
    name: Rc<str>,
    node: usize,
    /// The operation it waits for, and the message that asked for it.
    waits: Option<(usize, u64)>,
    next_msg_id: u64,
}

pub(super) struct Driver<W> {
    cluster: Cluster,
    workload: W,
    plan: Plan,
    nodes: Vec<String>,
    workers: Vec<Worker>,
    /// Which worker each client belongs to, by the client's index.
    worker_of: Vec<Option<usize>>,
    /// Workers that wait for nothing.
    idle: Vec<usize>,
    /// Operations whose time has come while no worker was idle.
    owed: u64,
    phase: Phase,
    history: History,
    /// What the clients draw from, and when operations come.
    draws: Random,
    arrivals: Random,
    timeout: Duration,
    /// Which operation each alarm gives up on.
    alarms: Vec<usize>,
    load_ended: Instant,
    /// What the run should have done and did not, whatever the workload.
    undone: Anomalies,
}

impl<W: Workload> Driver<W> {
    pub(super) fn new(plan: &Plan, spawn: Spawn, workload: W) -> Driver<W> {
        let cluster = Cluster::new(plan, spawn);
        // The cluster draws from the seed; the load from a stream beside it, so
        // that another load meets the same network.
        let mut random = Random::new(plan.seed ^ 0x10AD_10AD_10AD_10AD);
        let timeout = workload.timeout(plan.conditions.latency.mean());
        Driver {
            nodes: cluster.nodes(),
            cluster,
            workload,
            plan: plan.clone(),
            workers: Vec::new(),
            worker_of: Vec::new(),
            idle: Vec::new(),
            owed: 0,
            phase: Phase::Setup,
            history: History::default(),
            draws: random.fork(),
            arrivals: random.fork(),
            timeout,
            alarms: Vec::new(),
            load_ended: Instant::ZERO,
            undone: Anomalies::default(),
        }
    }

    pub(super) fn run(mut self) -> Result<Report<W::Summary>, Box<Failure>> {
        self.boot();
        self.set_up();
        self.load();
        let sent = self.cluster.statistics();
        self.recover();
        self.finale();
        self.report(sent.among_servers())
    }

    fn broken(&self) -> bool {
        !self.cluster.violations().is_empty()
    }

    // The phases.

    fn boot(&mut self) {
        let limit = self.cluster.now() + BOOT_LIMIT;
        while !self.cluster.is_ready() && self.cluster.now() < limit && self.step() {}
    }

    fn set_up(&mut self) {
        for node in 0..self.nodes.len() {
            if self.broken() || !self.cluster.is_running(node) {
                continue;
            }
            let Some(request) = self.workload.setup(&self.nodes, node) else {
                continue;
            };
            let worker = self.add_worker(node);
            self.invoke(worker, request);
            while self.workers[worker].waits.is_some() && self.step() {}
            let operation = self.history.operations().last();
            if operation.is_some_and(|operation| !operation.is_ok()) {
                let outcome = operation.map(|operation| operation.outcome.clone());
                self.blame(node, format!("the setup was not done: {outcome:?}"), "");
            }
            self.retire(worker);
        }
    }

    fn load(&mut self) {
        self.phase = Phase::Load;
        let nodes = self.nodes.len();
        for number in 0..self.plan.clients.unwrap_or(nodes) {
            let worker = self.add_worker(number % nodes);
            self.idle.push(worker);
        }
        let end = self.cluster.now() + self.plan.duration;
        if self.plan.rate > 0.0 {
            self.await_arrival();
        }
        self.run_to(end);
        self.load_ended = end;
    }

    fn await_arrival(&mut self) {
        // Uniform from nothing to twice the mean, as Jepsen staggers operations.
        let mean = Duration::from_secs_f64(1.0 / self.plan.rate);
        let pause = up_to(mean.saturating_mul(2), &mut self.arrivals);
        self.cluster.set_alarm(self.cluster.now() + pause, ARRIVAL);
    }

    fn recover(&mut self) {
        self.phase = Phase::Final;
        self.cluster.calm();
        let end = self.cluster.now() + self.plan.recovery.max(self.timeout);
        self.run_to(end);
    }

    fn finale(&mut self) {
        for node in 0..self.nodes.len() {
            if !self.cluster.is_running(node) {
                continue;
            }
            let mut worker = self.add_worker(node);
            let limit = self.cluster.now() + FINAL_LIMIT;
            let mut last: Option<usize> = None;
            let mut tries = 0;
            while !self.broken() && self.cluster.now() < limit {
                let done = last.map(|last| &self.history.operations()[last]);
                let Some(request) = self.workload.finale(node, done) else {
                    break;
                };
                let index = self.history.operations().len();
                self.invoke(worker, request);
                while self.workers[worker].waits.is_some() && self.step() {}
                if self.history.operations()[index].is_ok() {
                    last = Some(index);
                    tries = 0;
                    continue;
                }
                tries += 1;
                if tries == FINAL_TRIES {
                    let kind = self.history.operations()[index].kind();
                    self.undone.add(format_args!(
                        "the final {kind} of n{node} was not done in {FINAL_TRIES} tries, without any fault"
                    ));
                    break;
                }
                self.retire(worker);
                worker = self.add_worker(node);
                self.run_to(self.cluster.now() + FINAL_RETRY);
            }
            self.retire(worker);
        }
    }

    fn report(mut self, server_messages: u64) -> Result<Report<W::Summary>, Box<Failure>> {
        let violations = self.cluster.violations().to_vec();
        let observed = Observed {
            history: &self.history,
            statistics: self.cluster.statistics(),
            server_messages,
        };
        let server_messages_per_operation = observed.messages_per_operation(|_| true);
        let checked = if violations.is_empty() {
            self.undone.check_progress(&self.history);
            match self.workload.check(&observed) {
                Ok(summary) => self.undone.or(summary),
                Err(anomalies) => Err(anomalies.and(self.undone)),
            }
        } else {
            Err(Anomalies::default())
        };
        let report = Report {
            seed: self.plan.seed,
            summary: (),
            history: self.history,
            statistics: self.cluster.statistics(),
            server_messages_per_operation,
            elapsed: self.cluster.now(),
            logs: self.cluster.logs().map(str::to_owned).collect(),
            fingerprint: self.cluster.fingerprint(),
            trace: self.cluster.take_trace(),
        };
        match checked {
            Ok(summary) => Ok(report.with(summary)),
            Err(anomalies) => Err(Box::new(Failure {
                workload: self.workload.name(),
                violations,
                anomalies,
                report,
                is_not_reproducible: false,
            })),
        }
    }
}

impl Report<()> {
    fn with<S>(self, summary: S) -> Report<S> {
        Report {
            seed: self.seed,
            summary,
            history: self.history,
            statistics: self.statistics,
            server_messages_per_operation: self.server_messages_per_operation,
            elapsed: self.elapsed,
            logs: self.logs,
            trace: self.trace,
            fingerprint: self.fingerprint,
        }
    }
}
