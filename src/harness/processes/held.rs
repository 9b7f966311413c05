//! What the nodes make a run hold in memory, and its bound.
//!
//! Counted are the operations with the texts of their requests and replies, the values of the
//! services, the messages on their way and those that wait for a node's stdin, and lines that
//! have no end yet. Not counted is what has a small bound of its own: see `notes`.

use super::Processes;
use crate::wire::LineBuffer;
use crate::workload::{Operation, Outcome};
use std::fmt;

/// The most that a run holds: 256 MiB. A minute of 1,000 operations a second with short replies
/// takes a tenth of it. Checks and files take about as much again, which a usual machine has.
pub(super) const HELD_BYTES_MAX: usize = 256 << 20;

/// The memory of an operation beside its texts: its client, and its places in lists.
const OPERATION_BYTES: usize = size_of::<Operation>() + 128;

/// What happens to a run that holds so much.
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

/// What one node makes a run hold.
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

/// Bytes for people.
struct MiB(usize);

impl fmt::Display for MiB {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 >> 20 {
            0 => write!(f, "{} KiB", self.0 >> 10),
            whole => write!(f, "{whole} MiB"),
        }
    }
}

impl Processes {
    /// Ends the load, or the run, if it holds too much.
    pub(super) fn look_at_memory(&mut self) {
        let waiting: usize = (0..self.servers.len()).map(|node| self.waiting(node)).sum();
        let (operations, values) = (self.held.operations, self.services.held_bytes());
        let held = operations + values + waiting + self.in_flight_bytes;
        let next = Next::of(held, self.held.max, self.is_load_over);
        if next == Next::GoesOn || self.is_full && next == Next::LoadEnds || self.is_broken {
            return;
        }
        let share = |node: usize| {
            let share = &self.held.shares[node];
            share.operations + share.values + self.waiting(node)
        };
        let largest = (0..self.servers.len()).max_by_key(|node| share(*node));
        let largest = largest.map_or_else(String::new, |node| {
            format!(
                "; {} has the largest part, {}",
                self.names[node],
                MiB(share(node))
            )
        });
        let end = match next {
            Next::BreaksOff => "the run was broken off",
            _ => "the load ended early",
        };
        let why = format!(
            "{end}, because the run holds {} of at most {}: {} of operations and their replies, {} \
             of values in services, {} of messages that wait{largest}. Use a lower --rate, a \
             shorter --time-limit or shorter messages",
            MiB(held),
            MiB(self.held.max),
            MiB(operations),
            MiB(values),
            MiB(waiting + self.in_flight_bytes),
        );
        self.notes.doubts.push(why.clone());
        if next == Next::BreaksOff {
            return self.break_off(format_args!("{why}"));
        }
        self.is_full = true;
        self.progress.say(&why);
        let at = self.since_start();
        self.notes.tester_problem(at, why);
    }

    /// The bytes that wait for a node, and those of its line that has no end yet.
    fn waiting(&self, node: usize) -> usize {
        let process = self.servers[node].process.as_ref();
        process.map_or(0, |process| {
            let line = process.output.as_ref().map_or(0, LineBuffer::len);
            process.input.len() + line
        })
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
