//! The record of a run: everything that its files and pages are made of.
//!
//! Nothing in it depends on how the nodes ran. A simulated run can be put into a record too,
//! and the tests of the pages do so.

use crate::workload::faults::FaultSpan;
use crate::workload::{Anomalies, ConsistencyModel, History, Statistics};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// Everything about a run, for the files and pages that it leaves.
///
/// ```
/// use eddyline::harness::{MessageFate, Record};
///
/// fn lost(record: &Record) -> usize {
///     let messages = record.messages.iter();
///     messages.filter(|message| message.fate == MessageFate::Lost).count()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Record {
    /// The name of the workload.
    pub workload: &'static str,
    /// The words of the command line, beginning with the program.
    pub command_line: Vec<String>,
    /// The seed of load, latencies, losses and faults.
    pub seed: u64,
    /// Wall-clock time of the start, since the Unix epoch.
    pub started: Duration,
    /// How long the run took.
    pub elapsed: Duration,
    /// The names of the nodes, in order.
    pub nodes: Vec<String>,
    /// All operations of clients. Their times are since the start.
    pub history: History,
    /// The faults that struck, in the order in which they struck.
    pub faults: Vec<FaultSpan>,
    /// The kinds of faults that were asked for and never came.
    pub never_struck: Vec<String>,
    /// The messages that were kept, in the order in which they were sent.
    pub messages: Vec<Message>,
    /// How many messages came after the last one that was kept.
    pub messages_dropped: u64,
    /// The lines that nodes wrote to stderr, in order.
    pub logs: Vec<LogLine>,
    /// Broken rules, bad lines and crashes, in order.
    pub problems: Vec<Problem>,
    /// How many messages went where.
    pub statistics: Statistics,
    /// Whether the nodes spoke by NATS. The messages between them did not pass the tester then,
    /// and no count has them.
    pub is_on_nats: bool,
    /// Messages among nodes and services during the load.
    pub server_messages: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// The checker's findings.
    pub anomalies: Anomalies,
    /// Why the verdict is unknown, or would be if the run were not invalid: a sentence each.
    pub doubts: Vec<String>,
    /// The model that transactions were checked for.
    pub model: ConsistencyModel,
    /// The part of the operations that had to be done, from 0 to 1; `None` for any.
    pub availability: Option<f64>,
    /// The measurements of the checker, as a JSON object; null if there are none.
    pub summary: serde_json::Value,
}

impl Record {
    /// The name of the node of that index.
    pub(crate) fn node_name(&self, node: usize) -> String {
        let name = self.nodes.get(node).cloned();
        name.unwrap_or_else(|| format!("n{node}"))
    }

    /// The cut of a partition in words; empty if the fault is none.
    pub(crate) fn cut(&self, span: &FaultSpan) -> String {
        cut(&span.links, &self.nodes)
    }

    /// A fault in words, without its time: `partition, n0 against n1, n2`.
    pub(crate) fn fault(&self, span: &FaultSpan) -> String {
        let cut = self.cut(span);
        if !cut.is_empty() {
            return format!("{}, {cut}", span.kind);
        }
        let detail = match span.detail.as_str() {
            "" => String::new(),
            detail => format!(" ({detail})"),
        };
        format!(
            "{} of {}{detail}",
            span.kind,
            listed(&span.nodes, &self.nodes)
        )
    }
}

/// The nodes of these indices, by name.
fn listed(nodes: &[usize], names: &[String]) -> String {
    let name = |node: &usize| {
        names
            .get(*node)
            .cloned()
            .unwrap_or_else(|| format!("n{node}"))
    };
    nodes.iter().map(name).collect::<Vec<String>>().join(", ")
}

