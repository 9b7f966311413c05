//! The directory: the names that a message may be sent to.
//!
//! `shared` looks every sender and every destination up in it. Calls and operations hold a
//! [`NameId`] in place of a name.
//!
//! Invariant: names are never removed, so an id stays valid for the life of the node.

use crate::protocol::{Init, is_service};
use std::collections::HashMap;
use std::rc::Rc;

/// How many senders outside the cluster are remembered: 65,536, so that made-up names do not
/// fill the memory.
///
/// Later senders get their replies like all others. Only a message to them that is no reply
/// is refused.
const SENDERS_MAX: usize = 1 << 16;

/// The longest name of a sender that is remembered, for the same reason.
const NAME_BYTES_MAX: usize = 256;

/// The id of a name in the directory. It is smaller than the name, and cheaper to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameId(u32);

impl NameId {
    /// The id as a number, for rooms that do not know the directory.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// How many names are found without hashing them. Most messages come from the senders of the
/// last few: a client, a service, a handful of peers.
const RECENT_MAX: usize = 32;

/// Every name that may be sent to: the cluster's nodes, Maelstrom's services, and all senders
/// seen before. Maelstrom ignores a node from then on if it sends to any other name.
#[derive(Default)]
pub(crate) struct Directory {
    names: Vec<Rc<str>>,
    ids: HashMap<Rc<str>, NameId>,
    /// The last sender. Most messages have the same sender as the one before.
    last: Option<NameId>,
    /// A cache: of all names that share a place, the one that was found last. Boxed, so that
    /// the other fields that each message needs lie close together.
    recent: Box<[Option<NameId>; RECENT_MAX]>,
    senders: usize,
}

impl Directory {
    /// Enters the nodes of the cluster.
    pub(crate) fn add_nodes(&mut self, init: &Init) {
        // The list may lack the node's own name, and a node may call itself.
        self.add(&init.node_id);
        for name in &init.node_ids {
            self.add(name);
        }
    }

    /// The id of a message's sender, which is remembered. `None` if too many senders are
    /// remembered already, or the name is too long.
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

    /// The id of a name, if it may be sent to.
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

    /// The name with this id.
    pub(crate) fn name(&self, id: NameId) -> &str {
        &self.names[id.0 as usize]
    }

    /// The name with this id, for use when the directory is no longer borrowed.
    pub(crate) fn shared_name(&self, id: NameId) -> Rc<str> {
        self.names[id.0 as usize].clone()
    }

    fn add(&mut self, name: &str) -> NameId {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        // Far below u32::MAX: senders are bounded, and the node names fit in one line.
        let id = NameId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        let name: Rc<str> = name.into();
        self.names.push(name.clone());
        self.ids.insert(name, id);
        id
    }
}

/// The place of a name in the cache. Names of one kind differ in their last byte, kinds in
/// the first: `n1`, `n2`, `c1`, `lin-kv`.
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
    fn nodes_services_and_senders_are_the_only_names_known() {
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
    fn names_that_share_a_place_keep_their_own_ids() {
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
