//! The blame for a node: its wrong lines, its wrong replies, its end; and its lines for people.

use super::Processes;
use super::notes::{LAST_WORDS_MAX, told};
use crate::harness::record::Problem;

/// How much of a wrong line is shown.
const EXCERPT_BYTES: usize = 300;

/// The beginning of a line, as text.
fn excerpt(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(EXCERPT_BYTES)]).into_owned();
    if line.len() > EXCERPT_BYTES {
        return text + " …";
    }
    text
}

impl Processes {
    pub(super) fn take_log(&mut self, node: usize, line: &[u8]) {
        let text = String::from_utf8_lossy(line).into_owned();
        let name = &self.names[node];
        if self.plan.log_stderr {
            self.progress.say(&format!("{name}: {text}"));
        }
        let at = self.since_start();
        self.notes.log(at, name, text);
    }

    /// A node did something wrong that is no line.
    pub(super) fn blame_node(&mut self, node: usize, why: String) {
        self.add_problem(node, None, "", why);
    }

    /// The last line that was read from a node's stdout is wrong.
    pub(super) fn blame_line(&mut self, node: usize, line: &[u8], why: String) {
        let number = self.servers[node].lines;
        self.add_problem(node, Some(number), &excerpt(line), why);
    }

    /// The body of a reply is wrong. It arrived in the line that was read last.
    pub(super) fn blame_reply(&mut self, node: usize, why: String, body: &str) {
        self.add_problem(node, None, &excerpt(body.as_bytes()), why);
    }

    fn add_problem(&mut self, node: usize, line_number: Option<u64>, line: &str, why: String) {
        let problem = Problem {
            at: self.since_start(),
            node: self.names[node].clone(),
            line_number,
            line: line.to_owned(),
            why,
        };
        // The first ones are told at once. Later ones wait for the end.
        if self.notes.problems.len() < LAST_WORDS_MAX {
            let text = told(&problem);
            self.progress.say(&text);
        }
        self.notes.problem(problem);
    }
}
