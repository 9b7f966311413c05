//! The dependency graph: which transaction came before which, and the cycles in it.

use super::model::ConsistencyModel::{
    self, ReadCommitted, ReadUncommitted, Serializable, SnapshotIsolation, StrictSerializable,
};
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

/// Sorts of dependencies, a bit each.
type Sorts = u8;

const WW: Sorts = 1;
const WR: Sorts = 2;
const RW: Sorts = 4;
const RT: Sorts = 8;

impl Why {
    fn sort(self) -> Sorts {
        match self {
            Why::WriteWrite(_) => WW,
            Why::WriteRead(_) => WR,
            Why::ReadWrite(_) => RW,
            Why::RealTime => RT,
        }
    }
}

/// A kind of cycle: one dependency of the first sort, and a way back by the rest.
struct CycleKind {
    name: &'static str,
    first: Sorts,
    rest: Sorts,
    /// Sorts that the way back must have, each at least once.
    needs: Sorts,
    /// Whether no two missed writes may follow each other.
    is_apart: bool,
    /// Whether it is passed over in groups in which another kind was found: it would be
    /// found again, by a longer way.
    yields: bool,
    /// The weakest model that forbids it.
    level: ConsistencyModel,
}

/// A kind without `needs`, `is_apart` and `yields`.
const fn kind(name: &'static str, first: Sorts, rest: Sorts, level: ConsistencyModel) -> CycleKind {
    CycleKind {
        name,
        first,
        rest,
        needs: 0,
        is_apart: false,
        yields: false,
        level,
    }
}

/// All kinds. The names are Adya's and Elle's.
const KINDS: [CycleKind; 9] = [
    kind("G0, a cycle of writes", WW, WW, ReadUncommitted),
    kind(
        "G1c, a cycle of writes and reads",
        WR,
        WW | WR,
        ReadCommitted,
    ),
    kind(
        "G-single, a read that missed one write and saw a later one",
        RW,
        WW | WR,
        SnapshotIsolation,
    ),
    CycleKind {
        needs: RW,
        is_apart: true,
        yields: true,
        ..kind(
            "G-nonadjacent, a cycle with missed writes that do not follow each other",
            RW,
            WW | WR | RW,
            SnapshotIsolation,
        )
    },
    CycleKind {
        needs: RW,
        yields: true,
        ..kind(
            "G2, a cycle with several missed writes",
            RW,
            WW | WR | RW,
            Serializable,
        )
    },
    CycleKind {
        needs: RT,
        ..kind(
            "G0-realtime, a write that a later one came before",
            WW,
            WW | RT,
            StrictSerializable,
        )
    },
    CycleKind {
        needs: RT,
        ..kind(
            "G1c-realtime, a read or write of what was yet to come",
            WR,
            WW | WR | RT,
            StrictSerializable,
        )
    },
    CycleKind {
        needs: RT,
        ..kind(
            "G-single-realtime, a stale read",
            RW,
            WW | WR | RT,
            StrictSerializable,
        )
    },
    CycleKind {
        needs: RW | RT,
        yields: true,
        ..kind(
            "G2-realtime, a cycle with several stale reads",
            RW,
            WW | WR | RW | RT,
            StrictSerializable,
        )
    },
];

/// How many dependencies of a group are tried as the one missed write of a G-single, if a
/// G2 is forbidden as well. Each try costs a walk through the group.
const TRIES_MAX: usize = 1_000;

/// The place of a node that is not in the component.
const NOWHERE: usize = usize::MAX;

/// A step of a walk: its node, and what matters of the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    node: usize,
    /// The sorts that the kind needs, and that the way had.
    seen: Sorts,
    /// Whether the last dependency was a missed write, if that matters.
    missed: bool,
}

impl Step {
    /// How many steps a node can have: `RW` and `RT` seen or not, missed or not.
    const STATES: usize = 8;

    fn index(self, places: &[usize]) -> usize {
        let seen = usize::from(self.seen & RW != 0) * 4 + usize::from(self.seen & RT != 0) * 2;
        places[self.node] * Step::STATES + seen + usize::from(self.missed)
    }
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

