//! The driver: runs a workload on a testbed, from the setup to the final operations.
//!
//! ```text
//!   boot ──> setup ──────> load ─────────> recovery ─────> finale ───────> check
//!            one request   operations at   faults end,     operations      the whole
//!            a node        a rate, under   no new ones     at each node    history
//!                          faults
//! ```
//!
//! The load has workers. Each makes one operation at a time, at one node, through a
//! client of its own. A client is replaced after an operation whose outcome is unknown,
//! as Jepsen does with a process: nothing that it does later could be told from the late
//! effect of that operation. Operations come at random intervals, whether workers are
//! idle or not; an operation that finds none idle waits for one.
//!
//! On real time no two runs take equally long for anything. So each operation is given to a
//! worker before it is known which ones are idle, and waits for that worker. Each worker draws
//! from a stream of its own. The same seed then gives each worker the same operations.
//!
//! Everything random comes from the seed that the driver is given. It is a stream beside
//! the testbed's own, so that another load meets the same network.

mod finale;
mod workers;

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::draws::{duration_below, index_below};
use super::history::{History, Operation, Outcome, Phase, Request};
use super::schema;
use super::testbed::{Happening, Testbed};
use crate::protocol::{Envelope, Error, ErrorBody, ReplyTo};
use crate::random::Random;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// How many operations wait for a client at most. Only a load that the nodes cannot bear gets
/// there. Further ones are dropped.
const QUEUED_MAX: usize = 1_000;

/// How many operations wait for all clients at most, for the same reason: 100,000, which take
/// 20 MiB.
const ALL_QUEUED_MAX: usize = 100_000;

/// How many operations begin at one alarm at most, if more than that are late. Only a machine
/// that stood still gets there. The others are dropped.
const LATE_MAX: usize = 1_000;

/// The alarm for the next operation. Other alarms are the numbers of operations.
const ARRIVAL: u64 = u64::MAX;

/// How much clients ask for, and how long.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// How many clients there are; `None` is one for each node.
    pub(crate) clients: Option<usize>,
    /// Operations a second, of all clients together.
    pub(crate) rate: f64,
    pub(crate) duration: Duration,
    /// The time between the end of the load and the final operations.
    pub(crate) recovery: Duration,
    /// On real time nothing is waited for without need. Without final operations the run is
    /// over with its last pending operation.
    pub(crate) is_on_real_time: bool,
}

/// A run that is over.
pub(crate) struct Finished<S> {
    pub(crate) history: History,
    /// Messages among servers during the load, for each of its operations.
    pub(crate) server_messages_per_operation: f64,
    /// The same, of all operations together.
    pub(crate) server_messages: u64,
    /// The checker's summary, or its anomalies. A run that was broken off is not checked,
    /// so it has neither.
    pub(crate) checked: Result<S, Anomalies>,
    /// Whether the run was broken off.
    pub(crate) is_broken: bool,
}

impl<S> Finished<S> {
    /// The same run, in which a kind of operation of which none was done is an anomaly.
    pub(crate) fn with_progress(mut self) -> Finished<S> {
        if !self.is_broken {
            let mut stuck = Anomalies::default();
            stuck.check_progress(&self.history);
            self.checked = match self.checked {
                Ok(summary) => stuck.or(summary),
                Err(anomalies) => Err(anomalies.and(stuck)),
            };
        }
        self
    }
}

/// A sequence of operations: a client, and its successors.
struct Worker {
    client: usize,
    name: Rc<str>,
    node: usize,
    /// The operation that has not ended yet.
    pending: Option<Pending>,
    next_msg_id: u64,
    /// On real time: the operations that wait for it. `None` is one that will be drawn when
    /// its turn comes.
    queue: VecDeque<Option<Request>>,
    draws: Random,
}

/// An operation that waits for its reply.
#[derive(Clone, Copy)]
struct Pending {
    /// Its index in the history.
    index: usize,
    msg_id: u64,
    gives_up_at: Duration,
}

pub(crate) struct Driver<'a, T, W> {
    testbed: &'a mut T,
    workload: W,
    load: &'a Load,
    nodes: Vec<String>,
    workers: Vec<Worker>,
    /// The index of the first worker of the load.
    first_of_load: usize,
    /// The worker of each client, by the client's number.
    worker_of: Vec<Option<usize>>,
    /// Workers without a pending operation.
    idle: Vec<usize>,
    /// Operations whose time has come while no worker was idle.
    owed: u64,
    /// How many operations wait in the queues of all workers.
    queued: usize,
    phase: Phase,
    history: History,
    /// The worker of each operation.
    made_by: Vec<usize>,
    /// Clients draw from one stream, the times of operations from another.
    draws: Random,
    arrivals: Random,
    /// When the next operation of the load is due.
    next_arrival: Duration,
    /// The origin of the workers' streams.
    streams: Random,
    timeout: Duration,
    /// Of each node, whether an operation at it has ended before its timeout.
    has_answered: Vec<bool>,
    /// Anomalies that no workload allows: operations that must be done and were not.
    undone: Anomalies,
}

