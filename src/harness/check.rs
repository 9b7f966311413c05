//! Judging a history: the checker of its workload, and the verdict in numbers.
//!
//! | verdict | when |
//! |---|---|
//! | invalid | the checker has found something, or a node broke a rule |
//! | unknown | the history is empty, a kind of operation was never done, no element was ever seen by a read, or the search for an order was given up |
//! | valid | else |
//!
//! An invalid run stays invalid, however much of it is unknown.

use super::edn::Edn;
use super::plan::MODELS;
use super::record::Verdict;
use crate::workload::{
    Anomalies, Broadcast, ConsistencyModel, Counter, Echo, Elements, GSet, History, HistoryError,
    HistoryReader, Kafka, LinKv, Observed, Operation, Phase, TxnListAppend, TxnRwRegister,
    UniqueIds, Workload,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The model that a list of names with commas between asks for: each is stricter than those
/// before it, so the strictest stands for all.
///
/// ```
/// use eddyline::harness::consistency_model;
/// use eddyline::workload::ConsistencyModel;
///
/// let model = consistency_model("read-committed,serializable");
/// assert_eq!(model, Ok(ConsistencyModel::Serializable));
/// assert!(consistency_model("sequential").unwrap_err().contains("read-committed"));
/// ```
///
/// # Errors
/// The name that is none, and those that there are.
pub fn consistency_model(names: &str) -> Result<ConsistencyModel, String> {
    let mut strictest = ConsistencyModel::ReadUncommitted;
    for name in names.split(',').map(str::trim) {
        let found = MODELS.iter().find(|(known, _)| *known == name);
        let Some((_, model)) = found else {
            let known: Vec<&str> = MODELS.iter().map(|(name, _)| *name).collect();
            let known = known.join(", ");
            return Err(format!(
                "no consistency model is called {name:?}: there are {known}"
            ));
        };
        strictest = strictest.max(*model);
    }
    Ok(strictest)
}

/// Maelstrom's name of a model.
pub(super) fn model_name(model: ConsistencyModel) -> Option<&'static str> {
    let named = MODELS.iter().find(|(_, known)| *known == model);
    named.map(|(name, _)| *name)
}

/// The operations that were not done, if more of them than `wanted` from 0 to 1 had to be.
pub(super) fn unavailable(wanted: f64, history: &History) -> Anomalies {
    let mut missed = Anomalies::default();
    let found = history.availability();
    if wanted >= 1.0 {
        missed.check_availability(history);
    } else if found < wanted {
        missed.add(format_args!(
            "availability is {found:.4}, and --availability asks for {wanted}"
        ));
    }
    missed
}

impl Judgement {
    /// The same, for a run whose operations had to be done: so large a part of them, from 0 to 1.
    ///
    /// ```
    /// use eddyline::harness::{Verdict, judge, read_history};
    /// use eddyline::workload::{ConsistencyModel, Observed};
    ///
    /// let lost = r#"{:type :invoke, :f :echo, :value "hi", :process 0, :time 1}"#;
    /// let history = read_history("echo", None, lost)?;
    /// let model = ConsistencyModel::StrictSerializable;
    /// let found = judge("echo", model, &Observed::of(&history)).expect("a known workload");
    /// let found = found.with_availability(1.0, &history);
    /// assert!(found.anomalies.found().iter().any(|text| text.contains("not available")));
    /// # Ok::<(), eddyline::workload::HistoryError>(())
    /// ```
    #[must_use]
    pub fn with_availability(mut self, wanted: f64, history: &History) -> Judgement {
        self.anomalies = self.anomalies.and(unavailable(wanted, history));
        if self.anomalies.total() > 0 {
            self.verdict = Verdict::Invalid;
        }
        self
    }
}

