//! The dependency graph: which transaction came before which, and the cycles in it.

use super::model::ConsistencyModel;
use super::operations::Txn;
use crate::workload::anomalies::Anomalies;
use std::collections::{BTreeSet, VecDeque};

/// The reason why one transaction came before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// The other overwrote its write to this key.
    WriteWrite(u64),
    /// The other read its write to this key.
    WriteRead(u64),
    /// The other wrote a value of this key that it had not seen.
    ReadWrite(u64),
    /// It ended before the other began.
    RealTime,
}

/// The first nodes are the transactions. The points in real time follow.
#[derive(Default)]
pub(super) struct Graph {
    edges: Vec<BTreeSet<(usize, Why)>>,
    dependencies: usize,
}

/// Selects the dependencies that count in a search.
type Allowed = fn(Why) -> bool;

fn writes(why: Why) -> bool {
    matches!(why, Why::WriteWrite(_))
}

fn writes_and_reads(why: Why) -> bool {
    matches!(why, Why::WriteWrite(_) | Why::WriteRead(_))
}

fn misses(why: Why) -> bool {
    matches!(why, Why::ReadWrite(_))
}

fn no_misses(why: Why) -> bool {
    !misses(why)
}

fn no_real_time(why: Why) -> bool {
    why != Why::RealTime
}

fn all(_: Why) -> bool {
    true
}

/// A kind of cycle: one dependency of the first sort, and a way back by the rest.
struct CycleKind {
    name: &'static str,
    first: Allowed,
    rest: Allowed,
    /// The weakest model that forbids it.
    level: ConsistencyModel,
}

/// All kinds, the worst first.
const KINDS: [CycleKind; 7] = [
    CycleKind {
        name: "G0, a cycle of writes",
        first: writes,
        rest: writes,
        level: ConsistencyModel::ReadUncommitted,
    },
    CycleKind {
        name: "G1c, a cycle of writes and reads",
        first: writes_and_reads,
        rest: writes_and_reads,
        level: ConsistencyModel::ReadCommitted,
    },
    CycleKind {
        name: "G-single, a read that missed one write and saw a later one",
        first: misses,
        rest: writes_and_reads,
        level: ConsistencyModel::SnapshotIsolation,
    },
    CycleKind {
        name: "G2, a cycle with several missed writes",
        first: misses,
        rest: no_real_time,
        level: ConsistencyModel::Serializable,
    },
    CycleKind {
        name: "G1c-realtime, a read or write of what was yet to come",
        first: writes_and_reads,
        rest: no_misses,
        level: ConsistencyModel::StrictSerializable,
    },
    CycleKind {
        name: "G-single-realtime, a stale read",
        first: misses,
        rest: no_misses,
        level: ConsistencyModel::StrictSerializable,
    },
    CycleKind {
        name: "G2-realtime, a cycle with several stale reads",
        first: misses,
        rest: all,
        level: ConsistencyModel::StrictSerializable,
    },
];

/// How many dependencies of a group are tried as the one missed write of a G-single, if a
/// G2 is forbidden as well. Each try costs a walk through the group.
const TRIES_MAX: usize = 1_000;

impl Graph {
    pub(super) fn new(txns: usize) -> Graph {
        Graph {
            edges: vec![BTreeSet::new(); txns],
            dependencies: 0,
        }
    }

    pub(super) fn add(&mut self, from: usize, to: usize, why: Why) {
        if from != to && self.edges[from].insert((to, why)) {
            self.dependencies += 1;
        }
    }

    pub(super) fn dependencies(&self) -> usize {
        self.dependencies
    }

