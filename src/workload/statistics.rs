//! Statistics: counts of messages by their way and their fate, and quantiles.

use std::time::Duration;

/// Counts of messages. A message that the network duplicates counts as sent once.
///
/// ```
/// # fn look(statistics: eddyline::workload::Statistics) {
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
    /// Lost by the network: by chance, or because the NATS server was down.
    pub lost: u64,
    /// Lost to a partition.
    pub cut: u64,
    /// Delivered a second time by chance.
    pub duplicated: u64,
    /// Lost because the node was down.
    pub to_the_dead: u64,
    /// Replies to clients that had given up. Maelstrom stops listening to a
    /// node that sends one. A node cannot know, so here it is only counted.
    pub too_late: u64,
}

impl Statistics {
    /// Messages among nodes and services. Maelstrom calls them `servers`.
    pub fn among_servers(&self) -> u64 {
        self.between_nodes + self.with_services
    }
}

/// A quantile (0 to 1) of sorted durations; zero if there are none.
pub(super) fn quantile(sorted: &[Duration], quantile: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index between 0 and the length"
    )]
    let index = (last as f64 * quantile.clamp(0.0, 1.0)).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}