/// The finding about a history.
///
/// ```
/// use eddyline::harness::{Verdict, judge, read_history};
/// use eddyline::workload::{ConsistencyModel, Observed};
///
/// let lines = r#"{:type :invoke, :f :echo, :value "hi", :process 0, :time 1}
///                {:type :ok, :f :echo, :value {:type "echo_ok", :echo "ho"}, :process 0, :time 2}"#;
/// let history = read_history("echo", None, lines)?;
/// let model = ConsistencyModel::StrictSerializable;
/// let found = judge("echo", model, &Observed::of(&history)).expect("a known workload");
/// assert_eq!(found.verdict, Verdict::Invalid);
/// assert!(found.anomalies.found()[0].contains("came back"));
/// # Ok::<(), eddyline::workload::HistoryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The checker's findings.
    pub anomalies: Anomalies,
    /// Reasons why the verdict is unknown, each a sentence. They stand here too if it is
    /// invalid.
    pub doubts: Vec<String>,
    /// The measurements, a JSON object with Maelstrom's names where it has them.
    pub summary: Value,
}

/// Checks a run of the workload of that name; `None` if there is no such workload.
///
/// The model matters to the workloads of transactions only.
pub fn judge(workload: &str, model: ConsistencyModel, run: &Observed<'_>) -> Option<Judgement> {
    let mut anomalies = find(workload, model, run)?;
    if run.history.operations().is_empty() {
        // Of nothing, nothing is known: a final read that is missing is no finding either.
        anomalies = Anomalies::default();
    }
    let (summary, doubts) = measure(workload, model, run.history);
    let verdict = if anomalies.total() > 0 {
        Verdict::Invalid
    } else if doubts.is_empty() {
        Verdict::Valid
    } else {
        Verdict::Unknown
    };
    Some(Judgement {
        verdict,
        anomalies,
        doubts,
        summary,
    })
}

fn find(workload: &str, model: ConsistencyModel, run: &Observed<'_>) -> Option<Anomalies> {
    Some(match workload {
        "echo" => anomalies(&Echo::new(), run),
        "unique-ids" => anomalies(&UniqueIds::new(), run),
        "broadcast" => anomalies(&Broadcast::new(), run),
        "g-set" => anomalies(&GSet::new(), run),
        "g-counter" => anomalies(&Counter::g(), run),
        "pn-counter" => anomalies(&Counter::pn(), run),
        "lin-kv" => anomalies(&LinKv::new(), run),
        "kafka" => anomalies(&Kafka::new(), run),
        "txn-list-append" => anomalies(&TxnListAppend::new().model(model), run),
        "txn-rw-register" => anomalies(&TxnRwRegister::new().model(model), run),
        _ => return None,
    })
}

fn anomalies<W: Workload>(workload: &W, run: &Observed<'_>) -> Anomalies {
    workload.check(run).err().unwrap_or_default()
}

/// The measurements of a history, and the reasons for doubt.
pub(crate) fn measure(
    workload: &str,
    model: ConsistencyModel,
    history: &History,
) -> (Value, Vec<String>) {
    let mut doubts = never_done(history);
    let summary = match workload {
        "broadcast" => set(&Broadcast::elements(history), &mut doubts),
        "g-set" => set(&GSet::elements(history), &mut doubts),
        "g-counter" | "pn-counter" => counter(history),
        "lin-kv" => lin_kv(history, &mut doubts),
        "txn-list-append" | "txn-rw-register" => {
            json!({ "consistency-model": model_name(model) })
        }
        _ => json!({}),
    };
    (summary, doubts)
}

/// The kinds of operations of which none was done. A `crash` never is: it stands for a client
/// that was thrown away.
fn never_done(history: &History) -> Vec<String> {
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for operation in history.operations() {
        let (tried, done) = kinds.entry(operation.kind()).or_default();
        *tried += 1;
        *done += usize::from(operation.is_ok());
    }
    let never = kinds
        .iter()
        .filter(|(kind, (_, done))| *done == 0 && **kind != "crash");
    let mut doubts: Vec<String> = never
        .map(|(kind, (tried, _))| {
            format!("none of {tried} operations {kind:?} was done, so nothing is known about them")
        })
        .collect();
    if kinds.is_empty() {
        doubts.push("there was no operation, so nothing is known".to_owned());
    }
    doubts
}