    /// Reports cycles that `model` forbids: one of each kind, in each group of transactions
    /// that depend on each other.
    pub(super) fn check(
        &self,
        model: ConsistencyModel,
        txns: &[Txn<'_>],
        anomalies: &mut Anomalies,
    ) {
        let mut reported = vec![false; self.edges.len()];
        let mut places = vec![NOWHERE; self.edges.len()];
        for kind in KINDS.iter().filter(|kind| kind.level <= model) {
            for component in self.components(kind.first | kind.rest) {
                if kind.yields && component.iter().any(|&node| reported[node]) {
                    continue;
                }
                // Snapshot isolation allows cycles that are no G-single: try all.
                let is_last = model == SnapshotIsolation;
                let tries = if is_last { usize::MAX } else { TRIES_MAX };
                for (place, &node) in component.iter().enumerate() {
                    places[node] = place;
                }
                if let Some(cycle) = self.cycle(&component, &places, kind, tries) {
                    anomalies.add(describe(kind.name, &cycle, txns));
                    component.iter().for_each(|&node| reported[node] = true);
                }
                component.iter().for_each(|&node| places[node] = NOWHERE);
            }
        }
    }

    /// A cycle of that kind in the component. `places` has the place of each of its nodes.
    fn cycle(
        &self,
        component: &[usize],
        places: &[usize],
        kind: &CycleKind,
        tries: usize,
    ) -> Option<Vec<(usize, Why)>> {
        let edges = component.iter().flat_map(|&from| {
            let edges = self.edges[from].iter();
            edges.map(move |&(to, why)| (from, to, why))
        });
        let firsts =
            edges.filter(|&(_, to, why)| kind.first & why.sort() != 0 && places[to] != NOWHERE);
        firsts.take(tries).find_map(|(from, to, why)| {
            let begin = Step {
                node: to,
                seen: 0,
                missed: kind.is_apart && why.sort() == RW,
            };
            let mut path = self.path(begin, from, kind, component.len(), places)?;
            path.insert(0, (from, why));
            Some(path)
        })
    }

    /// The shortest way to `to` that makes a cycle of that kind: its nodes, each with the
    /// edge that leaves it. A node may stand in it twice. Then
    /// it is several cycles, of which the model forbids one at least.
    fn path(
        &self,
        begin: Step,
        to: usize,
        kind: &CycleKind,
        count: usize,
        places: &[usize],
    ) -> Option<Vec<(usize, Why)>> {
        let mut came_from: Vec<Option<(Step, Why)>> = vec![None; count * Step::STATES];
        let mut todo = VecDeque::from([begin]);
        while let Some(step) = todo.pop_front() {
            let is_apart = !(kind.is_apart && step.missed);
            if step.node == to && step.seen & kind.needs == kind.needs && is_apart {
                let mut path = Vec::new();
                let mut at = step;
                while at != begin {
                    let (before, why) = came_from[at.index(places)]?;
                    path.push((before.node, why));
                    at = before;
                }
                path.reverse();
                return Some(path);
            }
            for &(node, why) in &self.edges[step.node] {
                let sort = why.sort();
                let follows = kind.is_apart && step.missed && sort == RW;
                if kind.rest & sort == 0 || follows || places[node] == NOWHERE {
                    continue;
                }
                let next = Step {
                    node,
                    seen: step.seen | (sort & kind.needs),
                    missed: kind.is_apart && sort == RW,
                };
                let known = &mut came_from[next.index(places)];
                if next != begin && known.is_none() {
                    *known = Some((step, why));
                    todo.push_back(next);
                }
            }
        }
        None
    }

    /// Tarjan's strongly connected components of more than one node, without
    /// recursion: a chain of ten thousand transactions would overflow the stack.
    fn components(&self, allowed: Sorts) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let count = self.edges.len();
        let next_of = |node: usize| -> Vec<usize> {
            let edges = self.edges[node].iter();
            let edges = edges.filter(|(_, why)| allowed & why.sort() != 0);
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
        assert!(graph.components(WW | WR | RW | RT).is_empty());
        graph.add(5_000, 4_000, Why::ReadWrite(0));
        assert!(graph.components(WW).is_empty());
        let found = graph.components(WW | WR | RW | RT);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].len(), 1_001);
        graph.add(9_998, 9_997, Why::WriteRead(0));
        assert_eq!(graph.components(WW | WR | RW | RT).len(), 2);
    }

    #[test]
    fn the_shortest_way_back_is_the_cycle() {
        let mut graph = Graph::new(4);
        graph.add(0, 1, Why::WriteWrite(0));
        graph.add(1, 2, Why::WriteWrite(0));
        graph.add(2, 0, Why::ReadWrite(0));
        graph.add(1, 0, Why::ReadWrite(1));
        let g_single = &KINDS[2];
        let cycle = graph.cycle(&[0, 1, 2], &[0, 1, 2, NOWHERE], g_single, 10);
        assert_eq!(cycle.unwrap().len(), 2);
    }

    #[test]
    fn missed_writes_are_apart_where_others_stand_between_them() {
        let mut graph = Graph::new(4);
        graph.add(0, 1, Why::ReadWrite(0));
        graph.add(1, 2, Why::WriteWrite(0));
        graph.add(2, 3, Why::ReadWrite(0));
        graph.add(3, 0, Why::WriteRead(0));
        let nonadjacent = &KINDS[3];
        let (all, places) = ([0, 1, 2, 3], [0, 1, 2, 3]);
        let cycle = graph.cycle(&all, &places, nonadjacent, 10);
        assert_eq!(cycle.unwrap().len(), 4);
        let mut graph = Graph::new(3);
        graph.add(0, 1, Why::ReadWrite(0));
        graph.add(1, 2, Why::ReadWrite(0));
        graph.add(2, 0, Why::WriteRead(0));
        assert!(
            graph
                .cycle(&all[..3], &places[..3], nonadjacent, 10)
                .is_none()
        );
        assert!(
            graph
                .cycle(&all[..3], &places[..3], &KINDS[4], 10)
                .is_some()
        );
    }
}
