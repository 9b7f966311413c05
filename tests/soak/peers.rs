//! The nodes that n1 calls: one lives, one is slow, one is dead, and one answers
//! when it is too late.

use crate::support::{message, number_after};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// n2 to n5.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// Lines for n1.
    answers: String,
    /// n3's, with the time of each.
    slow: BTreeMap<(Instant, u64), String>,
    /// n5's, by the number of the request that it is about.
    late: HashMap<u64, String>,
    /// Nobody is slow any more.
    is_hurried: bool,
    /// n2's so far: it says some things twice.
    live: usize,
}

/// Every so manieth answer of n2 comes twice.
const TWICE: usize = 10;

impl Peers {
    /// Takes a line, if it is for one of these nodes.
    pub(crate) fn take(&mut self, line: &str) -> bool {
        let Some(rest) = line.strip_prefix(r#"{"src":"n1","dest":"n"#) else {
            return false;
        };
        let (peer, _) = rest.split_once('"').expect("a name");
        let call = number_after(line, "msg_id").expect("a call has a number");
        let ask = number_after(line, "ask").expect("we asked for it");
        let (_, word) = line.rsplit_once(r#""word":""#).expect("we said it");
        let word = word.strip_suffix(r#""}}"#).expect("it comes last");
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
                // Up to a second and a half, another time for each.
                let wait = Duration::from_millis(ask % 16 * 100);
                self.slow.insert((Instant::now() + wait, ask), answer);
            }
            "4" => {}
            "5" => _ = self.late.insert(ask, answer),
            _ => panic!("nobody asked for n{peer}: {line:.300}"),
        }
        true
    }

    /// The call for this request has ended without an answer.
    pub(crate) fn gave_up(&mut self, ask: u64) {
        if let Some(answer) = self.late.remove(&ask) {
            self.answers += &answer;
        }
    }

    /// From now on the slow one answers at once.
    pub(crate) fn hurry(&mut self) {
        self.is_hurried = true;
    }

    /// What they have to say by now.
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