    /// Adds the order of real time with few edges. The ends of transactions form a chain of
    /// nodes, and each transaction depends on the last end before its beginning.
    pub(super) fn add_real_time(&mut self, txns: &[Txn<'_>]) {
        let mut ends: Vec<usize> = (0..txns.len())
            .filter(|&txn| txns[txn].is_committed())
            .collect();
        ends.sort_by_key(|&txn| txns[txn].operation.completed);
        let first = self.edges.len();
        for (position, &txn) in ends.iter().enumerate() {
            let point = first + position;
            self.edges.push(BTreeSet::new());
            self.edges[txn].insert((point, Why::RealTime));
            if position > 0 {
                self.edges[point - 1].insert((point, Why::RealTime));
            }
        }
        for (txn, began) in txns.iter().enumerate() {
            let invoked = began.operation.invoked;
            let ended = ends.partition_point(|&end| txns[end].operation.completed < invoked);
            if ended > 0 {
                self.edges[first + ended - 1].insert((txn, Why::RealTime));
            }
        }
    }

    /// Reports cycles that `model` forbids: the worst one of each group of transactions
    /// that depend on each other.
    pub(super) fn check(
        &self,
        model: ConsistencyModel,
        txns: &[Txn<'_>],
        anomalies: &mut Anomalies,
    ) {
        let mut reported = vec![false; self.edges.len()];
        for kind in KINDS.iter().filter(|kind| kind.level <= model) {
            for component in self.components(|why| (kind.first)(why) || (kind.rest)(why)) {
                if component.iter().any(|&node| reported[node]) {
                    continue;
                }
                // Snapshot isolation allows cycles that are no G-single: try all.
                let is_last = model == ConsistencyModel::SnapshotIsolation;
                let tries = if is_last { usize::MAX } else { TRIES_MAX };
                if let Some(cycle) = self.cycle(&component, kind, tries) {
                    anomalies.add(describe(kind.name, &cycle, txns));
                    component.iter().for_each(|&node| reported[node] = true);
                }
            }
        }
    }

    fn cycle(
        &self,
        component: &[usize],
        kind: &CycleKind,
        tries: usize,
    ) -> Option<Vec<(usize, Why)>> {
        let mut inside = vec![false; self.edges.len()];
        component.iter().for_each(|&node| inside[node] = true);
        let edges = component.iter().flat_map(|&from| {
            let edges = self.edges[from].iter();
            edges.map(move |&(to, why)| (from, to, why))
        });
        let firsts = edges.filter(|&(_, to, why)| (kind.first)(why) && inside[to]);
        firsts.take(tries).find_map(|(from, to, why)| {
            let mut path = self.path(to, from, kind.rest, &inside)?;
            path.insert(0, (from, why));
            Some(path)
        })
    }

    /// The shortest path: its nodes, each with the edge that leaves it.
    fn path(
        &self,
        from: usize,
        to: usize,
        allowed: Allowed,
        inside: &[bool],
    ) -> Option<Vec<(usize, Why)>> {
        let mut came_from: Vec<Option<(usize, Why)>> = vec![None; self.edges.len()];
        let mut todo = VecDeque::from([from]);
        while let Some(node) = todo.pop_front() {
            if node == to {
                let mut path = Vec::new();
                let mut at = to;
                while at != from {
                    let (before, why) = came_from[at]?;
                    path.push((before, why));
                    at = before;
                }
                path.reverse();
                return Some(path);
            }
            for &(next, why) in &self.edges[node] {
                let fresh = next != from && came_from[next].is_none();
                if allowed(why) && fresh && inside[next] {
                    came_from[next] = Some((node, why));
                    todo.push_back(next);
                }
            }
        }
        None
    }

    /// Tarjan's strongly connected components of more than one node, without
    /// recursion: a chain of ten thousand transactions would overflow the stack.
    fn components(&self, allowed: impl Fn(Why) -> bool) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let count = self.edges.len();
        let next_of = |node: usize| -> Vec<usize> {
            let edges = self.edges[node].iter().filter(|(_, why)| allowed(*why));
            edges.map(|(next, _)| *next).collect()
        };
        let (mut index, mut low) = (vec![UNSEEN; count], vec![0; count]);
        let (mut on_stack, mut stack) = (vec![false; count], Vec::new());
        let (mut counter, mut found) = (0, Vec::new());
        for root in 0..count {
            if index[root] != UNSEEN {
                continue;
            }
            let mut calls = vec![(root, next_of(root), 0)];
            while let Some((node, next, position)) = calls.last_mut() {
                let node = *node;
                if *position == 0 && index[node] == UNSEEN {
                    (index[node], low[node]) = (counter, counter);
                    counter += 1;
                    stack.push(node);
                    on_stack[node] = true;
                }
                if let Some(&child) = next.get(*position) {
                    *position += 1;
                    if index[child] == UNSEEN {
                        calls.push((child, next_of(child), 0));
                    } else if on_stack[child] {
                        low[node] = low[node].min(index[child]);
                    }
                    continue;
                }
                calls.pop();
                if let Some((parent, _, _)) = calls.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
                if low[node] == index[node] {
                    let begin = stack
                        .iter()
                        .rposition(|&member| member == node)
                        .unwrap_or(0);
                    let component = stack.split_off(begin);
                    component
                        .iter()
                        .for_each(|&member| on_stack[member] = false);
                    if component.len() > 1 {
                        found.push(component);
                    }
                }
            }
        }
        found
    }
}

/// How many transactions of a cycle are shown.
const SHOWN: usize = 8;

fn describe(name: &str, cycle: &[(usize, Why)], txns: &[Txn<'_>]) -> String {
    let mut text = format!("{name}:");
    // Points in real time are left out: the edge into one shows the reason.
    let steps = cycle.iter().filter(|(node, _)| *node < txns.len());
    for (node, why) in steps.clone().take(SHOWN) {
        let because = match why {
            Why::WriteWrite(key) => format!("was overwritten on key {key} by"),
            Why::WriteRead(key) => format!("was read on key {key} by"),
            Why::ReadWrite(key) => format!("did not see on key {key} the write of"),
            Why::RealTime => "ended before the beginning of".to_owned(),
        };
        text.push_str(&format!(" {} {because}", txns[*node]));
    }
    if steps.count() > SHOWN {
        text.push_str(" … of");
    }
    text.push_str(" the first");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_of_any_shape_are_found() {
        let mut graph = Graph::new(10_000);
        for node in 0..9_998 {
            graph.add(node, node + 1, Why::WriteWrite(0));
        }
        assert!(graph.components(all).is_empty());
        graph.add(5_000, 4_000, Why::ReadWrite(0));
        assert!(graph.components(writes).is_empty());
        let found = graph.components(all);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].len(), 1_001);
        graph.add(9_998, 9_997, Why::WriteRead(0));
        assert_eq!(graph.components(all).len(), 2);
    }

    #[test]
    fn the_shortest_way_back_is_the_cycle() {
        let mut graph = Graph::new(4);
        graph.add(0, 1, Why::WriteWrite(0));
        graph.add(1, 2, Why::WriteWrite(0));
        graph.add(2, 0, Why::ReadWrite(0));
        graph.add(1, 0, Why::ReadWrite(1));
        let g_single = &KINDS[2];
        let cycle = graph.cycle(&[0, 1, 2], g_single, 10).unwrap();
        assert_eq!(cycle.len(), 2);
    }
}
