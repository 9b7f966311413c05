//! What there is to see of a cluster.

use super::server::Server;
use super::{BOOT_SPREAD, Cluster, Violation};
use crate::sim::statistics::Statistics;
use crate::sim::trace::Trace;
use crate::time::Instant;

impl Cluster {
    /// The seed that everything is drawn from.
    ///
    /// ```
    /// # fn test(cluster: &eddyline::sim::Cluster, is_whole: bool) {
    /// assert!(is_whole, "seed {}", cluster.seed());
    /// # }
    /// ```
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The nodes' names, in order.
    ///
    /// ```
    /// # fn test(cluster: &mut eddyline::sim::Cluster) -> eddyline::Result<()> {
    /// for node in cluster.nodes() {
    ///     cluster.call(&node, "read", &())?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn nodes(&self) -> Vec<String> {
        let names = self.book.node_names().iter();
        names.map(|name| name.to_string()).collect()
    }

    /// Whether every node that is not down has answered its `init`.
    ///
    /// ```
    /// # use {eddyline::sim::Cluster, std::time::Duration};
    /// # fn test(cluster: &mut Cluster) {
    /// assert!(cluster.run_until(Duration::from_secs(1), Cluster::is_ready));
    /// # }
    /// ```
    pub fn is_ready(&self) -> bool {
        let started = self.now() >= Instant::ZERO + BOOT_SPREAD;
        started
            && self
                .servers
                .iter()
                .all(|server| server.ready || server.is_down())
    }

    /// Whether a node runs: it is neither paused nor down.
    ///
    /// ```
    /// # use eddyline::sim::Cluster;
    /// fn survivors(cluster: &Cluster) -> usize {
    ///     (0..cluster.nodes().len()).filter(|&node| cluster.is_running(node)).count()
    /// }
    /// ```
    pub fn is_running(&self, node: usize) -> bool {
        self.servers.get(node).is_some_and(Server::is_running)
    }

    /// How many messages went where.
    ///
    /// ```
    /// # fn test(cluster: &eddyline::sim::Cluster) {
    /// let statistics = cluster.statistics();
    /// assert!(statistics.between_nodes < 1_000, "{statistics:?}");
    /// # }
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// What Maelstrom would not have forgiven.
    ///
    /// ```
    /// # fn test(cluster: &eddyline::sim::Cluster) {
    /// assert_eq!(cluster.violations(), []);
    /// # }
    /// ```
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The last thousand lines that nodes wrote for people.
    ///
    /// ```
    /// # fn test(cluster: &eddyline::sim::Cluster) {
    /// assert!(cluster.logs().any(|line| line.contains("has won the election")));
    /// # }
    /// ```
    pub fn logs(&self) -> impl Iterator<Item = &str> {
        self.logs.iter().map(String::as_str)
    }

    /// The conversation so far; empty without
    /// [`Simulation::trace`](crate::sim::Simulation::trace).
    ///
    /// ```
    /// # fn test(cluster: &eddyline::sim::Cluster) {
    /// eprintln!("{}", cluster.trace().to_json_lines());
    /// # }
    /// ```
    pub fn trace(&self) -> Trace {
        self.trace.clone().unwrap_or_default()
    }
}
