//! The parts of a cluster: messages on their way, the events of its queue, nodes and
//! clients.

use crate::session::Session;
use crate::sim::address::Address;
use crate::sim::queue::Queue;
use crate::time::Instant;
use crate::workload::faults::Moment;
use serde_json::Value;

/// A message on its way.
pub(super) struct Packet {
    pub(super) id: u64,
    pub(super) src: Address,
    pub(super) dest: Address,
    /// Without its newline.
    pub(super) line: Vec<u8>,
}

/// An event of the queue.
pub(super) enum Due {
    Arrival(Packet),
    /// A node's timers may be due. Stale if the node waits for another time by now.
    Wake(usize, Instant),
    /// The first `init` of a node is sent.
    Boot(usize),
    /// The `init` that this client sent to this node must be answered by now.
    InitDeadline {
        node: usize,
        client: usize,
    },
    /// A moment of the fault schedule.
    Moment(Moment),
    /// An alarm of the driver.
    Alarm(u64),
}

/// One simulated node.
pub(super) struct Server {
    pub(super) life: Life,
    /// The time at which the session is woken next.
    pub(super) wake_at: Option<Instant>,
    /// The client whose `init` it has not answered yet.
    pub(super) init_from: Option<usize>,
    /// Whether it has answered an `init` in this life.
    pub(super) ready: bool,
    /// When this life began, which is the origin of the session's clock.
    pub(super) born: Instant,
    /// Messages with a lower number were sent to an earlier life, and are lost.
    pub(super) first_message: u64,
}

/// ```text
///              boot                 pause
///   unborn ───────────> running ─────────────> paused
///      │                 ^ ^ ^                   │
///      │ pause    resume │ │ └────── resume ─────┘
///      └──────> held ────┘ │
///                          │ restart    crash
///                         down <─────────────── any
/// ```
///
/// Boot, restart and the resume of a held node make a new session. A restart also starts a
/// node that is unborn or held, which is then not booted again.
pub(super) enum Life {
    /// Its time to boot has not come yet.
    Unborn,
    /// It was paused before it ever ran.
    Held,
    Running(Box<Session>),
    /// With the messages that have arrived since.
    Paused(Box<Session>, Vec<Packet>),
    Down,
}

impl Server {
    pub(super) fn new(life: Life) -> Server {
        Server {
            life,
            wake_at: None,
            init_from: None,
            ready: false,
            born: Instant::ZERO,
            first_message: 0,
        }
    }

    /// A point of the cluster's time, by the clock of the session.
    pub(super) fn own_time(&self, at: Instant) -> Instant {
        Instant::ZERO + at.since(self.born)
    }

    /// A point of the session's time, by the clock of the cluster.
    pub(super) fn cluster_time(&self, at: Instant) -> Instant {
        self.born + at.since(Instant::ZERO)
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.life, Life::Running(_))
    }

    /// Whether it has no session.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.life, Life::Unborn | Life::Held | Life::Down)
    }
}

/// A receiver that takes one message at a time, as Maelstrom's threads do.
pub(super) struct Receiver {
    /// The messages for it, by the time at which they are due.
    pub(super) waiting: Queue<Packet>,
    /// Whether it has taken one that is not due yet.
    pub(super) is_busy: bool,
}

/// A client, as the network sees it.
pub(super) struct Mailbox {
    pub(super) is_open: bool,
    /// It brings an `init`. No network loses that: without one there is no node.
    pub(super) brings_init: bool,
    /// Messages that were not taken yet. Only clients that are driven by hand have any.
    pub(super) inbox: Vec<Value>,
}
