//! A run in words, and in files.

use super::check::Judgement;
use super::complaints::Complaint;
use super::record::{Record, Verdict};
use super::run::Tested;
use super::store;
use crate::workload::faults::FaultSpan;
use crate::workload::{History, Outcome};
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

fn counts(history: &History) -> (usize, usize, usize) {
    let mut counts = (0, 0, 0);
    for operation in history.operations() {
        *match operation.outcome {
            Outcome::Ok(_) => &mut counts.0,
            Outcome::Fail(_) => &mut counts.1,
            Outcome::Info(_) => &mut counts.2,
        } += 1;
    }
    counts
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
    /// `"unknown"`, `latencies-ms` by quantile, `doubts`, and `store`, the
    /// folder of the run's files or null. Durations are in milliseconds.
    ///
    /// ```
    /// fn verdict(tested: &eddyline::harness::Tested) -> serde_json::Value {
    ///     let result: serde_json::Value = serde_json::from_str(&tested.to_json()).unwrap();
    ///     result["verdict"].clone()
    /// }
    /// ```
    pub fn to_json(&self) -> String {
        let record = &self.record;
        let ms = |fraction| record.history.latency(fraction).as_secs_f64() * 1000.0;
        let quantiles = [
            ("0", 0.0),
            ("0.5", 0.5),
            ("0.95", 0.95),
            ("0.99", 0.99),
            ("1", 1.0),
        ];
        let latencies = quantiles.map(|(name, fraction)| (name.to_owned(), json!(ms(fraction))));
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
    let (done, failed, unknown) = counts(history);
    let ms = |fraction| history.latency(fraction).as_secs_f64() * 1000.0;
    let mut text = format!(
        "{workload}, {} {}, {:.1} s, seed {seed}\n\
         operations: {done} ok, {failed} failed, {unknown} unknown; availability {:.4}\n\
         latency: median {:.1} ms, 95% {:.1} ms, 99% {:.1} ms, longest {:.1} ms\n\
         messages: {}, {} with services, {} with clients; {} lost, {} cut off, {} to nodes that \
         were down\n",
        nodes.len(),
        if nodes.len() == 1 { "node" } else { "nodes" },
        elapsed.as_secs_f64(),
        history.availability(),
        ms(0.5),
        ms(0.95),
        ms(0.99),
        ms(1.0),
        match record.is_on_nats {
            true => "those between nodes are not seen on NATS".to_owned(),
            false => format!("{} between nodes", statistics.between_nodes),
        },
        statistics.with_services,
        statistics.with_clients,
        statistics.lost,
        statistics.cut,
        statistics.to_the_dead,
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
