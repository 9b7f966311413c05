//! The end of a load or a run that holds too much.

use super::Processes;
use super::held::{Next, Sum};

impl Processes {
    /// Ends the load, or the run, if it holds too much.
    pub(super) fn look_at_memory(&mut self) {
        let nodes = 0..self.servers.len();
        let sum = Sum {
            values: self.services.held_bytes(),
            waiting: nodes.clone().map(|node| self.waiting(node)).sum::<usize>()
                + self.in_flight_bytes,
        };
        let next = Next::of(self.held.all(&sum), self.held.max, self.is_load_over);
        if next == Next::GoesOn || self.is_full && next == Next::LoadEnds || self.is_broken {
            return;
        }
        let parts = nodes.map(|node| (self.held.part(node, self.waiting(node)), node));
        let (part, node) = parts.max().unwrap_or_default();
        let why = self.held.why(next, &sum, (&self.names[node], part));
        self.notes.doubts.push(why.clone());
        if next == Next::BreaksOff {
            return self.break_off(format_args!("{why}"));
        }
        self.is_full = true;
        self.progress.say(&why);
        let at = self.since_start();
        self.notes.tester_problem(at, why);
    }

    /// The bytes that wait for a node.
    fn waiting(&self, node: usize) -> usize {
        let process = self.servers[node].process.as_ref();
        process.map_or(0, |process| process.input.len())
    }
}