impl<'a, T: Testbed, W: Workload> Driver<'a, T, W> {
    /// `latency` is the mean latency, which some workloads take for their timeout.
    pub(crate) fn new(
        testbed: &'a mut T,
        workload: W,
        load: &'a Load,
        seed: u64,
        latency: Duration,
    ) -> Driver<'a, T, W> {
        let mut random = Random::new(seed ^ 0x10AD_10AD_10AD_10AD);
        let nodes = testbed.nodes();
        Driver {
            has_answered: vec![false; nodes.len()],
            nodes,
            testbed,
            timeout: workload.timeout(latency),
            workload,
            load,
            workers: Vec::new(),
            first_of_load: 0,
            worker_of: Vec::new(),
            idle: Vec::new(),
            owed: 0,
            queued: 0,
            phase: Phase::Setup,
            history: History::default(),
            made_by: Vec::new(),
            draws: random.fork(),
            arrivals: random.fork(),
            next_arrival: Duration::ZERO,
            streams: random.fork(),
            undone: Anomalies::default(),
        }
    }

    pub(crate) fn run(mut self) -> Finished<W::Summary> {
        self.testbed.boot();
        self.set_up();
        self.put_under_load();
        let server_messages = self.testbed.statistics().among_servers();
        self.recover();
        self.finish();
        let is_broken = self.testbed.is_broken();
        self.testbed.end();
        self.check(server_messages, is_broken)
    }

    // The phases.

    /// Sends each node its request: to all at once on real time, where one that is silent must
    /// not keep the others waiting.
    fn set_up(&mut self) {
        let mut asked = Vec::new();
        for node in 0..self.nodes.len() {
            if self.testbed.is_broken() || !self.testbed.is_running(node) {
                continue;
            }
            let Some(request) = self.workload.setup(&self.nodes, node) else {
                continue;
            };
            let worker = self.add_worker(node);
            asked.push((worker, self.invoke(worker, request)));
            if !self.load.is_on_real_time {
                self.end_set_up(&mut asked);
            }
        }
        self.end_set_up(&mut asked);
    }

    fn end_set_up(&mut self, asked: &mut Vec<(usize, usize)>) {
        for (worker, index) in asked.drain(..) {
            self.wait_for(worker);
            let operation = &self.history.operations()[index];
            if let Outcome::Fail(error) | Outcome::Info(error) = &operation.outcome {
                let why = format!("the setup was not done: {error}");
                self.testbed.blame(operation.node, why, "");
            }
            self.retire(worker);
        }
    }

    fn put_under_load(&mut self) {
        self.phase = Phase::Load;
        self.testbed.begin_faults();
        self.first_of_load = self.workers.len();
        let nodes = self.nodes.len();
        for number in 0..self.load.clients.unwrap_or(nodes) {
            let worker = self.add_worker(number % nodes);
            self.idle.push(worker);
        }
        let end = self.testbed.now().saturating_add(self.load.duration);
        if self.load.rate > 0.0 {
            let pause = self.pause();
            self.next_arrival = self.testbed.now().saturating_add(pause);
            self.testbed.set_alarm(self.next_arrival, ARRIVAL);
        }
        while !self.testbed.is_interrupted() && self.step(end) {}
    }

    fn recover(&mut self) {
        self.phase = Phase::Final;
        self.testbed.end_faults();
        let has_finale = self.workload.clone().finale(0, None).is_some();
        let recovery = if !self.load.is_on_real_time {
            self.load.recovery.max(self.timeout)
        } else if has_finale {
            self.load.recovery
        } else {
            Duration::ZERO
        };
        self.run_to(self.testbed.now().saturating_add(recovery));
        for worker in 0..self.workers.len() {
            self.wait_for(worker);
        }
    }

    fn check(self, server_messages: u64, is_broken: bool) -> Finished<W::Summary> {
        let observed = Observed {
            history: &self.history,
            statistics: self.testbed.statistics(),
            server_messages,
        };
        let server_messages_per_operation = observed.messages_per_operation(|_| true);
        let checked = if is_broken {
            Err(Anomalies::default())
        } else {
            match self.workload.check(&observed) {
                Ok(summary) => self.undone.or(summary),
                Err(anomalies) => Err(anomalies.and(self.undone)),
            }
        };
        Finished {
            is_broken,
            history: self.history,
            server_messages_per_operation,
            server_messages,
            checked,
        }
    }

    // Time.

    /// Lets everything happen until `end`.
    fn run_to(&mut self, end: Duration) {
        while self.step(end) {}
    }

    /// Lets things happen until a worker's operation has ended. Its alarm ends it at the
    /// latest.
    fn wait_for(&mut self, worker: usize) {
        while let Some(pending) = self.workers[worker].pending
            && self.step(pending.gives_up_at)
        {}
    }

    /// Lets one thing happen. False if there is none until `until`, or the run is broken.
    fn step(&mut self, until: Duration) -> bool {
        if self.testbed.is_broken() {
            return false;
        }
        match self.testbed.advance(until) {
            None => return false,
            Some(Happening::Inside) => {}
            Some(Happening::Received { client, line }) => {
                self.received(client, &line);
                self.testbed.recycle_line(line);
            }
            Some(Happening::Undone {
                client,
                msg_id,
                error,
            }) => self.undone(client, msg_id, error),
            Some(Happening::Alarm(ARRIVAL)) => {
                if self.phase == Phase::Load {
                    self.take_arrivals();
                }
            }
            Some(Happening::Alarm(alarm)) => self.give_up(alarm),
        }
        true
    }

    /// Begins the operations that are due. An alarm on real time comes up to a millisecond late,
    /// so each is counted from the time at which the one before was due: from its beginning, a
    /// rate of 1,000 a second would make 500.
    fn take_arrivals(&mut self) {
        let now = self.testbed.now();
        for _ in 0..LATE_MAX {
            if self.next_arrival > now {
                break;
            }
            let pause = self.pause();
            self.next_arrival = self.next_arrival.saturating_add(pause);
            self.take_arrival();
        }
        if self.next_arrival <= now {
            let pause = self.pause();
            self.next_arrival = now.saturating_add(pause);
        }
        self.testbed.set_alarm(self.next_arrival, ARRIVAL);
    }

    /// The time between two operations: uniform from zero to twice the mean, as Jepsen staggers
    /// operations.
    fn pause(&mut self) -> Duration {
        let mean = Duration::from_secs_f64(1.0 / self.load.rate);
        duration_below(&mut self.arrivals, mean.saturating_mul(2))
    }

    // Operations.

    fn take_arrival(&mut self) {
        if !self.load.is_on_real_time {
            self.owed += 1;
            return self.begin_owed();
        }
        let of_load = self.workers.len() - self.first_of_load;
        let worker = self.first_of_load + index_below(&mut self.draws, of_load);
        let request = if self.workload.follows_answers() {
            None
        } else {
            self.draw(worker)
        };
        if self.workers[worker].queue.len() < QUEUED_MAX && self.queued < ALL_QUEUED_MAX {
            self.queued += 1;
            self.workers[worker].queue.push_back(request);
        }
        self.begin_queued(worker);
    }

    /// Makes a worker begin the next operation that waits for it, if it is idle.
    fn begin_queued(&mut self, worker: usize) {
        while self.workers[worker].pending.is_none()
            && let Some(request) = self.workers[worker].queue.pop_front()
        {
            self.queued -= 1;
            if let Some(request) = request.or_else(|| self.draw(worker)) {
                self.invoke(worker, request);
            }
        }
    }

    /// Draws a worker's next operation from its own stream.
    fn draw(&mut self, worker: usize) -> Option<Request> {
        let Worker {
            name, node, draws, ..
        } = &mut self.workers[worker];
        self.workload.next(Turn {
            worker,
            client: name,
            node: *node,
            nodes: &self.nodes,
            random: draws,
        })
    }

    /// Makes idle workers begin the operations that are owed. A draw chooses the worker.
    fn begin_owed(&mut self) {
        while self.owed > 0 && !self.idle.is_empty() && self.phase == Phase::Load {
            self.owed -= 1;
            let chosen = index_below(&mut self.draws, self.idle.len());
            let worker = self.idle[chosen];
            let turn = Turn {
                worker,
                client: &self.workers[worker].name,
                node: self.workers[worker].node,
                nodes: &self.nodes,
                random: &mut self.draws,
            };
            if let Some(request) = self.workload.next(turn) {
                self.idle.swap_remove(chosen);
                self.invoke(worker, request);
            }
        }
    }

    /// Sends a request. Returns the index of its operation in the history.
    fn invoke(&mut self, worker: usize, request: Request) -> usize {
        let now = self.testbed.now();
        let Worker {
            client,
            node,
            next_msg_id: msg_id,
            ..
        } = self.workers[worker];
        self.testbed.request(client, node, &request, msg_id);
        let index = self.history.push(Operation {
            client: self.workers[worker].name.clone(),
            node,
            phase: self.phase,
            request,
            invoked: now,
            completed: Duration::MAX,
            outcome: Outcome::Info(Error::timeout("the run ended before a reply came")),
        });
        self.made_by.push(worker);
        let gives_up_at = now.saturating_add(self.timeout);
        self.workers[worker].next_msg_id += 1;
        self.workers[worker].pending = Some(Pending {
            index,
            msg_id,
            gives_up_at,
        });
        self.testbed.set_alarm(gives_up_at, index as u64);
        index
    }

    /// Ends the operation with that number, if it is pending still.
    fn give_up(&mut self, alarm: u64) {
        let Some((index, worker)) = usize::try_from(alarm)
            .ok()
            .and_then(|index| Some((index, *self.made_by.get(index)?)))
        else {
            return;
        };
        let pending = self.workers[worker].pending;
        if pending.is_some_and(|pending| pending.index == index) {
            let error = Error::timeout(format!("no reply within {:?}", self.timeout));
            let outcome = self.not_done(index, error);
            self.complete(worker, outcome);
        }
    }

    /// The outcome of an operation that ended with an error. One that changes nothing has no
    /// effect that could come later.
    fn not_done(&self, index: usize, error: Error) -> Outcome {
        let kind = self.history.operations()[index].kind();
        if error.is_definite() || self.workload.changes_nothing(kind) {
            Outcome::Fail(error)
        } else {
            Outcome::Info(error)
        }
    }

    /// Ends an operation without a reply, if it is pending still.
    fn undone(&mut self, client: usize, msg_id: u64, error: Error) {
        if let Some((worker, index)) = self.pending(client, msg_id) {
            self.has_answered[self.workers[worker].node] = true;
            let outcome = self.not_done(index, error);
            self.complete(worker, outcome);
        }
    }

    /// The worker and the pending operation of a client's request of that number.
    fn pending(&self, client: usize, msg_id: u64) -> Option<(usize, usize)> {
        let worker = (*self.worker_of.get(client)?)?;
        let pending = self.workers[worker].pending?;
        (pending.msg_id == msg_id).then_some((worker, pending.index))
    }

    fn received(&mut self, client: usize, line: &[u8]) {
        let Ok(Envelope { header, body, .. }) = Envelope::parse(line) else {
            return;
        };
        // Anything else is a second reply, or one to a request that was given up.
        let ReplyTo::Call(msg_id) = header.in_reply_to else {
            return;
        };
        let Some((worker, index)) = self.pending(client, msg_id) else {
            return;
        };
        self.has_answered[self.workers[worker].node] = true;
        let is_error = header.kind.as_deref() == Some("error");
        let outcome = if is_error {
            match serde_json::from_str::<ErrorBody<Option<String>>>(body) {
                Ok(body) => {
                    self.not_done(index, Error::new(body.code, body.text.unwrap_or_default()))
                }
                Err(error) => {
                    let node = self.workers[worker].node;
                    let why = format!("an error without a code: {error}");
                    return self.testbed.blame(node, why, body);
                }
            }
        } else {
            Outcome::Ok(body.into())
        };
        self.complete(worker, outcome);
    }

    fn complete(&mut self, worker: usize, outcome: Outcome) {
        let Some(Pending { index, .. }) = self.workers[worker].pending.take() else {
            return;
        };
        let is_unknown = matches!(outcome, Outcome::Info(_));
        let operation = self.history.get_mut(index);
        operation.outcome = outcome;
        operation.completed = self.testbed.now();
        let operation = operation.clone();
        self.testbed.note(&operation);
        let body = match &operation.outcome {
            Outcome::Ok(body) => Some(&**body),
            Outcome::Fail(_) | Outcome::Info(_) => None,
        };
        let fits = body.map_or(Ok(()), |body| {
            let fields = self.workload.reply_fields(operation.kind());
            schema::check(body, operation.kind(), fields)
        });
        if let Err(why) = fits.and_then(|()| self.workload.ended(&operation)) {
            let line = body.unwrap_or_default();
            self.testbed.blame(operation.node, why, line);
            if self.testbed.is_broken() {
                return;
            }
        }
        if is_unknown {
            self.replace_client(worker);
        }
        if self.phase == Phase::Load && self.load.is_on_real_time {
            self.begin_queued(worker);
        } else if self.phase == Phase::Load {
            self.idle.push(worker);
            self.begin_owed();
        }
    }
}

#[cfg(test)]
mod tests;
