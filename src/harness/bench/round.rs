//! A round: one node from its start to the last answer.
//!
//! ```text
//!   starting ──init_ok──> warming up ──> measuring ──> draining ──all answered──> over
//!      │                      │              │             │
//!      └────── 10 s ──────────┴── 5 s without an answer ───┴── 10 s ──> named, and stopped
//! ```

use super::answers::WINDOW_MAX;
use super::figures::Figures;
use super::ledger::{Ledger, MAIL_BYTES_MAX};
use super::node::Node;
use super::pace::{Load, Next, Pace};
use super::plan::{Bench, Program};
use super::stop::Stop;
use crate::sys::Usage;
use crate::time::{Clock, Instant};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long a node may take to answer `init`: as in a test.
const INIT_MAX: Duration = Duration::from_secs(10);

/// How long a node that owes answers may give none.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long a node may go on with its answers after the load. In an open loop that is faster
/// than the node, requests wait.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// The state of the round at one moment.
#[derive(Debug, Clone, Copy)]
struct Snapshot {
    at: Instant,
    node: Usage,
    tester: Usage,
    answers: u64,
}

pub(super) fn run(bench: &Bench, program: &Program) -> Result<Figures, Stop> {
    let mut round = Round {
        bench,
        node: Node::start(program)?,
        ledger: Ledger::new(&bench.requests),
    };
    let started = round.init()?;
    round.load(started)
}

struct Round<'a> {
    bench: &'a Bench,
    node: Node,
    ledger: Ledger<'a>,
}

