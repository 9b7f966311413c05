//! A record of all requests, with a check of each answer.

use crate::support::{Numbers, client, number_after};
use std::collections::HashMap;
use std::fmt::Write;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Echo,
    /// A proxied call that is answered at once.
    Live,
    /// A proxied call that is answered after some time.
    Slow,
    /// A proxied call without an answer: error 0.
    Dead,
    /// A proxied call whose answer comes after its timeout: error 0 and no other reply.
    Late,
    TcpSend,
    TcpStats,
    /// A type that is unknown to the node: error 10.
    Unknown,
}

const KINDS: [Kind; 8] = [
    Kind::Echo,
    Kind::Live,
    Kind::Slow,
    Kind::Dead,
    Kind::Late,
    Kind::TcpSend,
    Kind::TcpStats,
    Kind::Unknown,
];

impl Kind {
    /// A random kind, most often an echo.
    fn draw(numbers: &mut Numbers, may_wait: bool) -> Kind {
        match numbers.below(100) {
            0..10 => Kind::Live,
            10..15 if may_wait => Kind::Slow,
            15..20 if may_wait => Kind::Dead,
            20..25 if may_wait => Kind::Late,
            25..33 => Kind::TcpSend,
            33..36 => Kind::TcpStats,
            36..40 => Kind::Unknown,
            _ => Kind::Echo,
        }
    }

    /// Whether the answer comes at once.
    fn is_brief(self) -> bool {
        !matches!(self, Kind::Slow | Kind::Dead | Kind::Late)
    }

    /// Whether the call ends by its timeout.
    fn ends_by_timeout(self) -> bool {
        matches!(self, Kind::Dead | Kind::Late)
    }

