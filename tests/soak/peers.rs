//! The nodes that n1 calls: a live one, a slow one, a dead one, and one that answers
//! too late.

use crate::support::{message, number_after};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// The nodes n2 (live), n3 (slow), n4 (dead) and n5 (late).
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// Answers for n1 that are due.
    answers: String,
    /// The answers of n3, by their time.
    slow: BTreeMap<(Instant, u64), String>,
    /// The answers of n5, by the number of the client's request.
    late: HashMap<u64, String>,
    /// Whether n3 answers at once from now on.
    is_hurried: bool,
    /// The number of answers of n2.
    live: usize,
}

/// One in this number of n2's answers comes twice.
const TWICE: usize = 10;

/// The beginning of a line from n1 to another node.
const TO_PEER: &str = r#"{"src":"n1","dest":"n"#;

impl Peers {
    /// Whether a line is for one of these nodes.
    pub(crate) fn is_for_peer(line: &str) -> bool {
        line.starts_with(TO_PEER)
    }

    /// Takes a line for one of these nodes.
    pub(crate) fn take(&mut self, line: &str) {
        let rest = line.strip_prefix(TO_PEER).expect("a line for a peer");
        let (peer, _) = rest.split_once('"').expect("a name");
        let call = number_after(line, "msg_id").expect("the call's number");
        let ask = number_after(line, "ask").expect("the request's number");
        let (_, word) = line.rsplit_once(r#""word":""#).expect("a word");
        let word = word.strip_suffix(r#""}}"#).expect("the last field");
        let body = format!(r#"{{"type":"read_ok","word":"{word}","in_reply_to":{call}}}"#);
        let answer = message(&format!("n{peer}"), &body) + "\n";
        match peer {
            "2" => {
                self.live += 1;
                let times = if self.live.is_multiple_of(TWICE) {
                    2
                } else {
                    1
                };
                self.answers += &answer.repeat(times);
            }
            "3" => {
                // Up to 1.5 s, different for different requests.
                let wait = Duration::from_millis(ask % 16 * 100);
                self.slow.insert((Instant::now() + wait, ask), answer);
            }
            "4" => {}
            "5" => _ = self.late.insert(ask, answer),
            _ => panic!("a call to unknown n{peer}: {line:.300}"),
        }
    }

    /// The call for this request has ended by its timeout. n5 answers now.
    pub(crate) fn call_ended(&mut self, ask: u64) {
        if let Some(answer) = self.late.remove(&ask) {
            self.answers += &answer;
        }
    }

    /// Lets n3 answer at once from now on.
    pub(crate) fn hurry(&mut self) {
        self.is_hurried = true;
    }

    /// The answers that are due.
    pub(crate) fn due(&mut self) -> String {
        let now = Instant::now();
        while let Some(first) = self.slow.first_entry()
            && (self.is_hurried || first.key().0 <= now)
        {
            self.answers += &first.remove();
        }
        std::mem::take(&mut self.answers)
    }
}
