//! Partitions: which links are cut.

use crate::random::Random;
use crate::workload::draws::shuffle;

/// A way to cut a cluster in pieces. Only links between nodes are cut, and
/// those to services that [`Links`](Partition::Links) names. Links to clients are never
/// cut, because clients sit beside their node.
///
/// A link is looked at when a message arrives. A message that was
/// sent before the cut and arrives during it is lost. One that was sent during the cut
/// and arrives after it is not.
///
/// ```
/// use eddyline::sim::{Partition, Simulation};
/// use std::time::Duration;
///
/// let simulation = Simulation::new(7).nodes(5).partition(
///     Partition::Halves,
///     Duration::from_secs(2)..Duration::from_secs(5),
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partition {
    /// A random minority, and the rest.
    Halves,
    /// One random node, and all others.
    One,
    /// A random minority third, and the rest: fewer than a third of the nodes, but at
    /// least one.
    MinorityThird,
    /// A random ring in which every node hears from a majority, and no two from the same.
    /// There are no groups: nodes that hear from each other hear from different others.
    MajoritiesRing,
    /// Two random halves, and one node that still sees both.
    Bridge,
    /// A random minority hears nothing from the rest. The other direction works.
    OneWay,
    /// This node (0 is n0) and all others.
    Isolate(usize),
    /// These groups of nodes. A node in no group is alone.
    Groups(Vec<Vec<usize>>),
    /// These links, from the first name to the second. The names are of nodes or services.
    Links(Vec<(String, String)>),
}

/// A link: from the first server to the second, by index.
pub(crate) type Link = (usize, usize);

impl Partition {
    /// The links that are cut among `nodes` nodes. `server` finds the index of
    /// a node or service by its name.
    pub(crate) fn links(
        &self,
        nodes: usize,
        random: &mut Random,
        server: impl Fn(&str) -> Option<usize>,
    ) -> Vec<Link> {
        let mut order: Vec<usize> = (0..nodes).collect();
        shuffle(random, &mut order);
        let (minority, majority) = order.split_at(nodes.saturating_sub(1) / 2);
        match self {
            Partition::Halves => between(minority, majority),
            Partition::One => {
                let (one, others) = order.split_at(1.min(nodes));
                between(one, others)
            }
            Partition::MinorityThird => {
                let (third, rest) = order.split_at(minority_third(nodes).min(nodes));
                between(third, rest)
            }
            Partition::MajoritiesRing => ring(&order),
            Partition::Bridge => match order.split_first() {
                Some((_bridge, rest)) => {
                    let (one, other) = rest.split_at(rest.len() / 2);
                    between(one, other)
                }
                None => Vec::new(),
            },
            Partition::OneWay => one_way(majority, minority),
            Partition::Isolate(node) => {
                assert!(*node < nodes, "there is no n{node} among {nodes} nodes");
                let others: Vec<usize> = (0..nodes).filter(|other| other != node).collect();
                between(&[*node], &others)
            }
            Partition::Groups(groups) => {
                let group = |node: usize| groups.iter().position(|group| group.contains(&node));
                let mut links = Vec::new();
                for from in 0..nodes {
                    for to in (0..nodes).filter(|&to| to != from) {
                        if group(from).is_none() || group(from) != group(to) {
                            links.push((from, to));
                        }
                    }
                }
                links
            }
            Partition::Links(names) => {
                let index = |name: &String| match server(name) {
                    Some(index) => index,
                    None => panic!("there is no node or service called {name:?} to cut off"),
                };
                let links = names.iter().map(|(from, to)| (index(from), index(to)));
                links.collect()
            }
        }
    }
}

/// The most nodes that are fewer than a third of all, and at least one.
pub(super) fn minority_third(nodes: usize) -> usize {
    (nodes.saturating_sub(1) / 3).max(1)
}

