//! `jepsen.log`: what the tester did and saw, with times.
//!
//! ```text
//!   2026-11-26 18:45:00.000  INFO  [run] began: g-set on n0, n1, n2, seed 7
//!   2026-11-26 18:45:03.104  INFO  [nemesis] partition, n0 against n1, n2
//!   2026-11-26 18:45:05.200  WARN  [n1] line 7 of its stdout: no JSON
//! ```
//!
//! Jepsen writes this file while it runs. Here it is made of the record, so that it cannot
//! contradict the other files.

use crate::harness::record::{Record, Verdict};
use crate::workload::{Outcome, Phase};
use std::fmt::Write as _;
use std::time::Duration;

/// The log.
pub(super) fn log(record: &Record) -> String {
    let mut lines = operations(record);
    lines.extend(ends(record));
    for span in &record.faults {
        let fault = record.fault(span);
        lines.push((span.from, "INFO", format!("[nemesis] {fault}")));
        if let Some(to) = span.to {
            lines.push((to, "INFO", format!("[nemesis] the end of the {fault}")));
        }
    }
    for problem in &record.problems {
        let place = problem
            .line_number
            .map(|number| format!("line {number} of its stdout: "));
        let (node, why) = (&problem.node, &problem.why);
        let text = format!("[{node}] {}{why}", place.unwrap_or_default());
        lines.push((problem.at, "WARN", text));
    }
    // Stable: what happens at one time stays in order.
    lines.sort_by_key(|(at, ..)| *at);
    let mut log = String::new();
    for (at, level, text) in lines {
        let text = text.replace('\n', "\n    ");
        // Writing to a string cannot fail.
        let _ = writeln!(log, "{}  {level}  {text}", wall_clock(record.started + at));
    }
    log
}

type Line = (Duration, &'static str, String);

/// The operations: where the phases begin, and each one that was not done.
fn operations(record: &Record) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut phase = None;
    for (index, operation) in record.history.operations().iter().enumerate() {
        if phase.replace(operation.phase) != Some(operation.phase) {
            let text = match operation.phase {
                Phase::Setup => "[run] the nodes run, and are set up",
                Phase::Load => "[run] the load begins",
                Phase::Final => "[run] the final operations begin",
            };
            lines.push((operation.invoked, "INFO", text.to_owned()));
        }
        let (word, error) = match &operation.outcome {
            Outcome::Ok(_) => continue,
            Outcome::Fail(error) => ("failed", error),
            Outcome::Info(error) => ("has an unknown outcome", error),
        };
        let (client, kind) = (&operation.client, operation.kind());
        let node = record.node_name(operation.node);
        let text = format!("[{client}] operation {index}, {kind} at {node}, {word}: {error}");
        // One that never ended is told where it began.
        let at = if operation.completed == Duration::MAX {
            operation.invoked
        } else {
            operation.completed
        };
        lines.push((at, "INFO", text));
    }
    lines
}

/// The first and the last lines.
fn ends(record: &Record) -> Vec<Line> {
    let Record {
        workload,
        seed,
        elapsed,
        ..
    } = record;
    let nodes = record.nodes.join(", ");
    let command = record.command_line.join(" ");
    let mut lines = vec![
        (
            Duration::ZERO,
            "INFO",
            format!("[run] began: {workload} on {nodes}, seed {seed}"),
        ),
        (Duration::ZERO, "INFO", format!("[run] command: {command}")),
    ];
    for kind in &record.never_struck {
        let text = format!("[nemesis] {kind} was asked for and never struck");
        lines.push((*elapsed, "WARN", text));
    }
    let anomalies = record.anomalies.found().iter();
    let anomalies = anomalies.map(|text| (*elapsed, "WARN", format!("[checker] {text}")));
    lines.extend(anomalies);
    let doubts = record.doubts.iter();
    lines.extend(doubts.map(|text| (*elapsed, "WARN", format!("[checker] unknown: {text}"))));
    let verdict = match record.verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown => "unknown",
        Verdict::Invalid => "invalid",
    };
    lines.push((*elapsed, "INFO", format!("[run] ended: {verdict}")));
    lines.push((
        *elapsed,
        "INFO",
        format!("[run] {}", record.verdict.closing_line()),
    ));
    lines
}

/// A time since the Unix epoch, as `2026-11-26 18:45:00.000`.
fn wall_clock(at: Duration) -> String {
    let (second, millis) = (at.as_secs() % 86_400, at.subsec_millis());
    let (year, month, day) = date(u128::from(at.as_secs() / 86_400));
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03}")
}

/// The date of a day since 1970-01-01, in years of 365.2425 days that begin in March: leap
/// days come last (Hinnant's `civil_from_days`).
pub(super) fn date(days: u128) -> (u128, u128, u128) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    (era * 400 + year + u128::from(month <= 2), month, day)
}
