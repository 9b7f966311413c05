//! Everything that is kept of a run while it runs, each kind with its bound.

use super::Processes;
use crate::harness::record::{LogLine, Message, MessageFate, Problem};
use std::rc::Rc;
use std::time::Duration;

/// How many messages are kept, and how many bytes of their bodies: the first ones. Beyond that
/// they are only counted. Together with their other fields they take less than 100 MiB.
const MESSAGES_MAX: usize = 250_000;
const MESSAGE_BYTES_MAX: usize = 48 << 20;

/// How many lines of stderr are kept, and how many bytes of them: the first ones. The last
/// words of a node are kept beside them.
const LOGS_MAX: usize = 100_000;
const LOG_BYTES_MAX: usize = 16 << 20;

/// How many last lines of each node are told when it ends by itself.
const LAST_WORDS_MAX: usize = 5;

/// How many problems are kept. A node that is wrong in every line must not fill the memory.
const PROBLEMS_MAX: usize = 1_000;

/// How much of a wrong line is shown.
const EXCERPT_BYTES: usize = 300;

/// The name that stands for this program in a list of nodes.
const TESTER: &str = "the tester";

/// What is kept of a run.
#[derive(Default)]
pub(in crate::harness) struct Notes {
    pub(in crate::harness) messages: Vec<Message>,
    pub(in crate::harness) messages_dropped: u64,
    message_bytes: usize,
    pub(in crate::harness) logs: Vec<LogLine>,
    log_bytes: usize,
    last_words: Vec<(Rc<str>, String)>,
    pub(in crate::harness) problems: Vec<Problem>,
    pub(in crate::harness) problems_dropped: u64,
}

impl Notes {
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

    fn log(&mut self, at: Duration, node: &Rc<str>, text: String) {
        let own = self.last_words.iter().filter(|(name, _)| name == node);
        if own.count() >= LAST_WORDS_MAX
            && let Some(oldest) = self.last_words.iter().position(|(name, _)| name == node)
        {
            self.last_words.remove(oldest);
        }
        self.last_words.push((node.clone(), text.clone()));
        if self.logs.len() >= LOGS_MAX || self.log_bytes > LOG_BYTES_MAX {
            return;
        }
        self.log_bytes += text.len();
        let node = node.clone();
        self.logs.push(LogLine { at, node, text });
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

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() >= PROBLEMS_MAX {
            self.problems_dropped += 1;
            return;
        }
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
            let text = super::super::tell::problem(&problem);
            self.progress.say(&text);
        }
        self.notes.problem(problem);
    }
}
