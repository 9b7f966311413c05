//! The lines of a node under load: each is an answer, a message of its own, or wrong.

use super::answers::{Message, Window};
use super::histogram::Histogram;
use super::requests::Requests;
use crate::harness::processes::held::{HELD_BYTES_MAX, MiB};
use crate::random::Random;
use crate::time::Instant;
use crate::workload::{SERVICE_NAMES, Services};
use serde_json::value::RawValue;
use std::io::Write;

/// The number of `init`, from a client of its own. Requests have the numbers behind it.
const INIT_NUMBER: u64 = 1;

/// The most mail that waits for the node: 64 MiB, and one line more. A node that sends itself
/// more than it reads ends the round.
pub(super) const MAIL_BYTES_MAX: usize = 64 << 20;

/// How much of a wrong line is shown.
const EXCERPT_BYTES: usize = 300;

/// Everything that is known about the answers of one round.
pub(super) struct Ledger<'a> {
    requests: &'a Requests,
    services: Services,
    /// The most that the values of the services take: as in a test.
    held_bytes_max: usize,
    pub(super) window: Window,
    /// Lines for the node that are no requests: answers of services, and its messages to
    /// itself.
    pub(super) mail: Vec<u8>,
    /// How many lines were taken.
    lines: u64,
    /// Whether `init` was answered.
    pub(super) is_ready: bool,
    pub(super) answers: u64,
    /// Answers that are errors.
    pub(super) errors: u64,
    /// Messages to nodes that do not exist, and to clients without being answers.
    pub(super) others: u64,
    pub(super) last_answer: Instant,
    /// Requests that were due in this span are measured.
    pub(super) span: Option<(Instant, Instant)>,
    pub(super) latencies: Histogram,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(requests: &'a Requests) -> Ledger<'a> {
        Ledger {
            requests,
            // What services draw decides no answer's cost, so any seed will do.
            services: Services::new(Random::new(0)),
            held_bytes_max: HELD_BYTES_MAX,
            window: Window::new(INIT_NUMBER + 1),
            mail: Vec::new(),
            lines: 0,
            is_ready: false,
            answers: 0,
            errors: 0,
            others: 0,
            last_answer: Instant::ZERO,
            span: None,
            latencies: Histogram::new(),
        }
    }

    pub(super) fn requests(&self) -> &'a Requests {
        self.requests
    }

    /// The line that gives the node its name.
    pub(super) fn init(&self) -> String {
        let node = self.requests.node();
        format!(
            "{{\"id\":0,\"src\":\"c0\",\"dest\":\"{node}\",\"body\":{{\"msg_id\":{INIT_NUMBER},\
             \"node_id\":\"{node}\",\"node_ids\":[\"{node}\"],\"type\":\"init\"}}}}\n"
        )
    }

    /// Takes a line that was read at that time.
    ///
    /// # Errors
    /// What is wrong with it, with its number and its beginning.
    pub(super) fn take(&mut self, line: &[u8], now: Instant) -> Result<(), String> {
        self.lines += 1;
        self.sort(line, now).map_err(|why| {
            let shown = String::from_utf8_lossy(&line[..line.len().min(EXCERPT_BYTES)]);
            let rest = if line.len() > EXCERPT_BYTES {
                " …"
            } else {
                ""
            };
            let number = self.lines;
            format!(
                "line {number} of stdout {why}\n    {}{rest}",
                shown.escape_debug()
            )
        })
    }

    /// ```text
    ///   line ─┬─ to the node itself ──> back to it, as the network of a cluster does
    ///         ├─ to a service ────────> the service answers
    ///         ├─ with in_reply_to ────> an answer, or wrong
    ///         └─ any other ───────────> counted
    /// ```
    fn sort(&mut self, line: &[u8], now: Instant) -> Result<(), String> {
        if self.mail.len() > MAIL_BYTES_MAX {
            return Err(format!(
                "comes while more than {} MiB of its messages to itself and of services' answers wait for the node",
                MAIL_BYTES_MAX >> 20
            ));
        }
        let message = Message::read(line)?;
        if message.dest == self.requests.node() {
            self.mail.extend_from_slice(line);
            self.mail.push(b'\n');
            return Ok(());
        }
        if let Some(service) = SERVICE_NAMES.iter().position(|name| *name == message.dest) {
            return self.ask(service, line);
        }
        let Some(number) = message.body.in_reply_to else {
            self.others += 1;
            return Ok(());
        };
        if number == INIT_NUMBER && !self.is_ready {
            self.is_ready = message.body.kind == "init_ok";
            let right = self.is_ready.then_some(());
            return right.ok_or_else(|| "answers `init`, and not with init_ok".to_owned());
        }
        let due = self.window.answered(number)?;
        self.answers += 1;
        self.last_answer = now;
        if let Some(echo) = &self.requests.echo {
            let came_back = message.body.echo.map(RawValue::get);
            if message.body.kind != "echo_ok" || came_back != Some(echo) {
                return Err(format!("does not echo request {number}"));
            }
        }
        self.errors += u64::from(message.body.kind == "error");
        if self
            .span
            .is_some_and(|(from, until)| from <= due && due < until)
        {
            self.latencies.add(now.since(due));
        }
        Ok(())
    }

    /// Lets a service answer.
    fn ask(&mut self, service: usize, line: &[u8]) -> Result<(), String> {
        #[derive(serde::Deserialize)]
        struct Whole<'a> {
            #[serde(borrow)]
            body: &'a RawValue,
        }
        let Whole { body } = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let (node, name) = (self.requests.node(), SERVICE_NAMES[service]);
        let answer = self.services.answer(service, node, body.get());
        let held = self.services.held_bytes();
        if held > self.held_bytes_max {
            return Err(format!(
                "makes the services hold {} of values, of at most {}: use a shorter --time-limit or shorter values",
                MiB(held),
                MiB(self.held_bytes_max)
            ));
        }
        if let Some(body) = answer {
            let mail = &mut self.mail;
            let _never_fails =
                writeln!(mail, r#"{{"src":"{name}","dest":"{node}","body":{body}}}"#);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: &str, number: u64, rest: &str) -> String {
        format!(
            r#"{{"src":"n1","dest":"c1","body":{{"type":"{kind}","in_reply_to":{number}{rest}}}}}"#
        )
    }

    #[test]
    fn each_kind_of_line_is_told_apart() {
        let requests = Requests::echo(2);
        let mut ledger = Ledger::new(&requests);
        let at = Instant::from_millis;
        ledger.span = Some((at(10), at(20)));
        let mut take = |line: &str| ledger.take(line.as_bytes(), at(30));
        assert_eq!(take(&answer("init_ok", 1, "")), Ok(()));
        let own = r#"{"src":"n1","dest":"n1","body":{"type":"x"}}"#;
        let to_service =
            r#"{"src":"n1","dest":"lin-kv","body":{"type":"read","key":1,"msg_id":5}}"#;
        for line in [
            own,
            to_service,
            r#"{"src":"n1","dest":"n2","body":{"type":"gossip"}}"#,
        ] {
            assert_eq!(take(line), Ok(()));
        }
        assert_eq!((ledger.is_ready, ledger.others), (true, 1));
        let mail = String::from_utf8(std::mem::take(&mut ledger.mail)).unwrap();
        let (first, second) = mail.split_once('\n').unwrap();
        assert_eq!(first, own);
        assert!(
            second.contains(r#""code":20"#) && second.contains(r#""in_reply_to":5"#),
            "{second}"
        );

        // Of requests 2 to 4, only 3 was due in the span.
        for due in [9, 10, 20] {
            ledger.window.sent(at(due));
        }
        for number in 2..5 {
            let line = answer("echo_ok", number, r#","echo":"Pl""#);
            assert_eq!(ledger.take(line.as_bytes(), at(30)), Ok(()));
        }
        assert_eq!((ledger.answers, ledger.latencies.total()), (3, 1));
        assert_eq!(ledger.latencies.quantile(1.0), 20_000_000);
    }

    #[test]
    fn mail_that_waits_for_the_node_has_a_bound() {
        let requests = Requests::echo(2);
        let mut ledger = Ledger::new(&requests);
        let text = "x".repeat(1 << 20);
        let own = format!(r#"{{"src":"n1","dest":"n1","body":{{"type":"x","text":"{text}"}}}}"#);
        let mut take = || ledger.take(own.as_bytes(), Instant::ZERO);
        assert!((0..64).all(|_| take() == Ok(())));
        let why = take().unwrap_err();
        assert!(why.contains("more than 64 MiB"), "{why}");
    }

    #[test]
    fn the_values_of_services_have_a_bound() {
        let requests = Requests::echo(2);
        let mut ledger = Ledger::new(&requests);
        ledger.held_bytes_max = 1 << 20;
        let value = "x".repeat(300 << 10);
        let mut write = |key: u32| {
            let body =
                format!(r#"{{"type":"write","key":{key},"value":"{value}","msg_id":{key}}}"#);
            let line = format!(r#"{{"src":"n1","dest":"seq-kv","body":{body}}}"#);
            ledger.take(line.as_bytes(), Instant::ZERO)
        };
        assert!((0..3).all(|key| write(key) == Ok(())));
        let why = write(3).unwrap_err();
        assert!(why.contains("of at most 1 MiB: use a shorter"), "{why}");
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (line, expected) in [
            ("Hello", "line 1 of stdout is no message"),
            (&*answer("error", 1, ""), "not with init_ok"),
            (
                &answer("echo_ok", 7, ""),
                "answers request 7, which was not sent",
            ),
            (
                &answer("echo_ok", 2, r#","echo":"P""#),
                "does not echo request 2",
            ),
            (
                &answer("error", 2, r#","code":10"#),
                "does not echo request 2",
            ),
        ] {
            let requests = Requests::echo(2);
            let mut ledger = Ledger::new(&requests);
            ledger.window.sent(Instant::ZERO);
            let found = ledger.take(line.as_bytes(), Instant::ZERO).unwrap_err();
            let shown = line[..5].escape_debug().to_string();
            assert!(
                found.contains(expected) && found.contains(&shown),
                "{found}"
            );
        }
    }
}
