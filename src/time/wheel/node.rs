//! The nodes: one for each timer, in a slab, linked into lists by index.

use super::tick::Tick;
use std::num::NonZeroU32;

/// No node: the end of a list.
const NIL: u32 = u32::MAX;

/// How many timers can be armed at once: an index has 32 bits, and one value of them
/// means "none".
///
/// One more is a panic and no error. At 32 bytes or more a node, that many would take
/// 128 GiB, so a program without a bound of its own runs out of memory before.
const TIMERS_MAX: usize = NIL as usize;

/// Names a timer on the [`Wheel`](super::Wheel) that it was inserted into.
///
/// Once the timer has fired or was cancelled, the name is stale and finds nothing, even
/// when the wheel has reused the memory. The price is that a node which has been reused
/// four billion times is given up. On another wheel a name may find another timer.
///
/// ```
/// use eddyline::time::{Instant, Wheel};
///
/// let mut wheel = Wheel::new(Instant::ZERO);
/// let first = wheel.insert(Instant::from_millis(1), "first");
/// wheel.cancel(first);
/// let second = wheel.insert(Instant::from_millis(1), "second");
/// assert_ne!(first, second);
/// assert_eq!(wheel.cancel(first), None);
/// assert_eq!(wheel.cancel(second), Some("second"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct TimerId {
    index: u32,
    /// Never zero, so that `Option<TimerId>` is no larger than a `TimerId`.
    generation: NonZeroU32,
}

/// A timer, or the place of a past one that can be reused.
///
/// 32 bytes while the value is a pointer: two to a cache line. A cancel touches this
/// node and its two neighbours.
struct Node<T> {
    /// The tick at which it is due.
    tick: Tick,
    /// The node before it in its slot; without meaning in a free node.
    prev: u32,
    /// The node after it in its slot, or the next free node.
    next: u32,
    /// Counts the timers that this node has been. Freeing a node increments it, so a
    /// name with this generation means that the timer is armed.
    generation: NonZeroU32,
    /// `None` in a free node.
    value: Option<T>,
}

/// The ends of a list of nodes, first come first served.
#[derive(Clone, Copy)]
pub(super) struct List {
    head: u32,
    tail: u32,
}

impl List {
    pub(super) const EMPTY: List = List {
        head: NIL,
        tail: NIL,
    };

    pub(super) fn is_empty(&self) -> bool {
        self.head == NIL
    }

    /// The index of the only node, if there is only one.
    pub(super) fn only(&self) -> Option<u32> {
        (self.head == self.tail && self.head != NIL).then_some(self.head)
    }
}

/// A slab of nodes. It grows to the most timers that were ever armed at once, and keeps
/// that memory, since it is likely to be needed again.
pub(super) struct Nodes<T> {
    nodes: Vec<Node<T>>,
    /// The node freed last, which is the most likely one to be in the cache.
    free: u32,
    /// How many nodes hold a timer.
    armed: usize,
}

impl<T> Nodes<T> {
    pub(super) fn new() -> Nodes<T> {
        Nodes {
            nodes: Vec::new(),
            free: NIL,
            armed: 0,
        }
    }

    pub(super) fn armed(&self) -> usize {
        self.armed
    }

    /// Puts a timer into a node that is on no list yet.
    pub(super) fn claim(&mut self, tick: Tick, value: T) -> TimerId {
        self.armed += 1;
        let index = self.free;
        let Some(node) = self.nodes.get_mut(index as usize) else {
            return self.grow(tick, value);
        };
        self.free = node.next;
        node.tick = tick;
        node.value = Some(value);
        let generation = node.generation;
        TimerId { index, generation }
    }

    /// Claims a node that did not exist before.
    #[cold]
    fn grow(&mut self, tick: Tick, value: T) -> TimerId {
        let index = self.nodes.len();
        assert!(index < TIMERS_MAX, "4 billion timers are outstanding");
        // The line above has checked that it fits.
        #[expect(clippy::cast_possible_truncation)]
        let index = index as u32;
        let generation = NonZeroU32::MIN;
        self.nodes.push(Node {
            tick,
            prev: NIL,
            next: NIL,
            generation,
            value: Some(value),
        });
        TimerId { index, generation }
    }

    /// Takes the value out of a node that is on no list, and frees the node.
    pub(super) fn release(&mut self, index: u32) -> Option<T> {
        let node = &mut self.nodes[index as usize];
        let value = node.value.take();
        debug_assert!(value.is_some(), "a node was released twice");
        // A node out of generations is given up, because no name may come back.
        if let Some(generation) = node.generation.checked_add(1) {
            node.generation = generation;
            node.next = std::mem::replace(&mut self.free, index);
        }
        self.armed -= 1;
        value
    }

    /// The value of the timer named `id`, if it is still armed.
    pub(super) fn value_mut(&mut self, id: TimerId) -> Option<&mut T> {
        let node = self.nodes.get_mut(id.index as usize)?;
        if node.generation != id.generation {
            return None;
        }
        node.value.as_mut()
    }

    /// The index and tick of the timer named `id`, if it is still armed.
    pub(super) fn find(&self, id: TimerId) -> Option<(u32, Tick)> {
        let node = self.nodes.get(id.index as usize)?;
        let armed = node.generation == id.generation && node.value.is_some();
        armed.then_some((id.index, node.tick))
    }