fn set(elements: &Elements, doubts: &mut Vec<String>) -> Value {
    if elements.stable == 0 && elements.lost.is_empty() {
        doubts.push("no read shows that any element was kept".to_owned());
    }
    let quantiles = ["0", "0.5", "0.95", "0.99", "1"].into_iter().map(|name| {
        let fraction: f64 = name.parse().unwrap_or_default();
        let millis = elements.stable_latency(fraction).as_millis();
        (
            name.to_owned(),
            json!(u64::try_from(millis).unwrap_or(u64::MAX)),
        )
    });
    json!({
        "attempt-count": elements.attempted,
        "stable-count": elements.stable,
        "stale-count": elements.stale,
        "lost-count": elements.lost.len(),
        "lost": elements.lost,
        "never-read-count": elements.never_read,
        "duplicated-count": elements.duplicated,
        "stable-latencies": Value::Object(quantiles.collect()),
    })
}

fn counter(history: &History) -> Value {
    let (mut sum, mut least, mut most) = (0_i64, 0_i64, 0_i64);
    for add in history.of_kind("add").filter(|add| !add.is_fail()) {
        let asked: Option<Value> = add.asked();
        let delta = asked.and_then(|asked| asked["delta"].as_i64());
        let delta = delta.unwrap_or_default();
        if add.is_ok() {
            sum = sum.saturating_add(delta);
        } else {
            least = least.saturating_add(delta.min(0));
            most = most.saturating_add(delta.max(0));
        }
    }
    let finals = history
        .done("read")
        .filter(|read| read.phase == Phase::Final);
    let finals = finals.filter_map(|read| Some(read.replied::<Value>()?["value"].take()));
    json!({
        "final-reads": finals.collect::<Vec<Value>>(),
        "acceptable": [[sum.saturating_add(least), sum.saturating_add(most)]],
    })
}

fn lin_kv(history: &History, doubts: &mut Vec<String>) -> Value {
    let undecided = LinKv::new().check(&Observed::of(history));
    let undecided = undecided.map_or(0, |summary| summary.undecided);
    if undecided > 0 {
        doubts.push(format!(
            "the search for an order was given up for {undecided} keys: too many operations have \
             an unknown outcome"
        ));
    }
    let key = |operation: &Operation| operation.asked::<Value>()?["key"].as_u64();
    let keys = history.operations().iter().filter_map(key);
    let keys: std::collections::BTreeSet<u64> = keys.collect();
    json!({ "key-count": keys.len(), "undecided-count": undecided })
}

/// Reads a history from a text: lines of JSON, or EDN as Maelstrom's `history.edn`, a map a
/// form or one vector of maps. Lines that do not say which node was asked ask node i modulo
/// `nodes`, for client i.
///
/// # Errors
/// The first line that is wrong, and why.
pub fn read_history(
    workload: &str,
    nodes: Option<usize>,
    text: &str,
) -> Result<History, HistoryError> {
    let reader = HistoryReader::new(workload).nodes(nodes.unwrap_or(1));
    if is_json(text) {
        return reader.read(text);
    }
    let wrong = |(line, why)| HistoryError {
        line: Some(line),
        why,
    };
    let mut forms = Edn::read_all(text).map_err(wrong)?;
    if let [(line, Edn::Sequence(_, operations))] = &mut forms[..] {
        let line = *line;
        forms = std::mem::take(operations)
            .into_iter()
            .map(|form| (line, form))
            .collect();
    }
    let mut lines = String::new();
    for (_, form) in &forms {
        lines.push_str(&form.to_json().to_string());
        lines.push('\n');
    }
    reader.read(&lines).map_err(|error| HistoryError {
        line: error
            .line
            .and_then(|line| Some(forms.get(line.checked_sub(1)?)?.0)),
        why: error.why,
    })
}

/// Whether the first line is JSON. A line of EDN never is: its keywords are no strings.
fn is_json(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty());
    first.is_none_or(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()))
}