/// Cut links in words.
///
/// | links that are cut | words |
/// |---|---|
/// | none | |
/// | all between groups of nodes, in both directions | `n0 against n1, n2` |
/// | others | `n0 does not hear n1, n2; n1 does not hear n0` |
fn cut(links: &[(usize, usize)], names: &[String]) -> String {
    if links.is_empty() {
        return String::new();
    }
    let nodes = names.len();
    let is_cut = |from: usize, to: usize| links.contains(&(from, to));
    // Nodes that reach each other over links that work in both directions are a group.
    let mut group: Vec<usize> = (0..nodes).collect();
    for (node, other) in (0..nodes).flat_map(|node| (0..node).map(move |other| (node, other))) {
        if !is_cut(node, other) && !is_cut(other, node) {
            let (old, new) = (group[node], group[other]);
            let of_old = group.iter_mut().filter(|it| **it == old);
            of_old.for_each(|it| *it = new);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (node, group) in group.iter().enumerate() {
        groups.entry(*group).or_default().push(node);
    }
    let others = |group: &Vec<usize>| group.len() * (nodes - group.len());
    if links.len() == groups.values().map(others).sum::<usize>() {
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        groups.sort_by_key(Vec::len);
        let groups: Vec<String> = groups.iter().map(|it| listed(it, names)).collect();
        return groups.join(" against ");
    }
    let mut unheard: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, to) in links {
        unheard.entry(*to).or_default().push(*from);
    }
    // Nodes that do not hear the same others are named together.
    let mut deaf: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (to, mut from) in unheard {
        from.sort_unstable();
        deaf.entry(from).or_default().push(to);
    }
    let deaf = deaf.into_iter().map(|(from, to)| {
        let verb = if to.len() == 1 { "does" } else { "do" };
        format!(
            "{} {verb} not hear {}",
            listed(&to, names),
            listed(&from, names)
        )
    });
    deaf.collect::<Vec<String>>().join("; ")
}

/// A message that a node, a service or a client sent.
///
/// ```
/// use eddyline::harness::Message;
///
/// fn tell(message: &Message) -> String {
///     let Message { id, src, dest, .. } = message;
///     format!("message {id} went from {src} to {dest}")
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Message {
    /// Its number. No two messages of a run have the same.
    pub id: u64,
    /// When it was sent, since the start of the run.
    pub sent: Duration,
    /// When it arrived; `None` if it did not.
    pub received: Option<Duration>,
    /// The sender.
    pub src: Rc<str>,
    /// The receiver.
    pub dest: Rc<str>,
    /// The body, a JSON object.
    pub body: Box<str>,
    /// The end of its way.
    pub fate: MessageFate,
}

/// The end of a message's way.
///
/// ```
/// use eddyline::harness::MessageFate;
///
/// assert_eq!(MessageFate::Cut.to_string(), "cut off by a partition");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFate {
    /// It arrived.
    Delivered,
    /// The network lost it: by chance, or because the NATS server was down.
    Lost,
    /// A partition cut it off.
    Cut,
    /// Its receiver was down.
    ToTheDead,
    /// The run ended before it arrived.
    OnItsWay,
}

impl fmt::Display for MessageFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MessageFate::Delivered => "delivered",
            MessageFate::Lost => "lost by the network",
            MessageFate::Cut => "cut off by a partition",
            MessageFate::ToTheDead => "its receiver was down",
            MessageFate::OnItsWay => "on its way at the end",
        })
    }
}

/// A line that a node wrote to stderr.
///
/// ```
/// # use eddyline::harness::LogLine;
/// fn tell(line: &LogLine) -> String {
///     format!("{:?} {}: {}", line.at, line.node, line.text)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct LogLine {
    /// When it came, since the start of the run.
    pub at: Duration,
    /// The node.
    pub node: Rc<str>,
    /// The line, without its newline.
    pub text: String,
}

/// A rule that a node broke, a line that is no message, or the end of a node.
///
/// ```
/// # use eddyline::harness::Problem;
/// fn tell(problem: &Problem) -> String {
///     match problem.line_number {
///         Some(number) => format!("line {number} of {}: {}", problem.node, problem.why),
///         None => format!("{}: {}", problem.node, problem.why),
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Problem {
    /// When, since the start of the run.
    pub at: Duration,
    /// The node.
    pub node: Rc<str>,
    /// The number of the line on its stdout, from 1; `None` if no line is wrong.
    pub line_number: Option<u64>,
    /// The line, or its beginning; empty if no line is wrong.
    pub line: String,
    /// The rule, in a sentence.
    pub why: String,
}

/// The verdict about a run.
///
/// ```
/// use eddyline::harness::Verdict;
///
/// // Of several verdicts the greatest counts.
/// assert_eq!(Verdict::Unknown.max(Verdict::Invalid), Verdict::Invalid);
/// assert_eq!(Verdict::Invalid.exit_status(), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// No rule was broken.
    Valid,
    /// Too little happened to tell, or the search for an order was given up.
    Unknown,
    /// A rule was broken.
    Invalid,
}

impl Verdict {
    /// The exit status of `eddyline test` and `eddyline check`: 0, 2 or 1.
    pub fn exit_status(self) -> u8 {
        match self {
            Verdict::Valid => 0,
            Verdict::Unknown => 2,
            Verdict::Invalid => 1,
        }
    }

    /// The last line that a run prints. Scripts look for it.
    pub fn closing_line(self) -> &'static str {
        match self {
            Verdict::Valid => "Everything looks good! ヽ(‘ー`)ノ",
            Verdict::Unknown => "Errors occurred during analysis, but no anomalies found. ಠ~ಠ",
            Verdict::Invalid => "Analysis invalid! (ﾉಥ益ಥ）ﾉ ┻━┻",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_cut_is_told_by_its_sides_or_by_each_deaf_node() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let cases: [(&[(usize, usize)], &str); 5] = [
            (&[], ""),
            (&[(0, 1), (1, 0), (1, 2), (2, 1)], "b against a, c"),
            (
                &[(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)],
                "a against b against c",
            ),
            (&[(0, 1), (0, 2)], "b, c do not hear a"),
            // c reaches both, so there are no sides.
            (&[(0, 1), (1, 0)], "b does not hear a; a does not hear b"),
        ];
        for (links, words) in cases {
            assert_eq!(cut(links, &names), words, "{links:?}");
        }
    }
}
