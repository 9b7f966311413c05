//! The memory that the nodes make a run hold, and its bound.
//!
//! Counted are the operations with the texts of their requests and replies, the values of the
//! services, the messages on their way and those that wait for a node's stdin. Not counted is
//! what has a small bound of its own: see `notes`, and the longest line of a node.

use crate::workload::{Operation, Outcome};
use std::fmt;

/// The most that a run holds: 256 MiB. A minute of 1,000 operations a second with short replies
/// takes a tenth of it. A bench keeps no operations, and has this bound for the values of its
/// services. Checks and files take about as much again, which a usual machine has.
pub(crate) const HELD_BYTES_MAX: usize = 256 << 20;

/// The memory of an operation beside its texts: its client, and its places in lists.
const OPERATION_BYTES: usize = size_of::<Operation>() + 128;

/// The end of a run that holds too much.
///
/// | it holds | the load | |
/// |---|---|---|
/// | at most three quarters of the bound | | it goes on |
/// | more, up to the bound | lasts | the load ends, so that the final operations have room |
/// | more, up to the bound | is over | it goes on |
/// | more than the bound | | it is broken off |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    GoesOn,
    LoadEnds,
    BreaksOff,
}

impl Next {
    pub(super) fn of(held: usize, max: usize, is_load_over: bool) -> Next {
        if held > max {
            Next::BreaksOff
        } else if held > max / 4 * 3 && !is_load_over {
            Next::LoadEnds
        } else {
            Next::GoesOn
        }
    }
}

/// The memory that one node makes a run hold.
#[derive(Default, Clone)]
struct Share {
    operations: usize,
    values: usize,
}

/// The shares of all nodes, and the bound.
pub(super) struct Held {
    pub(super) max: usize,
    shares: Vec<Share>,
    operations: usize,
}

impl Held {
    pub(super) fn new(nodes: usize) -> Held {
        Held {
            max: HELD_BYTES_MAX,
            shares: vec![Share::default(); nodes],
            operations: 0,
        }
    }

    /// Counts an operation that has ended.
    pub(super) fn add_operation(&mut self, operation: &Operation) {
        let reply = match &operation.outcome {
            Outcome::Ok(body) => body.len(),
            Outcome::Fail(error) | Outcome::Info(error) => error.text.len(),
        };
        let bytes = OPERATION_BYTES + operation.request.fields.get().len() + reply;
        self.shares[operation.node].operations += bytes;
        self.operations += bytes;
    }

    /// Counts a change of the services' values that a node's request has made.
    pub(super) fn change_values(&mut self, node: usize, before: usize, after: usize) {
        let values = &mut self.shares[node].values;
        *values = (*values + after).saturating_sub(before);
    }
}

/// The memory of a run at one moment, in bytes.
pub(super) struct Sum {
    pub(super) values: usize,
    /// Messages that wait for nodes or are on their way.
    pub(super) waiting: usize,
}

impl Held {
    /// All that the run holds.
    pub(super) fn all(&self, sum: &Sum) -> usize {
        self.operations + sum.values + sum.waiting
    }

    /// The part of a node, for which so many bytes wait.
    pub(super) fn part(&self, node: usize, waiting: usize) -> usize {
        let share = &self.shares[node];
        share.operations + share.values + waiting
    }

    /// Why the load or the run ends. `largest` is the node with the largest part.
    pub(super) fn why(&self, next: Next, sum: &Sum, largest: (&str, usize)) -> String {
        let end = match next {
            Next::BreaksOff => "the run was broken off",
            Next::LoadEnds | Next::GoesOn => "the load ended early",
        };
        format!(
            "{end}, because the run holds {} of at most {}: {} of operations and their replies, {} \
             of values in services, {} of messages that wait; {} has the largest part, {}. Use a \
             lower --rate, a shorter --time-limit or shorter messages",
            MiB(self.all(sum)),
            MiB(self.max),
            MiB(self.operations),
            MiB(sum.values),
            MiB(sum.waiting),
            largest.0,
            MiB(largest.1),
        )
    }
}

/// Bytes for people.
pub(crate) struct MiB(pub(crate) usize);

impl fmt::Display for MiB {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 >> 20 {
            0 => write!(f, "{} KiB", self.0 >> 10),
            whole => write!(f, "{whole} MiB"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Next;

    #[test]
    fn the_load_ends_at_three_quarters_and_the_run_at_the_bound() {
        let rows = [
            (300, false, Next::GoesOn),
            (301, false, Next::LoadEnds),
            (400, false, Next::LoadEnds),
            (301, true, Next::GoesOn),
            (400, true, Next::GoesOn),
            (401, false, Next::BreaksOff),
            (401, true, Next::BreaksOff),
        ];
        for (held, is_load_over, expected) in rows {
            assert_eq!(Next::of(held, 400, is_load_over), expected, "{held}");
        }
    }
}
