//! The testbed: nodes, a network and clients, on virtual or real time.
//!
//! The [driver](super::driver) runs a workload on anything that implements [`Testbed`].
//! Two facts shape the trait:
//!
//! - **The testbed owns the time.** The driver asks for [alarms](Testbed::set_alarm) and
//!   lets one thing happen after another with [`advance`](Testbed::advance). On virtual
//!   time that jumps to the next event; on real time it waits for it.
//! - **The testbed plays its own faults**, from a [`Schedule`](super::faults::Schedule).
//!   A cluster that is driven by hand has faults too, and no driver. The driver only
//!   ends them.
//!
//! Nodes and clients are numbers here. Times are durations since the start of the run.

use super::history::{Operation, Request};
use super::statistics::Statistics;
use crate::protocol::Error;
use std::rc::Rc;
use std::time::Duration;

/// One happening that the driver may have to react to.
pub(crate) enum Happening {
    /// Something between nodes and services.
    Inside,
    /// A message for a client arrived.
    Received { client: usize, line: Vec<u8> },
    /// A client's request of that number gets no reply any more, as the network has told.
    Undone {
        client: usize,
        msg_id: u64,
        error: Error,
    },
    /// An alarm went off.
    Alarm(u64),
}

/// Nodes that can be put under a workload.
pub(crate) trait Testbed {
    /// The nodes' names, in order.
    fn nodes(&self) -> Vec<String>;

    /// Lets the nodes start, and answer their `init` within the time they have for it.
    fn boot(&mut self);

    /// Whether a node is neither paused nor down.
    fn is_running(&self, node: usize) -> bool;

    /// Whether a rule was broken that ends the run.
    fn is_broken(&self) -> bool;

    /// Whether a person asked for the end of the load.
    fn is_interrupted(&self) -> bool {
        false
    }

    /// Takes note of an operation that has ended.
    fn note(&mut self, operation: &Operation) {
        let _ = operation;
    }

    /// The time now.
    fn now(&self) -> Duration;

    /// Lets the next thing happen, and returns it. `None` if nothing happens until
    /// `until`, which is then the time.
    fn advance(&mut self, until: Duration) -> Option<Happening>;

    /// Makes `advance` return this alarm at that time, after everything else that
    /// happens at that time: a reply beats its own timeout.
    fn set_alarm(&mut self, at: Duration, alarm: u64);

    /// Opens a new client.
    fn open_client(&mut self) -> usize;

    /// A client's name.
    fn client_name(&self, client: usize) -> Rc<str>;

    /// Closes a client: messages to it are dropped from now on.
    fn close_client(&mut self, client: usize);

    /// Sends a client's request to a node.
    fn request(&mut self, client: usize, node: usize, request: &Request, msg_id: u64);

    /// Takes back the memory of a line that was [received](Happening::Received).
    fn recycle_line(&mut self, line: Vec<u8>);

    /// Records that a node broke a rule; `line` is empty if no line did.
    fn blame(&mut self, node: usize, why: String, line: &str);

    /// Lets faults begin: the setup is done. Those of a simulation are in its schedule from
    /// the start.
    fn begin_faults(&mut self) {}

    /// Ends all faults, for good.
    fn end_faults(&mut self);

    /// Ends all nodes. Nothing happens after it.
    fn end(&mut self) {}

    /// The counts of messages so far.
    fn statistics(&self) -> Statistics;
}
