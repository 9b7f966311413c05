//! Statistics: how many messages went where, and what became of them.

/// Counts of messages. What a network duplicates counts as sent once.
///
/// ```
/// # fn look(statistics: eddyline::sim::Statistics) {
/// let gone = statistics.lost + statistics.cut + statistics.to_the_dead;
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Sent from a node to a node.
    pub between_nodes: u64,
    /// Sent from a node to a service, or back.
    pub with_services: u64,
    /// Sent from or to a client.
    pub with_clients: u64,
    /// Arrived, anywhere.
    pub delivered: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Lost to a partition.
    pub cut: u64,
    /// Delivered a second time by chance.
    pub duplicated: u64,
    /// Lost because the node was down.
    pub to_the_dead: u64,
    /// Replies to clients that had given up. Maelstrom stops listening to a
    /// node that sends one; a node cannot know, so here it only counts.
    pub too_late: u64,
}

impl Statistics {
    /// Messages among nodes and services: what Maelstrom calls `servers`.
    ///
    /// ```
    /// let statistics = eddyline::sim::Statistics { between_nodes: 2, with_services: 3, ..Default::default() };
    /// assert_eq!(statistics.among_servers(), 5);
    /// ```
    pub fn among_servers(&self) -> u64 {
        self.between_nodes + self.with_services
    }
}
