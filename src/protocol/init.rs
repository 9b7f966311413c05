//! The body of `init`, which gives a node its name.

use serde::Deserialize;
use std::collections::BTreeSet;

/// Who a node is: the body of Maelstrom's `init` message.
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
    /// The names of all nodes, this one among them.
    pub node_ids: Vec<String>,
}

impl Init {
    /// Whether both name the same node of the same cluster, in whatever order.
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