/// Around each node of the ring stands a window of a majority: from these it hears, from the
/// others not. A window of an odd number is the same on both sides, so a link that works does
/// so in both directions. Jepsen's ring is the same, up to five nodes.
fn ring(order: &[usize]) -> Vec<Link> {
    let nodes = order.len();
    let majority = nodes / 2 + 1;
    let mut links = Vec::new();
    for (place, &to) in order.iter().enumerate() {
        for step in majority..nodes {
            let from = (place + nodes - majority / 2 + step) % nodes;
            links.push((order[from], to));
        }
    }
    links
}

fn one_way(from: &[usize], to: &[usize]) -> Vec<Link> {
    let pairs = from.iter().flat_map(|&a| to.iter().map(move |&b| (a, b)));
    pairs.collect()
}

fn between(one: &[usize], other: &[usize]) -> Vec<Link> {
    let mut links = one_way(one, other);
    links.extend(one_way(other, one));
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(partition: &Partition) -> Vec<Link> {
        let mut random = Random::new(5);
        let mut links = partition.links(5, &mut random, |name| match name {
            "lin-kv" => Some(5),
            name => name.strip_prefix('n')?.parse().ok(),
        });
        links.sort_unstable();
        links
    }

    #[test]
    fn every_kind_cuts_as_many_links_as_it_says() {
        assert_eq!(links(&Partition::Halves).len(), 2 * 2 * 3);
        assert_eq!(links(&Partition::One).len(), 2 * 4);
        assert_eq!(links(&Partition::Bridge).len(), 2 * 2 * 2);
        assert_eq!(links(&Partition::MinorityThird).len(), 2 * 4);
        assert_eq!(links(&Partition::MajoritiesRing).len(), 5 * 2);
        assert_eq!(links(&Partition::OneWay).len(), 2 * 3);
        let groups = Partition::Groups(vec![vec![0, 1], vec![2, 3, 4]]);
        assert_eq!(links(&groups).len(), 2 * 2 * 3);
    }

    #[test]
    fn in_a_ring_every_node_hears_from_a_majority_and_no_two_from_the_same() {
        for nodes in 3..12 {
            let mut random = Random::new(9);
            let cut = Partition::MajoritiesRing.links(nodes, &mut random, |_| None);
            let hears = |to: usize| -> Vec<usize> {
                let from = (0..nodes).filter(|&from| !cut.contains(&(from, to)));
                from.collect()
            };
            let mut windows: Vec<Vec<usize>> = (0..nodes).map(hears).collect();
            for (node, window) in windows.iter().enumerate() {
                assert!(
                    window.contains(&node),
                    "{nodes} nodes: n{node} hears itself"
                );
                assert_eq!(window.len(), nodes / 2 + 1, "of {nodes} nodes");
            }
            windows.sort();
            windows.dedup();
            assert_eq!(windows.len(), nodes);
        }
        for nodes in 0..3 {
            let mut random = Random::new(9);
            let cut = Partition::MajoritiesRing.links(nodes, &mut random, |_| None);
            assert!(cut.is_empty(), "a majority of {nodes} nodes is all of them");
        }
    }

    #[test]
    fn a_minority_third_is_fewer_than_a_third_but_a_node() {
        let thirds = [3, 4, 5, 6, 7, 9, 10].map(minority_third);
        assert_eq!(thirds, [1, 1, 1, 1, 2, 2, 3]);
        for nodes in 0..3 {
            let mut random = Random::new(9);
            let cut = Partition::MinorityThird.links(nodes, &mut random, |_| None);
            assert_eq!(cut.len(), if nodes == 2 { 2 } else { 0 });
        }
    }

    #[test]
    fn a_chosen_node_is_alone_and_a_named_link_is_cut_one_way() {
        let isolated = links(&Partition::Isolate(2));
        assert_eq!(isolated.len(), 8);
        assert!(isolated.iter().all(|&(from, to)| from == 2 || to == 2));
        let named = Partition::Links(vec![("n1".to_owned(), "lin-kv".to_owned())]);
        assert_eq!(links(&named), [(1, 5)]);
    }
}
