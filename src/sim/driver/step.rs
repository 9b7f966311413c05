//! The driver's steps: operations begun, ended and given up.

use super::{ARRIVAL, Driver, Worker};
use crate::protocol::{Error, ErrorBody, Header};
use crate::sim::cluster::{Happening, Violation, reply_to};
use crate::sim::history::{Operation, Outcome, Phase, Request};
use crate::sim::partition::below;
use crate::sim::workload::{Turn, Workload, schema};
use crate::time::Instant;

impl<W: Workload> Driver<W> {
    pub(super) fn run_to(&mut self, end: Instant) {
        while !self.broken() && self.cluster.next_at().is_some_and(|at| at <= end) {
            if !self.step() {
                break;
            }
        }
        if !self.broken() {
            self.cluster.run_for(end.since(self.cluster.now()));
        }
    }

    /// Lets one thing happen; false when nothing is left, or a rule was broken.
    pub(super) fn step(&mut self) -> bool {
        if self.broken() {
            return false;
        }
        match self.cluster.advance() {
            None => return false,
            Some(Happening::Inside) => {}
            Some(Happening::Received { client, line }) => {
                self.received(client, &line);
                self.cluster.recycle_line(line);
            }
            Some(Happening::Alarm(ARRIVAL)) => {
                if self.phase == Phase::Load {
                    self.await_arrival();
                    self.owed += 1;
                    self.begin_owed();
                }
            }
            Some(Happening::Alarm(alarm)) => self.give_up(alarm),
        }
        true
    }

    /// Has idle workers begin what is owed. Who is chosen is drawn by lot.
    pub(super) fn begin_owed(&mut self) {
        while self.owed > 0 && !self.idle.is_empty() && self.phase == Phase::Load {
            self.owed -= 1;
            let chosen = below(&mut self.draws, self.idle.len());
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

    pub(super) fn invoke(&mut self, worker: usize, request: Request) {
        let now = self.cluster.now();
        let Worker { client, node, .. } = self.workers[worker];
        let msg_id = self.workers[worker].next_msg_id;
        self.workers[worker].next_msg_id += 1;
        self.cluster
            .request(client, node, (request.kind, &request.fields), msg_id);
        let index = self.history.push(Operation {
            client: self.workers[worker].name.clone(),
            node,
            phase: self.phase,
            request,
            invoked: now,
            completed: Instant::MAX,
            outcome: Outcome::Info(Error::timeout("the run ended before a reply came")),
        });
        self.workers[worker].waits = Some((index, msg_id));
        let alarm = self.alarms.len() as u64;
        self.alarms.push(worker);
        debug_assert_eq!(alarm, index as u64, "one alarm an operation");
        self.cluster.set_alarm(now + self.timeout, alarm);
    }

    /// An operation's time is over, if it still waits.
    pub(super) fn give_up(&mut self, alarm: u64) {
        let Ok(index) = usize::try_from(alarm) else {
            return;
        };
        let worker = self.alarms[index];
        if self.workers[worker]
            .waits
            .is_some_and(|(waits, _)| waits == index)
        {
            let text = format!("no reply within {:?}", self.timeout);
            self.complete(worker, Outcome::Info(Error::timeout(text)));
        }
    }

    pub(super) fn received(&mut self, client: usize, line: &[u8]) {
        let Some(Some(worker)) = self.worker_of.get(client).copied() else {
            return;
        };
        let Some((in_reply_to, body)) = reply_to(line) else {
            return;
        };
        match self.workers[worker].waits {
            Some((_, msg_id)) if msg_id == in_reply_to => {}
            // To a request that it gave up on, or a second reply.
            _ => return,
        }
        let is_error =
            Header::parse(body).is_ok_and(|header| header.kind.as_deref() == Some("error"));
        let outcome = if is_error {
            match serde_json::from_str::<ErrorBody<Option<String>>>(body) {
                Ok(body) => {
                    let error = Error::new(body.code, body.text.unwrap_or_default());
                    if error.is_definite() {
                        Outcome::Fail(error)
                    } else {
                        Outcome::Info(error)
                    }
                }
                Err(error) => {
                    let node = self.workers[worker].node;
                    return self.blame(node, format!("an error without a code: {error}"), body);
                }
            }
        } else {
            Outcome::Ok(body.into())
        };
        self.complete(worker, outcome);
    }

    pub(super) fn complete(&mut self, worker: usize, outcome: Outcome) {
        let Some((index, _)) = self.workers[worker].waits.take() else {
            return;
        };
        let gave_up = matches!(outcome, Outcome::Info(_));
        let operation = self.history.get_mut(index);
        operation.outcome = outcome;
        operation.completed = self.cluster.now();
        let operation = operation.clone();
        let shape = match &operation.outcome {
            Outcome::Ok(body) => {
                let fields = self.workload.reply_fields(operation.kind());
                schema::check(body, operation.kind(), fields)
            }
            Outcome::Fail(_) | Outcome::Info(_) => Ok(()),
        };
        if let Err(why) = shape.and_then(|()| self.workload.ended(&operation)) {
            let body = match &operation.outcome {
                Outcome::Ok(body) => body,
                Outcome::Fail(_) | Outcome::Info(_) => "",
            };
            return self.blame(operation.node, why, body);
        }
        if gave_up {
            self.replace_client(worker);
        }
        if self.phase == Phase::Load {
            self.idle.push(worker);
            self.begin_owed();
        }
    }

    pub(super) fn blame(&mut self, node: usize, why: String, line: &str) {
        let at = self.cluster.now();
        self.cluster.violate(Violation {
            at,
            node: self.nodes[node].clone(),
            line: line.to_owned(),
            why,
        });
    }

    // Workers.

    pub(super) fn add_worker(&mut self, node: usize) -> usize {
        let worker = self.workers.len();
        let client = self.new_client(worker);
        self.workers.push(Worker {
            client,
            name: self.cluster.client_name(client),
            node,
            waits: None,
            next_msg_id: 1,
        });
        worker
    }

    pub(super) fn new_client(&mut self, worker: usize) -> usize {
        let client = self.cluster.open_client();
        self.worker_of.resize(client + 1, None);
        self.worker_of[client] = Some(worker);
        client
    }

    /// A client that does not know what became of its operation is done for, as
    /// a crashed process is to Jepsen: another one takes its place.
    pub(super) fn replace_client(&mut self, worker: usize) {
        self.retire(worker);
        let client = self.new_client(worker);
        self.workers[worker].client = client;
        self.workers[worker].name = self.cluster.client_name(client);
    }

    pub(super) fn retire(&mut self, worker: usize) {
        let client = self.workers[worker].client;
        self.cluster.close_client(client);
    }
}
