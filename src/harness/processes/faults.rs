//! Faults of processes: SIGKILL, SIGSTOP and SIGCONT to a node's group, and cut links.

use super::Processes;
use super::parts::{Due, End};
use crate::time::Clock;
use crate::workload::faults::{Change, CutLinks, Fault, FaultKind, Moment, Partition};
use std::collections::BTreeSet;
use std::time::Duration;

impl Processes {
    /// Sets the timers of the schedule. Its times are counted from now.
    pub(super) fn begin_schedule(&mut self) {
        let now = self.clock.now();
        for (at, moment) in self.schedule.moments() {
            self.wheel.insert(now + at, Due::Moment(moment));
        }
    }

    /// Makes the change of a moment of the schedule.
    pub(super) fn change(&mut self, moment: Moment) {
        let up: Vec<bool> = (0..self.servers.len())
            .map(|node| self.is_up(node))
            .collect();
        match self.schedule.take(moment, &up) {
            None => {}
            Some(Change::Apply(faults)) => {
                // Faults of one moment are one in the ledger.
                let now = self.since_start();
                faults.iter().for_each(|fault| self.apply(fault, now));
            }
            Some(Change::Cut(partition)) => {
                let links = self.cut(&partition);
                self.schedule.cut(moment, links);
            }
            Some(Change::Mend(_, links)) => {
                self.network.mend(&links.links);
                if let Some(number) = links.number {
                    self.faults.mend(number, self.since_start());
                }
            }
        }
        if moment == Moment::Nemesis
            && let Some(pause) = self.schedule.nemesis_pause()
        {
            let next = self.clock.now() + pause;
            self.wheel.insert(next, Due::Moment(Moment::Nemesis));
        }
    }

    pub(super) fn is_up(&self, node: usize) -> bool {
        let server = &self.servers[node];
        server.process.is_some() && !server.is_paused
    }

    fn apply(&mut self, fault: &Fault, now: Duration) {
        match *fault {
            Fault::Partition(ref partition) => {
                self.cut(partition);
            }
            Fault::Heal => {
                self.network.heal();
                self.heal_relay();
                self.faults.heal(now);
            }
            Fault::Pause(node) => {
                if let Some(process) = &self.servers[node].process
                    && !self.servers[node].is_paused
                {
                    process.child.pause();
                    self.servers[node].is_paused = true;
                    self.faults.begin(FaultKind::Pause, node, "", now);
                }
            }
            Fault::Resume(node) => {
                if let Some(process) = &self.servers[node].process {
                    process.child.resume();
                }
                self.servers[node].is_paused = false;
                self.faults.end(FaultKind::Pause, node, now);
            }
            Fault::Crash(node) => {
                if self.servers[node].process.is_some() {
                    let _status = self.end_process(node, End::Killed);
                    self.faults.end(FaultKind::Pause, node, now);
                    self.faults.begin(FaultKind::Crash, node, "", now);
                }
            }
            Fault::Restart(node) => {
                if self.servers[node].process.is_none() {
                    self.restart(node);
                    self.faults.end(FaultKind::Crash, node, now);
                }
            }
            // No process lets its clock be set.
            Fault::ClockJump(..) | Fault::ClockMend(_) => {}
        }
    }

    /// Starts a node again. The mail that it had before is dropped, as in Maelstrom.
    fn restart(&mut self, node: usize) {
        self.servers[node].first_message = self.next_message;
        self.start_node(node);
    }

    fn cut(&mut self, partition: &Partition) -> CutLinks {
        let nodes = self.servers.len();
        // The nemesis cuts links between nodes only, so no server is looked up by name.
        let links = partition.links(nodes, &mut self.partition_draws, |_| None);
        if self.broker.is_some() {
            self.cut_off(&links);
        } else {
            self.network.cut(&links);
        }
        let number = (!links.is_empty()).then(|| {
            let deaf: BTreeSet<usize> = links.iter().map(|&(_, to)| to).collect();
            let now = self.clock.now().since(crate::time::Instant::ZERO);
            let detail = format!("{partition:?}");
            self.faults
                .cut(detail, deaf.into_iter().collect(), &links, now)
        });
        CutLinks { links, number }
    }

    /// Ends all faults: links heal, nothing is lost any more, paused nodes go on, and those
    /// that were killed start again. A node that ended by itself stays down.
    pub(super) fn calm(&mut self) {
        self.network.calm();
        self.calm_broker();
        let now = self.since_start();
        self.faults.heal(now);
        let remedy = self.schedule.end();
        for node in 0..self.servers.len() {
            if self.servers[node].is_paused {
                self.apply(&Fault::Resume(node), now);
            }
        }
        for fault in remedy {
            if matches!(fault, Fault::Restart(_)) {
                self.apply(&fault, now);
            }
        }
    }
}
