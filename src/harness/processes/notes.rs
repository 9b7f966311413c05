//! Everything that is kept of a run while it runs, each kind with its bound.

use crate::harness::record::{LogLine, Message, MessageFate, Problem};
use crate::protocol::beginning;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// How many messages are kept, and how many bytes of their bodies: the first ones. Beyond that
/// they are only counted. Together with their other fields they take less than 100 MiB.
const MESSAGES_MAX: usize = 250_000;
const MESSAGE_BYTES_MAX: usize = 48 << 20;

/// How many lines of stderr are kept, and how many bytes of them. Each node has an equal share,
/// of which its first lines are kept, so that one that floods takes nothing from the others.
/// The last words of a node are kept beside them.
const LOGS_MAX: usize = 100_000;
const LOG_BYTES_MAX: usize = 16 << 20;

/// How many last lines of each node are told when it ends by itself.
pub(super) const LAST_WORDS_MAX: usize = 5;

/// How much of a last line is told: 4 KiB.
const LAST_WORD_BYTES_MAX: usize = 4 << 10;

/// How much of a problem's text is kept: 32 KiB, with room for all last words. It can quote a
/// name of 16 MiB.
const WHY_BYTES_MAX: usize = 32 << 10;

/// How many problems are kept. A node that is wrong in every line must not fill the memory.
const PROBLEMS_MAX: usize = 1_000;

/// The name that stands for this program in a list of nodes.
const TESTER: &str = "the tester";

/// A text, or its beginning if it is long.
fn shortened(text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text;
    }
    format!("{} …", beginning(&text, bytes_max))
}

/// The parts of a run that are kept while it runs.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) messages: Vec<Message>,
    pub(crate) messages_dropped: u64,
    message_bytes: usize,
    pub(crate) logs: Vec<LogLine>,
    kept_logs: BTreeMap<Rc<str>, KeptLogs>,
    /// How many nodes share the bounds of logs.
    nodes: usize,
    last_words: Vec<(Rc<str>, String)>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) problems_dropped: u64,
    /// Why the run proves less than it was to, a sentence each.
    pub(crate) doubts: Vec<String>,
}

/// How much of a node's stderr was kept, and how many lines were not.
#[derive(Default)]
struct KeptLogs {
    lines: usize,
    bytes: usize,
    dropped: u64,
}

impl Notes {
    pub(super) fn new(nodes: usize) -> Notes {
        Notes {
            nodes: nodes.max(1),
            ..Notes::default()
        }
    }

    pub(super) fn sent(&mut self, id: u64, now: Duration, names: (Rc<str>, Rc<str>), body: &str) {
        let is_full = self.messages.len() >= MESSAGES_MAX || self.message_bytes > MESSAGE_BYTES_MAX;
        if is_full || self.messages_dropped > 0 {
            self.messages_dropped += 1;
            return;
        }
        self.message_bytes += body.len();
        self.messages.push(Message {
            id,
            sent: now,
            received: None,
            src: names.0,
            dest: names.1,
            body: body.into(),
            fate: MessageFate::OnItsWay,
        });
    }

    /// The kept message of that number. Numbers begin at 0, and the first messages are kept.
    fn message(&mut self, id: u64) -> Option<&mut Message> {
        self.messages.get_mut(usize::try_from(id).ok()?)
    }

    pub(super) fn arrived(&mut self, id: u64, now: Duration) {
        if let Some(message) = self.message(id) {
            message.received.get_or_insert(now);
            message.fate = MessageFate::Delivered;
        }
    }

    /// A copy that does not arrive does not undo one that did.
    pub(super) fn fate(&mut self, id: u64, fate: MessageFate) {
        if let Some(message) = self.message(id)
            && message.fate == MessageFate::OnItsWay
        {
            message.fate = fate;
        }
    }

    pub(super) fn log(&mut self, at: Duration, node: &Rc<str>, text: String) {
        let own = self.last_words.iter().filter(|(name, _)| name == node);
        if own.count() >= LAST_WORDS_MAX
            && let Some(oldest) = self.last_words.iter().position(|(name, _)| name == node)
        {
            self.last_words.remove(oldest);
        }
        let words = shortened(text.clone(), LAST_WORD_BYTES_MAX);
        self.last_words.push((node.clone(), words));
        let nodes = self.nodes.max(1);
        let kept = self.kept_logs.entry(node.clone()).or_default();
        let is_full = kept.lines >= LOGS_MAX / nodes || kept.bytes > LOG_BYTES_MAX / nodes;
        if is_full || kept.dropped > 0 {
            kept.dropped += 1;
            return;
        }
        kept.lines += 1;
        kept.bytes += text.len();
        let node = node.clone();
        self.logs.push(LogLine { at, node, text });
    }

    /// Ends the log of each node of which lines were not kept, with their number.
    pub(super) fn end_logs(&mut self, at: Duration) {
        for (node, kept) in std::mem::take(&mut self.kept_logs) {
            if kept.dropped > 0 {
                let text = format!("({TESTER} kept no more: {} further lines)", kept.dropped);
                self.logs.push(LogLine { at, node, text });
            }
        }
    }

    /// The last lines that a node wrote to stderr, which are then forgotten.
    pub(super) fn last_words(&mut self, node: &Rc<str>) -> Vec<String> {
        let (own, others) = std::mem::take(&mut self.last_words)
            .into_iter()
            .partition(|(name, _)| name == node);
        self.last_words = others;
        let own: Vec<(Rc<str>, String)> = own;
        own.into_iter().map(|(_, text)| text).collect()
    }

    pub(super) fn problem(&mut self, mut problem: Problem) {
        if self.problems.len() >= PROBLEMS_MAX {
            self.problems_dropped += 1;
            return;
        }
        problem.why = shortened(problem.why, WHY_BYTES_MAX);
        self.problems.push(problem);
    }

    /// Something that is no node's fault.
    pub(super) fn tester_problem(&mut self, at: Duration, why: String) {
        self.problem(Problem {
            at,
            node: TESTER.into(),
            line_number: None,
            line: String::new(),
            why,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_problem_and_last_words_have_a_bound() {
        let mut notes = Notes::new(1);
        let node: Rc<str> = Rc::from("n0");
        let long = "ü".repeat(WHY_BYTES_MAX);
        notes.log(Duration::ZERO, &node, long.clone());
        notes.tester_problem(Duration::ZERO, long);
        let words = notes.last_words(&node);
        let half = |bytes: usize| "ü".repeat(bytes / 2) + " …";
        assert_eq!(words, [half(LAST_WORD_BYTES_MAX)]);
        assert_eq!(notes.problems[0].why, half(WHY_BYTES_MAX));
    }

    #[test]
    fn a_node_that_floods_its_stderr_leaves_room_for_the_others() {
        let mut notes = Notes::new(2);
        let (loud, quiet) = (Rc::from("n0"), Rc::from("n1"));
        for _ in 0..LOGS_MAX {
            notes.log(Duration::ZERO, &loud, "x".to_owned());
        }
        notes.log(Duration::ZERO, &quiet, "heard".to_owned());
        notes.end_logs(Duration::ZERO);
        let texts = |node: &Rc<str>| {
            let own = notes.logs.iter().filter(|line| line.node == *node);
            own.map(|line| &*line.text).collect::<Vec<&str>>()
        };
        assert_eq!(texts(&quiet), ["heard"]);
        assert_eq!(texts(&loud).len(), LOGS_MAX / 2 + 1);
        assert_eq!(
            texts(&loud).last(),
            Some(&"(the tester kept no more: 50000 further lines)")
        );
    }
}
