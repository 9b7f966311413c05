//! Faults in a cluster: crashes, pauses, partitions, and their end.

use super::Cluster;
use super::parts::{Due, Life, Server};
use crate::sim::trace::{self, Loss};
use crate::time::Instant;
use crate::workload::faults::{
    Change, CutLinks, Fault, FaultKind, Faults, Link, Moment, Partition,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Cluster {
    /// Makes the change of a moment of the schedule.
    pub(super) fn change(&mut self, moment: Moment) {
        let up: Vec<bool> = self.servers.iter().map(Server::is_running).collect();
        match self.schedule.take(moment, &up) {
            None => {}
            Some(Change::Apply(faults)) => faults.iter().for_each(|fault| self.apply(fault)),
            Some(Change::Cut(partition)) => {
                let links = self.cut(&partition);
                self.schedule.cut(moment, links);
            }
            Some(Change::Mend(partition, links)) => {
                self.network.mend(&links.links);
                if let Some(number) = links.number {
                    self.faults.mend(number, self.since_start());
                }
                self.record(trace::Event::Fault(format!("healed: {partition:?}")));
            }
        }
        if moment == Moment::Nemesis
            && let Some(pause) = self.schedule.nemesis_pause()
        {
            let next = self.now() + pause;
            self.queue.push(next, Due::Moment(Moment::Nemesis));
        }
    }

    /// Does something to the cluster, now. Nothing is done to a node that cannot be
    /// paused, resumed or restarted.
    ///
    /// ```
    /// # use eddyline::sim::{Cluster, Fault};
    /// # fn test(cluster: &mut Cluster) {
    /// cluster.apply(&Fault::Crash(0));
    /// assert!(!cluster.is_running(0));
    /// cluster.apply(&Fault::Restart(0));
    /// # }
    /// ```
    ///
    /// # Panics
    /// When it names a node or service that the cluster does not have.
    pub fn apply(&mut self, fault: &Fault) {
        if let Some(node) = fault.node() {
            let nodes = self.servers.len();
            assert!(node < nodes, "there is no n{node} among {nodes} nodes");
        }
        let now = self.since_start();
        match fault {
            Fault::Partition(partition) => {
                self.cut(partition);
                return;
            }
            Fault::Heal => {
                self.network.heal();
                self.faults.heal(now);
            }
            Fault::Pause(node) => {
                if !self.pause(*node) {
                    return;
                }
                self.faults.begin(FaultKind::Pause, *node, "", now);
            }
            Fault::Resume(node) => self.resume(*node),
            Fault::Crash(node) => self.crash(*node),
            Fault::Restart(node) if self.servers[*node].is_down() => self.restart(*node),
            Fault::Restart(_) => return,
            Fault::ClockJump(node, ms) => {
                self.walls[*node].jump(*ms);
                let detail = format!("{ms} ms");
                self.faults.begin(FaultKind::ClockJump, *node, &detail, now);
            }
            Fault::ClockMend(node) => {
                self.walls[*node].mend();
                self.faults.end(FaultKind::ClockJump, *node, now);
            }
        }
        self.record(trace::Event::Fault(fault.to_string()));
    }

    /// The faults that have struck so far, each with its span, and the kinds of faults that
    /// were asked for and have not.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Ends all faults: links heal, paused nodes go on, clocks that jumped are set right,
    /// nothing is lost or doubled any more, and the schedule breaks nothing new. A node that was
    /// paused before it ever ran starts. Latency and skew stay, and so do nodes that crashed for
    /// good.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, std::time::Duration};
    /// # fn test(cluster: &mut Cluster) {
    /// cluster.calm();
    /// cluster.run_for(Duration::from_secs(10)); // time to recover
    /// # }
    /// ```
    pub fn calm(&mut self) {
        self.network.calm();
        self.faults.heal(self.since_start());
        let remedy = self.schedule.end();
        for node in 0..self.servers.len() {
            if matches!(self.servers[node].life, Life::Paused(..) | Life::Held) {
                self.apply(&Fault::Resume(node));
            }
            if self.walls[node].has_jumped() {
                self.apply(&Fault::ClockMend(node));
            }
        }
        self.record(trace::Event::Fault("all faults ended".to_owned()));
        for fault in remedy {
            if matches!(fault, Fault::Restart(_)) {
                self.apply(&fault);
            }
        }
    }

    /// The time since the start of the run.
    pub(super) fn since_start(&self) -> Duration {
        self.now().since(Instant::ZERO)
    }

    /// Returns false if the node is paused or down already.
    fn pause(&mut self, node: usize) -> bool {
        let server = &mut self.servers[node];
        match std::mem::replace(&mut server.life, Life::Down) {
            Life::Running(session) => {
                server.wake_at = None;
                server.life = Life::Paused(session, Vec::new());
                true
            }
            Life::Unborn => {
                server.life = Life::Held;
                true
            }
            other => {
                server.life = other;
                false
            }
        }
    }

    /// A node goes on in the event loop's order: first everything that has arrived, then
    /// the timers.
    fn resume(&mut self, node: usize) {
        self.faults.end(FaultKind::Pause, node, self.since_start());
        let server = &mut self.servers[node];
        match std::mem::replace(&mut server.life, Life::Down) {
            Life::Paused(session, waiting) => {
                server.life = Life::Running(session);
                for packet in waiting {
                    self.note_arrival(&packet);
                    self.receive(node, packet);
                }
                self.finish_turn(node);
            }
            Life::Held => self.boot_node(node),
            other => server.life = other,
        }
    }

    fn crash(&mut self, node: usize) {
        let now = self.since_start();
        let server = std::mem::replace(&mut self.servers[node], Server::new(Life::Down));
        if matches!(server.life, Life::Paused(..) | Life::Held) {
            self.faults.end(FaultKind::Pause, node, now);
        }
        if !matches!(server.life, Life::Down) {
            self.faults.begin(FaultKind::Crash, node, "", now);
        }
        if let Life::Paused(_, waiting) = server.life {
            for packet in waiting {
                self.statistics.to_the_dead += 1;
                self.lose(packet, Loss::Down);
            }
        }
    }

    /// A node that is down starts. If it ran before, Maelstrom has kept its mail, and drops
    /// it now: also all that is still on its way.
    fn restart(&mut self, node: usize) {
        let now = self.since_start();
        let was_down = matches!(self.servers[node].life, Life::Down);
        let next_message = self.next_message;
        self.boot_node(node);
        if was_down {
            self.servers[node].first_message = next_message;
        }
        self.faults.end(FaultKind::Crash, node, now);
        self.faults.end(FaultKind::Pause, node, now);
    }

    /// Draws the links of a partition and cuts them.
    fn cut(&mut self, partition: &Partition) -> CutLinks {
        let book = &self.book;
        let links = partition.links(self.servers.len(), &mut self.partition_draws, |name| {
            book.find(name).and_then(|address| book.server(address))
        });
        self.network.cut(&links);
        if self.trace.is_some() {
            self.record_cut(partition, &links);
        }
        let number = (!links.is_empty()).then(|| {
            // A service that hears no more from a node is the node's trouble.
            let nodes = self.servers.len();
            let deaf = links
                .iter()
                .map(|&(from, to)| if to < nodes { to } else { from });
            let deaf: BTreeSet<usize> = deaf.collect();
            let now = self.since_start();
            let detail = format!("{partition:?}");
            self.faults
                .cut(detail, deaf.into_iter().collect(), &links, now)
        });
        CutLinks { links, number }
    }

    /// Records which servers no longer reach which others. Servers that have lost the same
    /// others are named together.
    fn record_cut(&mut self, partition: &Partition, links: &[Link]) {
        let mut unreached: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &(from, to) in links {
            unreached.entry(from).or_default().push(to);
        }
        let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for (from, mut to) in unreached {
            to.sort_unstable();
            groups.entry(to).or_default().push(from);
        }
        let names = |servers: &[usize]| {
            let names = servers
                .iter()
                .map(|&server| &**self.book.server_name(server));
            names.collect::<Vec<&str>>().join(",")
        };
        let groups = groups
            .iter()
            .map(|(to, from)| format!("{} ↛ {}", names(from), names(to)));
        let groups = groups.collect::<Vec<String>>().join("; ");
        let fault = Fault::Partition(partition.clone());
        self.record(trace::Event::Fault(format!("{fault}: {groups}")));
    }
}