    /// The timers of a list, in their order: the name of each, its tick and its value.
    #[cfg(any(test, feature = "microscope"))]
    pub(super) fn of(&self, list: &List) -> impl Iterator<Item = (String, Tick, &T)> {
        let mut next = list.head;
        std::iter::from_fn(move || {
            let index = next;
            let node = self.nodes.get(index as usize)?;
            next = node.next;
            let name = match node.generation.get() {
                1 => format!("t{index}"),
                generation => format!("t{index}.{generation}"),
            };
            Some((name, node.tick, node.value.as_ref()?))
        })
    }

    /// The tick of the timer in a node.
    pub(super) fn tick(&self, index: u32) -> Tick {
        self.nodes[index as usize].tick
    }

    /// Adds a node to the end of `list`.
    pub(super) fn push_back(&mut self, list: &mut List, index: u32) {
        let tail = list.tail;
        let node = self.node(index);
        node.prev = tail;
        node.next = NIL;
        list.tail = index;
        if tail == NIL {
            list.head = index;
        } else {
            self.node(tail).next = index;
        }
    }

    /// Removes the first node of `list`.
    pub(super) fn pop_front(&mut self, list: &mut List) -> Option<u32> {
        if list.is_empty() {
            return None;
        }
        let index = list.head;
        self.unlink(list, index);
        Some(index)
    }

    /// Removes a node from anywhere in `list`, which must be the one it is on.
    pub(super) fn unlink(&mut self, list: &mut List, index: u32) {
        let node = self.node(index);
        let (prev, next) = (node.prev, node.next);
        if prev == NIL {
            debug_assert_eq!(list.head, index, "a node is on another list");
            list.head = next;
        } else {
            self.node(prev).next = next;
        }
        if next == NIL {
            debug_assert_eq!(list.tail, index, "a node is on another list");
            list.tail = prev;
        } else {
            self.node(next).prev = prev;
        }
    }

    /// The node at an index that came from a list or a found timer.
    fn node(&mut self, index: u32) -> &mut Node<T> {
        &mut self.nodes[index as usize]
    }
}

impl TimerId {
    /// The index of its node.
    pub(super) fn index(self) -> u32 {
        self.index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(nodes: &mut Nodes<u32>, list: &mut List, value: u32) -> TimerId {
        let id = nodes.claim(Tick(0), value);
        nodes.push_back(list, id.index);
        id
    }

    fn drain(nodes: &mut Nodes<u32>, list: &mut List) -> Vec<u32> {
        let mut values = Vec::new();
        while let Some(index) = nodes.pop_front(list) {
            values.extend(nodes.release(index));
        }
        values
    }

    #[test]
    fn a_node_is_small() {
        assert_eq!(size_of::<Node<Box<u8>>>(), 32);
        assert_eq!(size_of::<Node<u32>>(), 32);
        assert_eq!(size_of::<Node<u64>>(), 40);
        assert_eq!(size_of::<Option<TimerId>>(), 8);
    }

    #[test]
    fn a_list_keeps_its_order_when_nodes_leave_from_anywhere() {
        for gone in [vec![0], vec![2], vec![4], vec![1, 2, 3], vec![0, 4, 2]] {
            let (mut nodes, mut list) = (Nodes::new(), List::EMPTY);
            let ids: Vec<TimerId> = (0..5).map(|v| claim(&mut nodes, &mut list, v)).collect();
            for &value in &gone {
                let index = ids[value as usize].index;
                nodes.unlink(&mut list, index);
                assert_eq!(nodes.release(index), Some(value));
            }
            let rest: Vec<u32> = (0..5).filter(|v| !gone.contains(v)).collect();
            assert_eq!(drain(&mut nodes, &mut list), rest);
            assert!(list.is_empty());
            assert_eq!(nodes.armed(), 0);
        }
    }

    #[test]
    fn the_node_freed_last_is_reused_first_under_a_new_name() {
        let mut nodes = Nodes::new();
        let ids: Vec<TimerId> = (0..3).map(|v| nodes.claim(Tick(0), v)).collect();
        nodes.release(ids[0].index);
        nodes.release(ids[2].index);
        let again = nodes.claim(Tick(0), 7);
        assert_eq!(again.index, ids[2].index);
        assert_ne!(again, ids[2]);
        assert_eq!(nodes.value_mut(ids[2]), None);
        assert_eq!(nodes.find(ids[0]), None);
        assert_eq!(nodes.value_mut(again), Some(&mut 7));
        assert_eq!(nodes.nodes.len(), 3);
    }

    #[test]
    fn a_node_out_of_generations_is_given_up() {
        let mut nodes = Nodes::new();
        let first = nodes.claim(Tick(0), 1);
        nodes.nodes[0].generation = NonZeroU32::MAX;
        let last = TimerId {
            generation: NonZeroU32::MAX,
            ..first
        };
        assert_eq!(nodes.value_mut(last), Some(&mut 1));
        assert_eq!(nodes.release(last.index), Some(1));
        assert_eq!(nodes.value_mut(last), None);
        assert_eq!(nodes.find(last), None);
        assert_eq!(nodes.claim(Tick(0), 2).index, 1);
    }
}
