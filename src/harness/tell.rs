//! A run in words, and in files.

use super::check::Judgement;
use super::complaints::Complaint;
use super::record::{Record, Verdict};
use super::run::Tested;
use super::store;
use crate::workload::faults::FaultSpan;
use crate::workload::{History, Operation, Outcome, Phase, Statistics};
use serde_json::json;
use std::fmt::{self, Write};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How many problems, anomalies and faults are told. The record has them all.
const TOLD_MAX: usize = 10;

fn fault(record: &Record, span: &FaultSpan) -> String {
    let fault = record.fault(span);
    let from = span.from.as_secs_f64();
    match span.to {
        Some(to) => {
            let to = to.as_secs_f64();
            format!("{fault}, {from:.3} s to {to:.3} s")
        }
        None => format!("{fault}, {from:.3} s to the end"),
    }
}

/// The operations in words. Those of the setup are in no count, as in Maelstrom's history.
fn operations(history: &History) -> String {
    let (mut done, mut failed, mut unknown) = (0, 0, 0);
    let all = history.operations().iter();
    for operation in all.filter(|operation| operation.phase != Phase::Setup) {
        *match operation.outcome {
            Outcome::Ok(_) => &mut done,
            Outcome::Fail(_) => &mut failed,
            Outcome::Info(_) => &mut unknown,
        } += 1;
    }
    let load = history.load().count();
    let load_done = history.load().filter(|operation| operation.is_ok()).count();
    let availability = match load {
        0 => "no availability, as the load had none".to_owned(),
        _ => format!(
            "availability {:.4} ({load_done} of {load} in the load)",
            history.availability()
        ),
    };
    format!("operations: {done} ok, {failed} failed, {unknown} unknown; {availability}")
}

/// The latencies in words: those of the load.
fn latencies(history: &History) -> String {
    match LATENCIES.map(|(_, fraction)| latency_ms(history, fraction)) {
        [_, Some(half), Some(most), Some(nearly_all), Some(longest)] => format!(
            "latency: median {half:.1} ms, 95% {most:.1} ms, 99% {nearly_all:.1} ms, \
             longest {longest:.1} ms"
        ),
        _ => "latency: none, as no operation of the load was done".to_owned(),
    }
}

/// The latencies that are told: a quantile and its name in JSON.
const LATENCIES: [(&str, f64); 5] = [
    ("0", 0.0),
    ("0.5", 0.5),
    ("0.95", 0.95),
    ("0.99", 0.99),
    ("1", 1.0),
];

/// A latency of the load, in milliseconds; `None` if no operation of it was done.
fn latency_ms(history: &History, fraction: f64) -> Option<f64> {
    let is_any_done = history.load().any(Operation::is_ok);
    is_any_done.then(|| history.latency(fraction).as_secs_f64() * 1000.0)
}

/// The messages in words. On NATS the tester sees those that it sends or gets itself.
fn messages(statistics: &Statistics, is_on_nats: bool) -> String {
    let Statistics {
        between_nodes,
        with_services,
        with_clients,
        lost,
        cut,
        to_the_dead,
        ..
    } = statistics;
    if is_on_nats {
        return format!(
            "messages: those between nodes are not seen on NATS, {with_services} with services, \
             {with_clients} with clients; of these {lost} lost, {to_the_dead} to nodes that were \
             down, and those cut off are not seen"
        );
    }
    format!(
        "messages: {between_nodes} between nodes, {with_services} with services, {with_clients} \
         with clients; {lost} lost, {cut} cut off, {to_the_dead} to nodes that were down"
    )
}

fn list(text: &mut String, title: &str, total: usize, lines: impl Iterator<Item = String>) {
    if total == 0 {
        return;
    }
    let _never_fails = writeln!(text, "{title}: {total}");
    for line in lines.take(TOLD_MAX) {
        let _never_fails = writeln!(text, "  {line}");
    }
    if total > TOLD_MAX {
        let _never_fails = writeln!(text, "  … and {} more", total - TOLD_MAX);
    }
}

