//! The report of a run, and its failure.

use super::rules::Violation;
use super::trace::Trace;
use crate::time::Instant;
use crate::workload::faults::Faults;
use crate::workload::{Anomalies, History, Statistics};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// The results of a run that passed. A [`Failure`] contains one without a summary.
///
/// `{}` prints the summary, the counts and the faults that struck. If a kind of fault was
/// asked for and never struck, the print says so.
///
/// ```
/// # use {eddyline::sim::Report, std::time::Duration};
/// fn check<S: std::fmt::Debug>(report: &Report<S>) {
///     let Report { seed, summary, history, statistics, .. } = report;
///     assert!(history.availability() > 0.99, "seed {seed}: {summary:?}, {statistics:?}");
///     assert!(history.latency(0.5) < Duration::from_millis(300), "seed {seed}");
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Report<S> {
    /// The seed that replays the run.
    pub seed: u64,
    /// The measurements of the workload's checker.
    pub summary: S,
    /// All operations.
    pub history: History,
    /// How many messages went where.
    pub statistics: Statistics,
    /// The faults that struck, each with its span, and the kinds that were asked for and
    /// never struck. `{}` prints the list.
    pub faults: Faults,
    /// Messages among servers during the load, for each of its operations.
    pub server_messages_per_operation: f64,
    /// The virtual time at the end.
    pub elapsed: Instant,
    /// The last lines that nodes wrote for people.
    pub logs: Vec<String>,
    /// The conversation, if it was asked for.
    pub trace: Trace,
    /// A hash of all deliveries and their times: equal for equal runs.
    pub fingerprint: u64,
}

impl<S> Report<S> {
    /// Writes the counts of the run and its faults, a line each.
    fn write_run(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statistics = &self.statistics;
        writeln!(
            f,
            "{} operations, {} messages delivered, {} lost, {} doubled, {} cut off, \
             in {:?} of virtual time",
            self.history.operations().len(),
            statistics.delivered,
            statistics.lost,
            statistics.duplicated,
            statistics.cut,
            self.elapsed,
        )?;
        write!(f, "{}", self.faults)
    }
}

impl<S: fmt::Debug> fmt::Display for Report<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {:?}", self.seed, self.summary)?;
        self.write_run(f)
    }
}

/// How many anomalies, and violations, a person is shown at once.
const ANOMALIES_SHOWN: usize = 5;

/// How many log lines a person is shown at once.
const LOGS_SHOWN: usize = 10;

/// A run that failed. Printed, it says what went wrong and how to replay it. `{}` and
/// `{:?}` print the same, since a test that returns a `Result` uses the latter.
///
/// The run was repeated with the trace on. The whole conversation is in the
/// [`trace`](Report::trace) of the [`report`](Failure::report).
///
/// ```
/// use eddyline::sim::{Simulation, workload::Echo};
/// # use eddyline::{Context, Node, Request, Result};
/// # use serde_json::json;
/// # use std::rc::Rc;
/// # struct Parrot;
/// # impl Node for Parrot {
/// #     fn new(_: &Context) -> Self { Parrot }
/// #     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
/// #         cx.reply(&request, &json!({"echo": "hello"}))
/// #     }
/// # }
///
/// let failure = Simulation::new(7).run::<Parrot, _>(Echo::new()).unwrap_err();
/// assert!(failure.to_string().starts_with("echo failed with seed 7"));
/// assert!(failure.to_string().contains("EDDYLINE_SEED=7"));
/// assert!(failure.mentions("\"hello\" came back"));
/// assert!(!failure.report.trace.records().is_empty());
/// ```
pub struct Failure {
    /// The name of the workload.
    pub workload: &'static str,
    /// The rules that nodes broke. The first one ended the run.
    pub violations: Vec<Violation>,
    /// The anomalies that the checker has found.
    pub anomalies: Anomalies,
    /// The other results of the run.
    pub report: Report<()>,
    /// Whether the second run differed from the first: the nodes depend on something
    /// besides the seed.
    pub is_not_reproducible: bool,
}

impl Failure {
    /// Whether some anomaly or violation contains `text`.
    ///
    /// ```
    /// # fn test(failure: &eddyline::sim::Failure) {
    /// assert!(failure.mentions("is lost"), "{failure}");
    /// # }
    /// ```
    pub fn mentions(&self, text: &str) -> bool {
        let anomalies = self.anomalies.found().iter();
        let mut violations = self.violations.iter().map(Violation::to_string);
        anomalies.into_iter().any(|anomaly| anomaly.contains(text))
            || violations.any(|violation| violation.contains(text))
    }

    /// Writes the conversation to files in `folder`, which is made if it does not exist:
    /// all of it to `<workload>-<seed>.jsonl`, and the sequence diagram of `span` to
    /// `<workload>-<seed>.svg`. Returns the paths.
    ///
    /// ```no_run
    /// # use eddyline::sim::Failure;
    /// # use eddyline::time::Instant;
    /// # fn test(failure: Box<Failure>) {
    /// let span = Instant::from_millis(2_000)..Instant::from_millis(2_300);
    /// let written = failure.write("target/failures", span).unwrap();
    /// panic!("{failure}\nlook at {written:?}");
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(
        &self,
        folder: impl AsRef<Path>,
        span: Range<Instant>,
    ) -> io::Result<[PathBuf; 2]> {
        let folder = folder.as_ref();
        let name = format!("{}-{}", self.workload, self.report.seed);
        let [lines, diagram] = ["jsonl", "svg"].map(|end| folder.join(format!("{name}.{end}")));
        fs::create_dir_all(folder)?;
        fs::write(&lines, self.report.trace.to_json_lines())?;
        fs::write(&diagram, self.report.trace.to_svg(span))?;
        Ok([lines, diagram])
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.report.seed;
        writeln!(f, "{} failed with seed {seed}:", self.workload)?;
        for violation in self.violations.iter().take(ANOMALIES_SHOWN) {
            writeln!(f, "  - {violation}")?;
        }
        for anomaly in self.anomalies.found().iter().take(ANOMALIES_SHOWN) {
            writeln!(f, "  - {anomaly}")?;
        }
        if self.anomalies.total() > ANOMALIES_SHOWN {
            writeln!(f, "  … {} anomalies in all", self.anomalies.total())?;
        }
        let logs = &self.report.logs;
        if !logs.is_empty() {
            writeln!(f, "the last lines that nodes logged:")?;
        }
        for line in &logs[logs.len().saturating_sub(LOGS_SHOWN)..] {
            writeln!(f, "  {line}")?;
        }
        self.report.write_run(f)?;
        if self.is_not_reproducible {
            return write!(
                f,
                "seed {seed} does NOT replay it: a second run was different. Some node depends \
                 on more than its messages and its context: the order of a HashMap, the real \
                 clock, a generator of its own, or a static"
            );
        }
        write!(
            f,
            "EDDYLINE_SEED={seed} replays it exactly where the test's seeds come from \
             `eddyline::sim::seeds`, and `Simulation::new({seed})` with the same settings does anywhere"
        )
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}
