//! The problems of a run for people: those of one node and one kind are told once, with a count.

use super::record::Problem;
use std::fmt::Write as _;

/// Problems of one node and one kind.
#[derive(Debug)]
pub(super) struct Complaint<'a> {
    pub(super) first: &'a Problem,
    /// How many there are, with the first one.
    pub(super) count: usize,
}

impl<'a> Complaint<'a> {
    /// The problems, folded, in the order of their first ones.
    pub(super) fn all(problems: &'a [Problem]) -> Vec<Complaint<'a>> {
        let mut all: Vec<Complaint<'a>> = Vec::new();
        let mut place_of = std::collections::HashMap::new();
        for first in problems {
            let place = *place_of
                .entry((&*first.node, kind(first)))
                .or_insert(all.len());
            match all.get_mut(place) {
                Some(complaint) => complaint.count += 1,
                None => all.push(Complaint { first, count: 1 }),
            }
        }
        all
    }

    /// In one line, with the last words of a node that has ended and the wrong line below it.
    pub(super) fn told(&self) -> String {
        let Problem { at, node, why, .. } = self.first;
        let at = at.as_secs_f64();
        let place = match self.first.line_number {
            Some(number) => format!("line {number} of {node}"),
            None => node.to_string(),
        };
        let more = match self.count {
            0 | 1 => String::new(),
            count => format!(", and {} more like it", count - 1),
        };
        let mut text = format!("{at:.3} s  {place}{more}: {why}");
        if !self.first.line.is_empty() {
            let _never_fails = write!(text, "\n    {}", raw(&self.first.line));
        }
        text
    }
}

/// The rule without its numbers, which tell columns and bytes, and without a node's last words.
fn kind(problem: &Problem) -> String {
    let rule = problem.why.lines().next().unwrap_or_default();
    rule.replace(|c: char| c.is_ascii_digit(), "")
}

/// A line as the node wrote it. Control characters are escaped, because a terminal obeys them.
pub(super) fn raw(line: &str) -> String {
    let mut raw = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\t' => raw.push(c),
            c if c.is_control() => raw.extend(c.escape_default()),
            c => raw.push(c),
        }
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::{Complaint, Problem, raw};
    use std::time::Duration;

    fn problem(node: &str, line_number: u64, why: &str) -> Problem {
        Problem {
            at: Duration::from_secs(line_number),
            node: node.into(),
            line_number: Some(line_number),
            line: r#"{"a":"b\c"}"#.to_owned(),
            why: why.to_owned(),
        }
    }

    #[test]
    fn equal_complaints_are_one_with_a_count() {
        let problems = [
            problem("n0", 1, "no JSON at column 3"),
            problem("n1", 1, "no JSON at column 3"),
            problem("n0", 2, "no JSON at column 17"),
            problem("n0", 3, "`dest` is missing"),
        ];
        let told: Vec<String> = Complaint::all(&problems)
            .iter()
            .map(Complaint::told)
            .collect();
        let begins = [
            "1.000 s  line 1 of n0, and 1 more like it: no JSON at column 3\n    {\"a\":\"b\\c\"}",
            "1.000 s  line 1 of n1: no JSON at column 3\n",
            "3.000 s  line 3 of n0: `dest` is missing\n",
        ];
        assert_eq!(told.len(), begins.len());
        for (told, begin) in told.iter().zip(begins) {
            assert!(told.starts_with(begin), "{told}");
        }
    }

    #[test]
    fn a_line_is_raw_but_for_its_control_characters() {
        assert_eq!(raw("\"ü\"\t\\ \u{1b}[1m\0"), "\"ü\"\t\\ \\u{1b}[1m\\u{0}");
    }
}
