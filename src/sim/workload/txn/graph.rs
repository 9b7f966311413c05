//! The dependency graph: who came before whom, and the cycles in it.

use super::model::ConsistencyModel;
use super::operations::Txn;
use crate::sim::report::Anomalies;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Why one transaction came before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// The other overwrote what it wrote to this key.
    WriteWrite(u64),
    /// The other read what it wrote to this key.
    WriteRead(u64),
    /// The other wrote what it had not seen yet of this key.
    ReadWrite(u64),
    /// It ended before the other began.
    RealTime,
}

/// Transactions are 0 to `txns`; behind them are the points in real time.
#[derive(Default)]
pub(super) struct Graph {
    edges: Vec<BTreeSet<(usize, Why)>>,
    dependencies: usize,
}

/// Which dependencies count in a search.
type Allowed = fn(Why) -> bool;

fn writes(why: Why) -> bool {
    matches!(why, Why::WriteWrite(_))
}

fn writes_and_reads(why: Why) -> bool {
    matches!(why, Why::WriteWrite(_) | Why::WriteRead(_))
}

fn all_but_real_time(why: Why) -> bool {
    why != Why::RealTime
}

fn no_read_write(why: Why) -> bool {
    !matches!(why, Why::ReadWrite(_))
}

fn all(_: Why) -> bool {
    true
}

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

    /// Adds the order of real time with few edges: each end of a transaction is
    /// a node of its own in a chain, and whoever began after it hangs on it.
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

    /// Reports the cycles that `model` forbids, of each group of transactions
    /// that depend on each other the worst one.
    pub(super) fn check(
        &self,
        model: ConsistencyModel,
        txns: &[Txn<'_>],
        anomalies: &mut Anomalies,
    ) {
        use ConsistencyModel::{ReadCommitted, ReadUncommitted, Serializable, SnapshotIsolation};
        let (search, single): (Allowed, bool) = match model {
            ReadUncommitted => (writes, false),
            ReadCommitted => (writes_and_reads, false),
            SnapshotIsolation => (all_but_real_time, true),
            Serializable => (all_but_real_time, false),
            ConsistencyModel::StrictSerializable => (all, false),
        };
        for component in self.components(search) {
            let worst = self.worst_cycle(&component, model);
            if let Some((name, cycle)) = worst
                && !(single && name.starts_with("G2"))
            {
                anomalies.add(describe(name, &cycle, txns));
            }
        }
    }

    fn worst_cycle(
        &self,
        component: &[usize],
        model: ConsistencyModel,
    ) -> Option<(&'static str, Vec<(usize, Why)>)> {
        let inside: BTreeSet<usize> = component.iter().copied().collect();
        let real_time = model.has_real_time();
        let kinds: [(&'static str, Allowed, Allowed, bool); 7] = [
            ("G0, a cycle of writes", writes, writes, false),
            (
                "G1c, a cycle of writes and reads",
                writes_and_reads,
                writes_and_reads,
                false,
            ),
            (
                "G-single, a read that missed one write and saw a later one",
                read_write,
                writes_and_reads,
                false,
            ),
            (
                "G2, a cycle with several missed writes",
                read_write,
                all_but_real_time,
                false,
            ),
            (
                "G1c-realtime, a read or write of what was yet to come",
                data,
                no_read_write,
                true,
            ),
            (
                "G-single-realtime, a stale read",
                read_write,
                no_read_write,
                true,
            ),
            (
                "G2-realtime, a cycle with several stale reads",
                read_write,
                all,
                true,
            ),
        ];
        for (name, first, rest, needs_real_time) in kinds {
            if needs_real_time && !real_time {
                continue;
            }
            // The cycle goes over one edge of the first kind and back by the rest.
            for &from in component {
                for &(to, why) in self.edges[from]
                    .iter()
                    .filter(|(to, _)| inside.contains(to))
                {
                    if !first(why) {
                        continue;
                    }
                    if let Some(mut path) = self.path(to, from, rest, &inside) {
                        path.insert(0, (from, why));
                        return Some((name, path));
                    }
                }
            }
        }
        None
    }

    /// The shortest path, as nodes with the edge that leaves each.
    fn path(
        &self,
        from: usize,
        to: usize,
        allowed: Allowed,
        inside: &BTreeSet<usize>,
    ) -> Option<Vec<(usize, Why)>> {
        let mut came_from: BTreeMap<usize, (usize, Why)> = BTreeMap::new();
        let mut todo = VecDeque::from([from]);
        while let Some(node) = todo.pop_front() {
            if node == to {
                let mut path = Vec::new();
                let mut at = to;
                while at != from {
                    let (before, why) = *came_from.get(&at)?;
                    path.push((before, why));
                    at = before;
                }
                path.reverse();
                return Some(path);
            }
            for &(next, why) in &self.edges[node] {
                let fresh = next != from && !came_from.contains_key(&next);
                if allowed(why) && fresh && inside.contains(&next) {
                    came_from.insert(next, (node, why));
                    todo.push_back(next);
                }
            }
        }
        None
    }

    /// Tarjan's strongly connected components of more than one node, without
    /// recursion: a chain of ten thousand transactions would overflow the stack.
    fn components(&self, allowed: Allowed) -> Vec<Vec<usize>> {
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

fn read_write(why: Why) -> bool {
    matches!(why, Why::ReadWrite(_))
}

fn data(why: Why) -> bool {
    writes_and_reads(why)
}

/// How many transactions of a cycle are shown.
const SHOWN: usize = 8;

fn describe(name: &str, cycle: &[(usize, Why)], txns: &[Txn<'_>]) -> String {
    let mut text = format!("{name}:");
    // Points in real time are passed over: the edge into one says it all.
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
    fn components_are_found_whatever_their_shape() {
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
        let worst = graph.worst_cycle(&[0, 1, 2], ConsistencyModel::Serializable);
        let (name, cycle) = worst.unwrap();
        assert!(name.starts_with("G-single"), "{name}");
        assert_eq!(cycle.len(), 2);
    }
}
