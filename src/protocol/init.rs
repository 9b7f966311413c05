//! The body of `init`, which gives a node its name.

use serde::Deserialize;

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
