//! What a run reports, and how it fails.

use super::cluster::Violation;
use super::history::History;
use super::statistics::Statistics;
use super::trace::Trace;
use crate::time::Instant;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs, io};

/// What a run has shown, when it passed; part of a [`Failure`] when it did not.
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
    /// The seed that replays it.
    pub seed: u64,
    /// What the workload's checker has measured.
    pub summary: S,
    /// All operations.
    pub history: History,
    /// How many messages went where.
    pub statistics: Statistics,
    /// How many messages went among servers during the load, for each of its
    /// operations.
    pub server_messages_per_operation: f64,
    /// How long the run took, in virtual time.
    pub elapsed: Instant,
    /// The last lines that nodes wrote for people.
    pub logs: Vec<String>,
    /// The conversation, if it was asked for.
    pub trace: Trace,
    /// A hash of all that was delivered, and when: equal for equal runs.
    pub fingerprint: u64,
}

/// How many operations of a kind must have been tried before it counts that none was
/// done.
const KIND_TRIES: usize = 100;

/// How many anomalies of a failed run are kept; more only are counted.
const ANOMALIES_MAX: usize = 100;

/// How many of them a person is shown at once.
const ANOMALIES_SHOWN: usize = 5;

/// How many log lines a person is shown at once.
const LOGS_SHOWN: usize = 10;

/// What a checker has found wrong.
///
/// ```
/// use eddyline::sim::Anomalies;
///
/// let mut anomalies = Anomalies::default();
/// assert_eq!(anomalies.clone().or("fine"), Ok("fine"));
/// anomalies.add("value 7 is lost");
/// assert_eq!(anomalies.or("fine").unwrap_err().found(), ["value 7 is lost"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Anomalies {
    found: Vec<String>,
    total: usize,
}

impl Anomalies {
    /// Adds one: what happened, to what.
    ///
    /// ```
    /// let mut anomalies = eddyline::sim::Anomalies::default();
    /// anomalies.add(format_args!("value {} is lost", 7));
    /// assert_eq!(anomalies.total(), 1);
    /// ```
    pub fn add(&mut self, what: impl fmt::Display) {
        self.total += 1;
        if self.found.len() < ANOMALIES_MAX {
            self.found.push(what.to_string());
        }
    }

    /// `summary` if nothing was found.
    ///
    /// ```
    /// assert_eq!(eddyline::sim::Anomalies::default().or(7), Ok(7));
    /// ```
    ///
    /// # Errors
    /// The anomalies if there are any.
    pub fn or<S>(self, summary: S) -> Result<S, Anomalies> {
        if self.total == 0 {
            Ok(summary)
        } else {
            Err(self)
        }
    }

    /// Adds every operation of the load that was not done, for workloads that
    /// must always be answered.
    ///
    /// ```
    /// # use eddyline::sim::{Anomalies, workload::Observed};
    /// fn check(run: &Observed<'_>) -> Result<(), Anomalies> {
    ///     let mut anomalies = Anomalies::default();
    ///     anomalies.check_availability(run.history);
    ///     anomalies.or(())
    /// }
    /// ```
    pub fn check_availability(&mut self, history: &History) {
        for operation in history.load().filter(|operation| !operation.is_ok()) {
            self.add(format_args!(
                "not available: n{} did not do {} of {} at {:?}: {:?}",
                operation.node,
                operation.kind(),
                operation.client,
                operation.invoked,
                operation.outcome,
            ));
        }
    }

    /// Adds what a load did not do at all: a node that refuses everything breaks no
    /// promise, but shows nothing either. A kind of operation counts once there were
    /// [`KIND_TRIES`] of it: fewer compare-and-sets may all miss by chance.
    pub(super) fn check_progress(&mut self, history: &History) {
        let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for operation in history.load() {
            let (tried, done) = kinds.entry(operation.kind()).or_default();
            *tried += 1;
            *done += usize::from(operation.is_ok());
        }
        let all = kinds.values().map(|(tried, _)| tried).sum::<usize>();
        if all > 0 && kinds.values().all(|(_, done)| *done == 0) {
            return self.add(format_args!("none of {all} operations was done"));
        }
        for (kind, (tried, done)) in kinds {
            if tried >= KIND_TRIES && done == 0 {
                self.add(format_args!("none of {tried} operations {kind:?} was done"));
            }
        }
    }

    /// These, and then the others.
    pub(super) fn and(mut self, others: Anomalies) -> Anomalies {
        self.total += others.total;
        self.found.extend(others.found);
        self.found.truncate(ANOMALIES_MAX);
        self
    }

    /// Those that were kept, the first hundred.
    ///
    /// ```
    /// assert!(eddyline::sim::Anomalies::default().found().is_empty());
    /// ```
    pub fn found(&self) -> &[String] {
        &self.found
    }

    /// How many there are.
    ///
    /// ```
    /// assert_eq!(eddyline::sim::Anomalies::default().total(), 0);
    /// ```
    pub fn total(&self) -> usize {
        self.total
    }
}

/// A run that failed. Shown, it says what went wrong and how to replay it; both
/// `{}` and `{:?}` do, since a test that returns a `Result` prints the latter.
///
/// It was run a second time with the trace on, so that the whole conversation is
/// at hand: [`trace`](Report::trace) of the [`report`](Failure::report).
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
    /// The rules that a node broke. The first one ended the run.
    pub violations: Vec<Violation>,
    /// What the checker has found.
    pub anomalies: Anomalies,
    /// All that the run has shown.
    pub report: Report<()>,
    /// Whether the second run went another way than the first: the nodes draw
    /// on something that is not the seed's.
    pub is_not_reproducible: bool,
}

impl Failure {
    /// Whether some anomaly or violation says `text`.
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
}

impl Failure {
    /// Writes the conversation to files in `folder`, which is made if it is not
    /// there: `<workload>-<seed>.jsonl`, the whole of it, and
    /// `<workload>-<seed>.svg`, the sequence diagram of `span`. Returns the paths.
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
    /// The system's own, when a file cannot be written.
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
        let statistics = &self.report.statistics;
        writeln!(
            f,
            "{} operations, {} messages delivered, {} lost, {} cut off, in {:?} of virtual time",
            self.report.history.operations().len(),
            statistics.delivered,
            statistics.lost,
            statistics.cut,
            self.report.elapsed,
        )?;
        if self.is_not_reproducible {
            return write!(
                f,
                "seed {seed} does NOT replay it: a second run went another way. Some node depends \
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

/// A quantile (0 to 1) of durations in order; zero if there are none.
pub(super) fn quantile(sorted: &[Duration], quantile: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index between 0 and the length"
    )]
    let index = (last as f64 * quantile.clamp(0.0, 1.0)).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}