impl Tested {
    /// Writes all files of the run below `root`, as [`store::save`] does, and keeps the folder.
    ///
    /// # Errors
    /// When a folder, a file or a link cannot be written: the path is in the error. The result in
    /// words then says so, too.
    pub fn save(&mut self, root: &Path) -> io::Result<()> {
        match store::save_with(&self.record, self.evidence(), root) {
            Ok(folder) => {
                self.folder = Some(folder);
                Ok(())
            }
            Err(error) => {
                self.not_written = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// The result as one JSON object in one line, for programs.
    ///
    /// It is that of `results.json`, with more keys: `verdict` is `"valid"`, `"invalid"` or
    /// `"unknown"`, `latencies-ms` of the load by quantile, each null if none of its operations was
    /// done, `doubts`, and `store`, the folder of the run's files or null. Durations are in
    /// milliseconds. `stats` counts all operations but those of the setup, and `availability` those
    /// of the load.
    ///
    /// ```
    /// fn verdict(tested: &eddyline::harness::Tested) -> serde_json::Value {
    ///     let result: serde_json::Value = serde_json::from_str(&tested.to_json()).unwrap();
    ///     result["verdict"].clone()
    /// }
    /// ```
    pub fn to_json(&self) -> String {
        let record = &self.record;
        let ms = |fraction| json!(latency_ms(&record.history, fraction));
        let latencies = LATENCIES.map(|(name, fraction)| (name.to_owned(), ms(fraction)));
        let mut result = store::value(record, self.evidence());
        result["verdict"] = json!(match record.verdict {
            Verdict::Valid => "valid",
            Verdict::Unknown => "unknown",
            Verdict::Invalid => "invalid",
        });
        result["latencies-ms"] = latencies.into_iter().collect();
        result["doubts"] = json!(self.doubts);
        result["store"] = json!(self.folder);
        result.to_string()
    }
}

/// The finding in words, without the closing line of its verdict: the figures, and the first ten
/// anomalies and doubts.
impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let figures = self.summary.as_object().into_iter().flatten();
        let figures = figures.filter(|(_, value)| value.is_number() || value.is_string());
        let figures = figures.map(|(name, value)| match value.as_str() {
            Some(word) => format!("{} {word}", name.replace('-', " ")),
            None => format!("{} {value}", name.replace('-', " ")),
        });
        let figures: Vec<String> = figures.collect();
        if !figures.is_empty() {
            let _never_fails = writeln!(text, "measured: {}", figures.join(", "));
        }
        let anomalies = self.anomalies.found().iter().cloned();
        list(&mut text, "anomalies", self.anomalies.total(), anomalies);
        let doubts = self.doubts.iter().cloned();
        list(&mut text, "doubts", self.doubts.len(), doubts);
        f.write_str(&text)
    }
}

/// The result in words, and the closing line of its verdict.
impl fmt::Display for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&result(self))
    }
}

/// The whole result, and the closing line.
fn result(tested: &Tested) -> String {
    let Record {
        workload,
        seed,
        elapsed,
        nodes,
        history,
        statistics,
        ..
    } = &tested.record;
    let record = &tested.record;
    let mut text = format!(
        "{workload}, {} {}, {:.1} s, seed {seed}\n{}\n{}\n{}\n",
        nodes.len(),
        if nodes.len() == 1 { "node" } else { "nodes" },
        elapsed.as_secs_f64(),
        operations(history),
        latencies(history),
        messages(statistics, record.is_on_nats),
    );
    if let serde_json::Value::Object(summary) = &record.summary {
        let _never_fails = writeln!(text, "measured: {}", measured(summary));
    }
    let faults = record.faults.iter().map(|span| fault(record, span));
    list(
        &mut text,
        "faults, in seconds since the start of the test",
        record.faults.len(),
        faults,
    );
    if !record.never_struck.is_empty() {
        let kinds = record.never_struck.join(", ");
        let _never_fails = writeln!(
            text,
            "WARNING: no fault of this kind struck, so the run shows nothing about it: {kinds}. \
             Use a longer --time-limit, a shorter --nemesis-interval or more nodes"
        );
    }
    let complaints = Complaint::all(&record.problems);
    if !complaints.is_empty() {
        let title = format!("problems: {}; kinds", record.problems.len());
        let problems = complaints.iter().map(Complaint::told);
        list(&mut text, &title, complaints.len(), problems);
    }
    let anomalies = record.anomalies.found().iter().cloned();
    list(&mut text, "anomalies", record.anomalies.total(), anomalies);
    if record.verdict == Verdict::Unknown {
        let doubts = tested.doubts.iter().cloned();
        list(&mut text, "doubts", tested.doubts.len(), doubts);
    }
    text.push_str(&end(tested));
    text
}

/// Where the report lies, the closing line, and why files are missing.
fn end(tested: &Tested) -> String {
    let report = tested.folder.as_ref().map_or_else(String::new, |folder| {
        format!("report: {}\n", folder.join("report.html").display())
    });
    let missing = tested.not_written.as_ref().map_or_else(String::new, |why| {
        format!("But the files of the run could not be written: {why}\n")
    });
    format!(
        "{report}{}\n{missing}",
        tested.record.verdict.closing_line()
    )
}

/// The checker's measurements, each with its name. Durations are in milliseconds.
fn measured(summary: &serde_json::Map<String, serde_json::Value>) -> String {
    let fields = summary.iter().map(|(name, value)| {
        let name = name.replace('_', " ");
        let duration = value["secs"].as_u64().zip(value["nanos"].as_u64());
        match duration {
            Some((secs, nanos)) => {
                let duration = Duration::from_secs(secs) + Duration::from_nanos(nanos);
                format!("{name} {:.1} ms", duration.as_secs_f64() * 1000.0)
            }
            None => match value.as_f64().filter(|_| value.is_f64()) {
                Some(number) => format!("{name} {number:.3}"),
                None if value.is_null() => format!("{name} not seen"),
                None => format!("{name} {value}"),
            },
        }
    });
    fields.collect::<Vec<String>>().join(", ")
}
