//! The names that a message may be sent to.

use crate::protocol::{Init, is_service};
use std::collections::HashMap;
use std::rc::Rc;

/// How many senders outside the cluster are remembered: 65,536. Senders beyond
/// it are answered like all others; only a message to one of them that is not a
/// reply is refused. The bound keeps made-up names from filling the memory.
const SENDERS_MAX: usize = 1 << 16;

/// The longest name of a sender that is remembered, for the same reason.
const NAME_BYTES_MAX: usize = 256;

/// A name in the directory. Comparing two is cheaper than comparing names, and
/// a call in flight holds one instead of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameId(u32);

impl NameId {
    /// As a number, for rooms that have no use for the name.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// How many names are found without hashing them. Most messages come from those
/// that the last ones came from: a client, a service, a handful of peers.
const RECENT_MAX: usize = 32;

/// Every name that may be sent to: the cluster's nodes, Maelstrom's services,
/// and whoever has sent us something. Maelstrom stops listening to a node that
/// sends to anybody else.
#[derive(Default)]
pub(crate) struct Directory {
    names: Vec<Rc<str>>,
    ids: HashMap<Rc<str>, NameId>,
    /// The last sender: most messages come from the same one as the last.
    last: Option<NameId>,
    /// The last one found of all names that share a place here. Boxed: what else
    /// a message needs of the node should lie close together.
    recent: Box<[Option<NameId>; RECENT_MAX]>,
    senders: usize,
}

impl Directory {
    /// Enters the nodes of the cluster.
    pub(crate) fn add_nodes(&mut self, init: &Init) {
        // A node that the list forgets may still call itself.
        self.add(&init.node_id);
        for name in &init.node_ids {
            self.add(name);
        }
    }

    /// The id of somebody who has sent us something; `None` once too many
    /// have, and for this one.
    pub(crate) fn sender(&mut self, name: &str) -> Option<NameId> {
        if let Some(last) = self.last
            && self.name(last) == name
        {
            return Some(last);
        }
        let id = self.recent_sender(name)?;
        self.last = Some(id);
        Some(id)
    }

    #[inline(never)]
    fn recent_sender(&mut self, name: &str) -> Option<NameId> {
        let place = place(name);
        if let Some(id) = self.recent(place, name) {
            return Some(id);
        }
        let id = match self.ids.get(name) {
            Some(&id) => id,
            None if self.senders == SENDERS_MAX || name.len() > NAME_BYTES_MAX => return None,
            None => {
                self.senders += 1;
                self.add(name)
            }
        };
        self.recent[place] = Some(id);
        Some(id)
    }

    /// The id of somebody who may be sent to.
    #[inline]
    pub(crate) fn find(&mut self, name: &str) -> Option<NameId> {
        let place = place(name);
        if let Some(id) = self.recent(place, name) {
            return Some(id);
        }
        let id = match self.ids.get(name) {
            Some(&id) => id,
            None if is_service(name) => self.add(name),
            None => return None,
        };
        self.recent[place] = Some(id);
        Some(id)
    }

    #[inline]
    fn recent(&self, place: usize, name: &str) -> Option<NameId> {
        self.recent[place].filter(|&id| self.name(id) == name)
    }

    /// The name behind an id.
    pub(crate) fn name(&self, id: NameId) -> &str {
        &self.names[id.0 as usize]
    }

    fn add(&mut self, name: &str) -> NameId {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        // The count is bounded by the senders and one line of node names.
        let id = NameId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        let name: Rc<str> = name.into();
        self.names.push(name.clone());
        self.ids.insert(name, id);
        id
    }
}

/// Where a name is among the recent ones. Names of one kind differ in their last
/// byte, kinds in the first: `n1`, `n2`, `c1`, `lin-kv`.
#[inline]
fn place(name: &str) -> usize {
    let bytes = name.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    let (first, last) = ends.map_or((0, 0), |(&first, &last)| (first, last));
    (usize::from(first) * 5 + usize::from(last) + bytes.len()) % RECENT_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(node_ids: &[&str]) -> Init {
        Init {
            node_id: "n1".to_owned(),
            node_ids: node_ids.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn nodes_services_and_senders_are_known_and_nobody_else() {
        let mut directory = Directory::default();
        directory.add_nodes(&init(&["n1", "n2", "n1"]));
        assert!(directory.find("n2").is_some());
        assert!(directory.find("seq-kv").is_some());
        assert!(directory.find("c1").is_none());
        let c1 = directory.sender("c1");
        assert_eq!(directory.sender("c1"), c1);
        assert_eq!(directory.find("c1"), c1);
        assert_ne!(directory.find("n1"), c1);
    }

    #[test]
    fn names_that_share_a_place_are_told_apart() {
        let mut directory = Directory::default();
        directory.add_nodes(&init(&["n1", "n11", "n21", ""]));
        let names = ["n11", "n21", "n1", "", "c1", "lin-kv"];
        assert_eq!(place("n11"), place("n21"));
        let ids = names.map(|name| directory.sender(name));
        for (name, id) in names.into_iter().zip(ids).chain(names.into_iter().zip(ids)) {
            assert_eq!((directory.find(name), directory.sender(name)), (id, id));
            assert_eq!(id.map(|id| directory.name(id)), Some(name));
        }
    }

    #[test]
    fn made_up_senders_do_not_fill_the_memory() {
        let mut directory = Directory::default();
        directory.add_nodes(&init(&["n1"]));
        for number in 0..SENDERS_MAX {
            assert!(directory.sender(&format!("c{number}")).is_some());
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert!(Directory::default().sender(&long).is_none());
        assert!(Directory::default().sender(&long[1..]).is_some());
        assert!(directory.sender("one too many").is_none());
        assert!(directory.find("one too many").is_none());
        assert!(directory.sender("c7").is_some());
        assert!(directory.sender("n1").is_some());
    }
}