    /// The body of a request of this kind. Its answer contains `word`.
    fn body(self, id: u64, word: &str) -> String {
        let proxy = |target: &str| {
            format!(
                r#"{{"type":"proxy","msg_id":{id},"target":"{target}","inner":{{"type":"read","ask":{id},"word":"{word}"}}}}"#
            )
        };
        match self {
            Kind::Echo => format!(r#"{{"type":"echo","msg_id":{id},"echo":"{word}"}}"#),
            Kind::Live => proxy("n2"),
            Kind::Slow => proxy("n3"),
            Kind::Dead => proxy("n4"),
            Kind::Late => proxy("n5"),
            Kind::TcpSend => format!(r#"{{"type":"tcp_echo_send","msg_id":{id},"data":"{word}"}}"#),
            Kind::TcpStats => format!(r#"{{"type":"tcp_echo_stats","msg_id":{id}}}"#),
            Kind::Unknown => format!(r#"{{"type":"frobnicate","msg_id":{id}}}"#),
        }
    }

    /// The beginning of the answer's fields, behind `in_reply_to`.
    fn answer(self, word: &str) -> String {
        match self {
            Kind::Echo => format!(r#""echo":"{word}"}}}}"#),
            Kind::Live | Kind::Slow => {
                format!(r#""result":{{"type":"read_ok","word":"{word}","in_reply_to":"#)
            }
            Kind::Dead | Kind::Late => r#""code":0,"text":"#.to_owned(),
            Kind::TcpSend => format!(r#""bytes":{},"echoed":"{word}"}}}}"#, word.len()),
            Kind::TcpStats => r#""total_connections":"#.to_owned(),
            Kind::Unknown => r#""code":10,"text":"#.to_owned(),
        }
    }

    fn answer_type(self) -> &'static str {
        match self {
            Kind::Echo => "echo_ok",
            Kind::Live | Kind::Slow => "proxy_ok",
            Kind::Dead | Kind::Late | Kind::Unknown => "error",
            Kind::TcpSend => "tcp_echo_send_ok",
            Kind::TcpStats => "tcp_echo_stats_ok",
        }
    }
}

/// The number of requests of a kind.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    asked: u64,
    answered: u64,
}

impl Count {
    fn waiting(self) -> usize {
        usize::try_from(self.asked - self.answered).expect("few")
    }
}

/// All requests and their answers.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Requests without an answer, with their words.
    waiting: HashMap<u64, (Kind, String)>,
    last_id: u64,
    counts: [Count; KINDS.len()],
    /// The last `total_bytes` of TCP echo, which must never decrease.
    total_bytes: u64,
}

impl Ledger {
    /// Makes a random request. It is one with a late answer only if `may_wait`. Returns
    /// its line.
    pub(crate) fn ask(&mut self, numbers: &mut Numbers, may_wait: bool) -> String {
        let kind = Kind::draw(numbers, may_wait);
        // Most are short, and some are longer than a pipe.
        let length = match numbers.below(500) {
            0 => numbers.below(100_000),
            1..50 => numbers.below(2_000),
            _ => numbers.below(100),
        };
        self.enter(kind, length)
    }

    /// Makes a call without an answer, of this length. Returns its line.
    pub(crate) fn ask_dead_node(&mut self, length: usize) -> String {
        self.enter(Kind::Dead, length)
    }

    fn enter(&mut self, kind: Kind, length: usize) -> String {
        self.last_id += 1;
        let id = self.last_id;
        let word = format!("{id} {}", "w".repeat(length));
        let line = client(&kind.body(id, &word)) + "\n";
        self.waiting.insert(id, (kind, word));
        self.counts[kind as usize].asked += 1;
        line
    }

    /// Checks an answer. Returns the request's number if a timeout has ended it.
    #[track_caller]
    pub(crate) fn take(&mut self, line: &str) -> Option<u64> {
        let id =
            number_after(line, "in_reply_to").unwrap_or_else(|| panic!("no answer: {line:.300}"));
        let (kind, word) = self
            .waiting
            .remove(&id)
            .unwrap_or_else(|| panic!("answered twice, or not requested: {line:.300}"));
        let front = format!(
            r#"{{"src":"n1","dest":"c1","body":{{"type":"{}","msg_id":"#,
            kind.answer_type()
        );
        let (head, rest) = line
            .split_once(&format!(r#""in_reply_to":{id},"#))
            .unwrap_or_else(|| panic!("{kind:?}: {line:.300}"));
        assert!(head.starts_with(&front), "{kind:?}: {line:.300}");
        assert!(
            rest.starts_with(&kind.answer(&word)),
            "{kind:?}: {line:.300}"
        );
        assert!(rest.ends_with("}}"), "{kind:?}: {line:.300}");
        if kind == Kind::TcpStats {
            let total = number_after(rest, "total_bytes").expect("a total");
            assert!(
                total >= self.total_bytes,
                "{total} after {}",
                self.total_bytes
            );
            self.total_bytes = total;
        }
        self.counts[kind as usize].answered += 1;
        kind.ends_by_timeout().then_some(id)
    }

    /// The number of requests without an answer.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The number of waiting requests that are answered at once.
    pub(crate) fn waiting_briefly(&self) -> usize {
        self.waiting_of(Kind::is_brief)
    }

    /// The number of requests that wait for a slow node or a timeout.
    pub(crate) fn waiting_for_long(&self) -> usize {
        self.waiting_of(|kind| !kind.is_brief())
    }

    fn waiting_of(&self, includes: impl Fn(Kind) -> bool) -> usize {
        let counts = KINDS.iter().zip(&self.counts);
        let included = counts.filter(|(kind, _)| includes(**kind));
        included.map(|(_, count)| count.waiting()).sum()
    }

    /// A table of the requests and answers.
    pub(crate) fn summary(&self) -> String {
        let mut text = "| request | asked | answered |\n|---|---|---|\n".to_owned();
        for (kind, count) in KINDS.iter().zip(&self.counts) {
            let ends = if kind.ends_by_timeout() {
                ", by its timeout"
            } else {
                ""
            };
            let (asked, answered) = (count.asked, count.answered);
            let _to_memory = writeln!(text, "| {kind:?}{ends} | {asked} | {answered} |");
        }
        text
    }

    #[track_caller]
    pub(crate) fn assert_all_answered(&self) {
        for (kind, count) in KINDS.iter().zip(&self.counts) {
            assert_eq!(count.answered, count.asked, "{kind:?}");
            assert!(count.asked > 0, "{kind:?} was never requested");
        }
    }
}
