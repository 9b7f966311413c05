//! What the event queue of a cluster holds, and what comes of it.

use crate::sim::address::Address;
use crate::sim::fault::Fault;
use crate::time::Instant;

/// A message under way.
pub(super) struct Packet {
    pub(super) id: u64,
    pub(super) src: Address,
    pub(super) dest: Address,
    /// Without its newline.
    pub(super) line: Vec<u8>,
}

pub(super) enum Event {
    Arrival(Packet),
    /// A node's timers may be due. Stale if it waits for another time by now.
    Wake(usize, Instant),
    /// The first `init` of a node is sent.
    Boot(usize),
    /// The `init` that this client sent to this node must be answered by now.
    InitDeadline {
        node: usize,
        client: usize,
    },
    /// A fault of the schedule; partitions by their number in it.
    Fault(Fault),
    /// A scheduled partition ends.
    Mend(usize),
    Partition(usize),
    /// The nemesis has its turn.
    Nemesis,
    /// Something that whoever drives the clients asked for.
    Alarm(u64),
}

/// What one step of a cluster means to whoever drives its clients.
pub(in crate::sim) enum Happening {
    /// Nothing that clients see.
    Inside,
    /// A message for a client.
    Received { client: usize, line: Vec<u8> },
    /// An alarm went off.
    Alarm(u64),
}
