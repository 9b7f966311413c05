//! The names of a cluster: the nodes that `init` lists, and Maelstrom's services.

use super::Result;
use super::error::Error;
use super::quote::Quote;
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

    /// Whether it gives a node a name, in a cluster to which the node belongs.
    ///
    /// ```
    /// use eddyline::protocol::Init;
    ///
    /// let init = Init {
    ///     node_id: "n9".to_owned(),
    ///     node_ids: vec!["n1".to_owned(), "n2".to_owned()],
    /// };
    /// let error = init.check().unwrap_err();
    /// assert_eq!(error.text, "\"n9\" is not among the nodes: \"n1\", \"n2\"");
    /// ```
    ///
    /// # Errors
    /// Error 12 if a name is empty or stands twice among the nodes, or if the node's own name
    /// is not among them.
    pub fn check(&self) -> Result<()> {
        let own = &self.node_id;
        let mut seen = BTreeSet::new();
        let twice = self.node_ids.iter().find(|name| !seen.insert(*name));
        let text = if own.is_empty() {
            "the name of the node is empty".to_owned()
        } else if self.node_ids.iter().any(String::is_empty) {
            "a name among the nodes is empty".to_owned()
        } else if let Some(name) = twice {
            format!("{} stands twice among the nodes", Quote(name))
        } else if !self.node_ids.contains(own) {
            let names = self.node_ids.iter().map(|name| Quote(name).to_string());
            let names = names.collect::<Vec<_>>().join(", ");
            format!("{} is not among the nodes: {names}", Quote(own))
        } else {
            return Ok(());
        };
        Err(Error::malformed_request(text))
    }

    /// The line of an `init` that gives this identity. Without a `msg_id` it wants no reply.
    ///
    /// ```
    /// use eddyline::protocol::Init;
    ///
    /// let node_ids = vec!["n1".to_owned()];
    /// let init = Init { node_id: "n1".to_owned(), node_ids };
    /// let line = init.line("c0", Some(1));
    /// assert!(line.starts_with(r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"#));
    /// ```
    pub fn line(&self, src: &str, msg_id: Option<u64>) -> String {
        let text = |name: &str| serde_json::Value::from(name).to_string();
        let (src, own) = (text(src), text(&self.node_id));
        let msg_id = msg_id.map(|msg_id| format!(r#""msg_id":{msg_id},"#));
        let msg_id = msg_id.unwrap_or_default();
        let names: Vec<String> = self.node_ids.iter().map(|name| text(name)).collect();
        let names = names.join(",");
        format!(
            r#"{{"src":{src},"dest":{own},"body":{{"type":"init",{msg_id}"node_id":{own},"node_ids":[{names}]}}}}"#
        )
    }
}

/// The longest name that an operator gives: 255 bytes, as of a host. A line of NATS has room
/// for 4 KiB, and that of a call has two names twice, of which each character may take three
/// bytes.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Checks a name that an operator gives to a node or a client.
///
/// A message can carry any text as a name, and NATS too: its characters `.`, `*`, `>` and `%`
/// travel as `%` and two digits. An operator writes several names with commas between, and
/// easily a blank behind a comma. So a given name has neither:
///
/// | name | |
/// |---|---|
/// | `n1`, `lin-kv`, `a.example`, `größe`, `n*` | a name |
/// | the empty text | refused |
/// | with a comma: `n1,n2` | refused |
/// | with a blank or a control character: ` n2` | refused |
/// | longer than 255 bytes | refused |
///
/// ```
/// use eddyline::protocol::check_name;
///
/// assert_eq!(check_name("a.example"), Ok(()));
/// assert_eq!(check_name("n1,n2"), Err("a comma stands between names, and not in one"));
/// ```
///
/// # Errors
/// The rule that the name breaks, as a sentence without a point.
pub fn check_name(name: &str) -> std::result::Result<(), &'static str> {
    if name.is_empty() {
        Err("a name is not empty")
    } else if name.contains(',') {
        Err("a comma stands between names, and not in one")
    } else if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Err("a name has no blanks and no control characters")
    } else if name.len() > NAME_BYTES_MAX {
        Err("a name has at most 255 bytes")
    } else {
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_name_is_not_empty_and_has_no_commas_and_no_blanks() {
        let longest = "n".repeat(NAME_BYTES_MAX);
        for name in ["n1", "lin-kv", "a.example", "größe", "n*", "%>", &longest] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for (name, rule) in [
            ("", "not empty"),
            (&"n".repeat(NAME_BYTES_MAX + 1), "255 bytes"),
            ("n1,n2", "a comma"),
            (",", "a comma"),
            (" n2", "no blanks"),
            ("n\u{a0}2", "no blanks"),
            ("n2\n", "no blanks"),
            ("n\0", "no control characters"),
        ] {
            let why = check_name(name).unwrap_err();
            assert!(why.contains(rule), "{name:?}: {why}");
        }
    }
}
