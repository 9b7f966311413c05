//! Derives from a run's trace which nodes could reach a majority, and when.

use eddyline::sim::{Event, Trace};
use eddyline::time::Instant;

/// A stretch of time in which no fault began or ended.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    /// The greatest majorities whose nodes all run and all reach each other. There may be
    /// two: a node that is a bridge between two halves is in both.
    pub(crate) majorities: Vec<Vec<usize>>,
}

/// The nodes that run, and the links that are cut.
struct Cluster {
    runs: Vec<bool>,
    /// Messages from the first node to the second are lost.
    cut: Vec<(usize, usize)>,
}

impl Cluster {
    /// Applies a fault in the words of the trace: `n3 paused`,
    /// `partition: …: n0,n1 ↛ n2; n2 ↛ n0,n1`, or `all links healed`.
    fn apply(&mut self, fault: &str) {
        let number =
            |name: &str| -> usize { name.trim().strip_prefix('n').unwrap().parse().unwrap() };
        if fault == "all links healed" {
            return self.cut.clear();
        }
        if fault.starts_with("partition") {
            for part in fault.split([':', ';']) {
                let Some((from, to)) = part.split_once(" ↛ ") else {
                    continue;
                };
                for from in from.split(',').map(number) {
                    self.cut.extend(to.split(',').map(|to| (from, number(to))));
                }
            }
            return;
        }
        let (node, change) = fault.split_once(' ').unwrap();
        self.runs[number(node)] = match change {
            "paused" | "crashed" => false,
            "resumed" => true,
            _ => panic!("unknown fault {fault:?}"),
        };
    }

    fn majorities(&self) -> Vec<Vec<usize>> {
        let nodes = self.runs.len();
        let reach = |one: usize, other: usize| {
            !self.cut.contains(&(one, other)) && !self.cut.contains(&(other, one))
        };
        let mut found: Vec<Vec<usize>> = Vec::new();
        let mut sets: Vec<u32> = (0..1 << nodes).collect();
        sets.sort_by_key(|set| std::cmp::Reverse(set.count_ones()));
        for set in sets {
            let members: Vec<usize> = (0..nodes).filter(|node| set & 1 << node != 0).collect();
            let in_touch = members.iter().all(|&one| {
                self.runs[one]
                    && members
                        .iter()
                        .all(|&other| one == other || reach(one, other))
            });
            let is_part = found
                .iter()
                .any(|known| members.iter().all(|node| known.contains(node)));
            if members.len() > nodes / 2 && in_touch && !is_part {
                found.push(members);
            }
        }
        found
    }
}

/// The stretches from the start to `end`, of a cluster of `nodes` nodes.
pub(crate) fn stretches(trace: &Trace, nodes: usize, end: Instant) -> Vec<Stretch> {
    let mut cluster = Cluster {
        runs: vec![true; nodes],
        cut: Vec::new(),
    };
    let (mut stretches, mut from) = (Vec::new(), Instant::ZERO);
    let mut close = |cluster: &Cluster, to: Instant| {
        stretches.push(Stretch {
            from,
            to,
            majorities: cluster.majorities(),
        });
        from = to;
    };
    for record in trace.records() {
        if let Event::Fault(fault) = &record.event
            && record.at < end
        {
            close(&cluster, record.at);
            cluster.apply(fault);
        }
    }
    close(&cluster, end);
    stretches
}