impl Round<'_> {
    /// Sends `init`. Returns the time from the start of the process to the answer.
    fn init(&mut self) -> Result<Duration, Stop> {
        let mut draft = self.node.input.begin();
        draft.extend_from_slice(self.ledger.init().as_bytes());
        self.node.input.commit(&mut draft);
        let deadline = self.node.clock.now() + INIT_MAX;
        while !self.ledger.is_ready {
            if self.node.clock.now() >= deadline {
                let why = format!("`init` was not answered within {INIT_MAX:?}");
                return Err(self.node.blame(why));
            }
            self.turn(deadline, false)?;
        }
        Ok(self.node.clock.now().since(Instant::ZERO))
    }

    fn load(&mut self, started: Duration) -> Result<Figures, Stop> {
        let bench = self.bench;
        let start = self.node.clock.now();
        self.ledger.last_answer = start;
        let from = start + bench.warm_up;
        let until = from + bench.time_limit;
        self.ledger.span = Some((from, until));
        let mut load = Load {
            pace: bench.pace,
            start,
            end: until,
            sent: 0,
        };
        let (mut first, mut last) = (None, None);
        loop {
            let now = self.node.clock.now();
            if first.is_none() && now >= from {
                first = Some(self.snapshot()?);
            }
            if last.is_none() && now >= until {
                last = Some(self.snapshot()?);
            }
            let next = self.send(&mut load)?;
            if let (Next::Over, 0, Some(first), Some(last)) =
                (next, self.ledger.window.outstanding(), first, last)
            {
                return self.figures(started, first, last);
            }
            let limit = self.limit(until, now)?;
            let phase_end = match (first, last) {
                (None, _) => from,
                (_, None) => until,
                _ => limit,
            };
            match next {
                Next::At(due) if due < limit.min(phase_end) => self.turn(due, true)?,
                _ => self.turn(limit.min(phase_end), false)?,
            }
        }
    }

    /// Sends the requests that are due, as long as the node takes them. Returns what the load
    /// waits for.
    fn send(&mut self, load: &mut Load) -> Result<Next, Stop> {
        let Round { node, ledger, .. } = self;
        let now = node.clock.now();
        // The rest waits in the ledger, which bounds it.
        if !ledger.mail.is_empty() && node.input.len() <= MAIL_BYTES_MAX {
            let mut draft = node.input.begin();
            draft.append(&mut ledger.mail);
            node.input.commit(&mut draft);
        }
        loop {
            let next = load.next(now, ledger.window.outstanding());
            let Next::Due(due) = next else {
                return Ok(next);
            };
            if node.input.is_congested() {
                return Ok(Next::AfterAnAnswer);
            }
            if ledger.window.is_full() {
                let oldest = ledger.window.oldest();
                let why = format!(
                    "request {oldest} has no answer, and {WINDOW_MAX} were sent since; the bench waits for no more"
                );
                return Err(node.blame(why));
            }
            let mut draft = node.input.begin();
            ledger
                .requests()
                .write(ledger.window.next_number(), &mut draft);
            node.input.commit(&mut draft);
            if ledger.window.outstanding() == 0 {
                // Its patience begins now.
                ledger.last_answer = now;
            }
            ledger.window.sent(due);
            load.sent += 1;
        }
    }

    /// The time at which the patience with the node ends.
    ///
    /// # Errors
    /// It has ended.
    fn limit(&self, until: Instant, now: Instant) -> Result<Instant, Stop> {
        let window = &self.ledger.window;
        let drained = until + DRAIN_MAX;
        let owes = window.outstanding() > 0 || !self.node.input.is_empty();
        let silent = self.ledger.last_answer + SILENCE_MAX;
        let limit = if owes { silent.min(drained) } else { drained };
        if now < limit {
            return Ok(limit);
        }
        let (count, oldest) = (window.outstanding(), window.oldest());
        let why = if owes && silent <= drained {
            format!(
                "it stopped answering: no answer for {SILENCE_MAX:?}, while {count} requests wait, from number {oldest} on"
            )
        } else {
            let pace = match self.bench.pace {
                Pace::Rate(rate) => format!("; {rate} a second may be more than it can do"),
                Pace::Outstanding(_) => String::new(),
            };
            format!(
                "{count} requests have no answer {DRAIN_MAX:?} after the load, from number {oldest} on{pace}"
            )
        };
        Err(self.node.blame(why))
    }

    fn turn(&mut self, until: Instant, is_exact: bool) -> Result<(), Stop> {
        if self.bench.interrupt.load(Ordering::Relaxed) {
            return Err(Stop::Interrupted);
        }
        self.node.turn(until, is_exact, &mut self.ledger)
    }

    fn snapshot(&self) -> Result<Snapshot, Stop> {
        let (node, tester) = (Usage::of(&self.node.id())?, Usage::of("self")?);
        Ok(Snapshot {
            at: self.node.clock.now(),
            node,
            tester,
            answers: self.ledger.answers,
        })
    }

    fn figures(&self, started: Duration, first: Snapshot, last: Snapshot) -> Result<Figures, Stop> {
        let answers = last.answers - first.answers;
        let latencies = &self.ledger.latencies;
        if answers == 0 || latencies.total() == 0 {
            let why = format!(
                "too few answers came in the measured {:?}; a longer --time-limit measures slow requests",
                self.bench.time_limit
            );
            return Err(self.node.blame(why));
        }
        let seconds = last.at.since(first.at).as_secs_f64();
        let each = |of: fn(&Usage) -> Duration, from: &Usage, until: &Usage| {
            of(until).saturating_sub(of(from)).as_secs_f64() * 1e9 / answers as f64
        };
        let peak = Usage::of(&self.node.id())?.peak_bytes;
        Ok(Figures {
            messages_per_second: answers as f64 / seconds,
            latency_p50_ns: latencies.quantile(0.5) as f64,
            latency_p99_ns: latencies.quantile(0.99) as f64,
            latency_p99_9_ns: latencies.quantile(0.999) as f64,
            latency_max_ns: latencies.quantile(1.0) as f64,
            cpu_ns_per_message: each(|usage| usage.cpu, &first.node, &last.node),
            kernel_ns_per_message: each(|usage| usage.kernel, &first.node, &last.node),
            peak_memory_bytes: peak as f64,
            start_ns: started.as_secs_f64() * 1e9,
            error_replies: self.ledger.errors as f64,
            other_messages: self.ledger.others as f64,
            tester_cpu_ns_per_message: each(|usage| usage.cpu, &first.tester, &last.tester),
        })
    }
}
