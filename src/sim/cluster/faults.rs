//! Faults in a cluster: crashes, pauses, partitions, and their end.

use super::Cluster;
use super::parts::{Due, Life, Server};
use crate::sim::trace::{self, Loss};
use crate::workload::faults::{Change, Fault, Link, Moment, Partition};
use std::collections::BTreeMap;

impl Cluster {
    /// Makes the change of a moment of the schedule.
    pub(super) fn change(&mut self, moment: Moment) {
        let up: Vec<bool> = self.servers.iter().map(Server::is_running).collect();
        match self.schedule.take(moment, &up) {
            None => {}
            Some(Change::Apply(fault)) => self.apply(&fault),
            Some(Change::Cut(partition)) => {
                let links = self.cut(&partition);
                self.schedule.cut(moment, links);
            }
            Some(Change::Mend(partition, links)) => {
                self.network.mend(&links);
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
        match fault {
            Fault::Partition(partition) => {
                self.cut(partition);
                return;
            }
            Fault::Heal => self.network.heal(),
            Fault::Pause(node) => {
                if !self.pause(*node) {
                    return;
                }
            }
            Fault::Resume(node) => self.resume(*node),
            Fault::Crash(node) => self.crash(*node),
            Fault::Restart(node) if self.servers[*node].is_down() => self.boot_node(*node),
            Fault::Restart(_) => return,
        }
        self.record(trace::Event::Fault(fault.to_string()));
    }

    /// Ends all faults: links heal, paused nodes go on, nothing is lost or
    /// doubled any more, and the schedule breaks nothing new. Latency stays, and
    /// so do nodes that crashed for good.
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
        let remedy = self.schedule.end();
        for node in 0..self.servers.len() {
            if matches!(self.servers[node].life, Life::Paused(..)) {
                self.apply(&Fault::Resume(node));
            }
        }
        self.record(trace::Event::Fault("all faults ended".to_owned()));
        if let Some(restart @ Fault::Restart(_)) = remedy {
            self.apply(&restart);
        }
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
        let server = std::mem::replace(&mut self.servers[node], Server::new(Life::Down));
        if let Life::Paused(_, waiting) = server.life {
            for packet in waiting {
                self.statistics.to_the_dead += 1;
                self.lose(packet, Loss::Down);
            }
        }
    }

    /// Draws the links of a partition and cuts them.
    fn cut(&mut self, partition: &Partition) -> Vec<Link> {
        let book = &self.book;
        let links = partition.links(self.servers.len(), &mut self.partition_draws, |name| {
            book.find(name).and_then(|address| book.server(address))
        });
        self.network.cut(&links);
        if self.trace.is_some() {
            self.record_cut(partition, &links);
        }
        links
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
