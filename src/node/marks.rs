//! Marks: the traces that [`Kv::update_once`](super::Kv::update_once) leaves in a key, by which
//! an update recognises its own change.
//!
//! Read next: `update`, which writes and reads them.

use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The value of a key that is changed by [`Kv::update_once`](super::Kv::update_once), and the
/// marks of updates that may still look for their own.
///
/// ```
/// # use eddyline::{Context, Result, node::Marked};
/// # async fn sum(cx: Context) -> Result<u64> {
/// let sum: Option<Marked<u64>> = cx.lin_kv().read("sum").await?;
/// Ok(sum.map_or(0, |sum| sum.value))
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked<T> {
    /// The value.
    pub value: T,
    /// By node. Random numbers as text, because not every JSON reader keeps 64 bits.
    marks: BTreeMap<String, Vec<String>>,
}

impl<T> Marked<T> {
    /// A value without marks.
    pub(super) fn new(value: T) -> Marked<T> {
        Marked {
            value,
            marks: BTreeMap::new(),
        }
    }
}

/// The marks of this node's updates that have not ended.
#[derive(Default, Clone)]
pub(super) struct Marks {
    in_use: Rc<RefCell<BTreeSet<String>>>,
}

impl Marks {
    pub(super) fn take(&self, name: String) -> Mark {
        self.in_use.borrow_mut().insert(name.clone());
        let marks = self.clone();
        Mark { name, marks }
    }
}

/// The mark of one update. It is in use until it is dropped.
pub(super) struct Mark {
    name: String,
    marks: Marks,
}

impl Mark {
    /// Whether `state` contains the change that `node` made under this mark.
    pub(super) fn is_in<T>(&self, state: &Marked<T>, node: &str) -> bool {
        let own = state.marks.get(node);
        own.is_some_and(|own| own.contains(&self.name))
    }

    /// The state after this update: the new value, the marks of `old` and this mark. Marks of this
    /// node that are no longer in use are left out.
    pub(super) fn put_on<T>(&self, value: T, old: Marked<T>, node: &str) -> Marked<T> {
        let mut marks = old.marks;
        let own = marks.entry(node.to_owned()).or_default();
        own.retain(|mark| self.marks.in_use.borrow().contains(mark));
        own.push(self.name.clone());
        Marked { value, marks }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.marks.in_use.borrow_mut().remove(&self.name);
    }
}
