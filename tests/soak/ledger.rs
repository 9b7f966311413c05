//! What was asked, and that each answer is the one that it must be.

use crate::support::{Numbers, client, number_after};
use std::collections::HashMap;
use std::fmt::Write;

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Echo,
    /// A proxied call that is answered at once.
    Live,
    /// One that is answered after a while.
    Slow,
    /// One that nobody answers: error 0.
    Dead,
    /// One that is answered when it has ended already: error 0, and no more.
    Late,
    TcpSend,
    TcpStats,
    /// A type that the node does not know: error 10.
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
    /// One of them, echoes most often.
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

    /// Whether the node or a peer answers at once.
    fn is_brief(self) -> bool {
        !matches!(self, Kind::Slow | Kind::Dead | Kind::Late)
    }

    /// Whether only its timeout will end it.
    fn is_doomed(self) -> bool {
        matches!(self, Kind::Dead | Kind::Late)
    }

    /// The body of a request of this kind. `word` is what comes back.
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

    /// What the body of its answer begins with, behind the numbers.
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

/// How many of a kind.
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

/// Requests, and what has become of them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Those without an answer, and their words.
    waiting: HashMap<u64, (Kind, String)>,
    last_id: u64,
    counts: [Count; KINDS.len()],
    /// Messages of the node have numbers that only grow.
    total_bytes: u64,
}

impl Ledger {
    /// Makes a request up, one that waits for long only if it may. Returns its line.
    pub(crate) fn ask(&mut self, numbers: &mut Numbers, may_wait: bool) -> String {
        let kind = Kind::draw(numbers, may_wait);
        // Most are short, and some are longer than a pipe holds.
        let length = match numbers.below(500) {
            0 => numbers.below(100_000),
            1..50 => numbers.below(2_000),
            _ => numbers.below(100),
        };
        self.enter(kind, length)
    }

    /// A call that nobody answers, with so many bytes. Returns its line.
    pub(crate) fn ask_the_dead(&mut self, length: usize) -> String {
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

    /// Takes an answer. Returns the request's number if a timeout has ended it.
    #[track_caller]
    pub(crate) fn take(&mut self, line: &str) -> Option<u64> {
        let id = number_after(line, "in_reply_to").unwrap_or_else(|| panic!("asks: {line:.300}"));
        let (kind, word) = self
            .waiting
            .remove(&id)
            .unwrap_or_else(|| panic!("answered twice or never asked: {line:.300}"));
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
        kind.is_doomed().then_some(id)
    }

    /// Requests without an answer.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Requests whose answer comes as fast as the node works.
    pub(crate) fn waiting_briefly(&self) -> usize {
        self.waiting_for(Kind::is_brief)
    }

    /// Those for which a slow node or a timeout is waited for.
    pub(crate) fn waiting_for_long(&self) -> usize {
        self.waiting_for(|kind| !kind.is_brief())
    }

    fn waiting_for(&self, is_meant: impl Fn(Kind) -> bool) -> usize {
        let counts = KINDS.iter().zip(&self.counts);
        let meant = counts.filter(|(kind, _)| is_meant(**kind));
        meant.map(|(_, count)| count.waiting()).sum()
    }

    /// A table of what was asked.
    pub(crate) fn summary(&self) -> String {
        let mut text = "| request | asked | answered |\n|---|---|---|\n".to_owned();
        for (kind, count) in KINDS.iter().zip(&self.counts) {
            let ends = if kind.is_doomed() {
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
            assert!(count.asked > 0, "{kind:?} was never asked");
        }
    }
}
