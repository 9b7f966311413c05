//! The names of a cluster: the nodes that `init` lists, and Maelstrom's services.

use serde::Deserialize;
use std::collections::BTreeSet;

/// The body of Maelstrom's `init` message: the node's name, and the names of all
/// nodes.
///
/// ```
/// use eddyline::protocol::Init;
///
/// let init: Init = serde_json::from_str(r#"{"node_id":"n1","node_ids":["n1","n2"]}"#)?;
/// assert_eq!(init.node_id, "n1");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Init {
    /// This node's name.
    pub node_id: String,
    /// The names of all nodes. This node's own is one of them.
    pub node_ids: Vec<String>,
}

impl Init {
    /// Whether both name the same node of the same cluster. The order of the nodes
    /// does not matter.
    ///
    /// ```
    /// use eddyline::protocol::Init;
    ///
    /// let init = |node_ids: [&str; 2]| Init {
    ///     node_id: "n1".to_owned(),
    ///     node_ids: node_ids.map(str::to_owned).to_vec(),
    /// };
    /// assert!(init(["n1", "n2"]).is_same_cluster(&init(["n2", "n1"])));
    /// assert!(!init(["n1", "n2"]).is_same_cluster(&init(["n1", "n3"])));
    /// ```
    pub fn is_same_cluster(&self, other: &Init) -> bool {
        let names = |init: &Init| init.node_ids.iter().cloned().collect::<BTreeSet<_>>();
        self.node_id == other.node_id && names(self) == names(other)
    }
}

/// Maelstrom's built-in services. Every node may call them.
const SERVICES: [&str; 4] = ["lin-kv", "seq-kv", "lww-kv", "lin-tso"];

/// Whether `name` is one of Maelstrom's services.
///
/// ```
/// assert!(eddyline::protocol::is_service("lin-kv"));
/// assert!(!eddyline::protocol::is_service("n1"));
/// ```
pub fn is_service(name: &str) -> bool {
    SERVICES.contains(&name)
}
