//! The results of a run, as EDN and as JSON.

use crate::harness::check::{Judgement, model_name};
use crate::harness::edn::Edn;
use crate::harness::evidence::Shown;
use crate::harness::record::{MessageFate, Record, Verdict};
use crate::harness::words;
use crate::workload::{Operation, Phase, Statistics};
use serde_json::{Map, Value, json};

/// `results.edn` and `results.json`.
pub(super) fn results(record: &Record, evidence: &[Shown]) -> (String, String) {
    let value = value(record, evidence);
    let mut for_edn = value.clone();
    let fraction = &mut for_edn["availability"]["ok-fraction"];
    if fraction.is_null() {
        // Maelstrom has a number there in any case.
        *fraction = json!(record.history.availability());
    }
    let edn = format!("{}\n", pretty(&form(&for_edn), 0));
    let json = serde_json::to_string_pretty(&value).unwrap_or_default();
    (edn, json + "\n")
}

/// The form of a result. Jepsen's third verdict is a keyword: `:valid? :unknown`.
fn form(value: &Value) -> Edn {
    let mut form = Edn::of(value);
    name_unknown(&mut form);
    form
}

fn name_unknown(form: &mut Edn) {
    match form {
        Edn::Sequence(_, items) => items.iter_mut().for_each(name_unknown),
        Edn::Map(entries) => {
            for (key, value) in entries {
                if *key == Edn::keyword("valid?") && *value == Edn::text("unknown") {
                    *value = Edn::keyword("unknown");
                }
                name_unknown(value);
            }
        }
        _ => {}
    }
}

/// Maelstrom's form of a verdict.
pub(super) fn valid(verdict: Verdict) -> Value {
    match verdict {
        Verdict::Valid => json!(true),
        Verdict::Unknown => json!("unknown"),
        Verdict::Invalid => json!(false),
    }
}

/// A judgement in the form of `results.edn`, with a newline.
pub fn judgement_edn(found: &Judgement) -> String {
    format!("{}\n", pretty(&form(&workload(found)), 0))
}

/// A judgement in the form of `results.json`, with its anomalies.
pub fn judgement_json(found: &Judgement) -> Value {
    let mut value = workload(found);
    value["anomalies"] = json!(found.anomalies.found());
    value["unknown"] = json!(found.doubts);
    value
}

fn workload(found: &Judgement) -> Value {
    let mut summary = found.summary.clone();
    summary["valid?"] = valid(found.verdict);
    summary["anomaly-count"] = json!(found.anomalies.total());
    json!({ "workload": summary, "valid?": valid(found.verdict) })
}

/// The results as a JSON value.
pub(in crate::harness) fn value(record: &Record, evidence: &[Shown]) -> Value {
    let mut workload = match &record.summary {
        Value::Object(summary) => summary.clone(),
        Value::Null => Map::new(),
        other => Map::from_iter([("summary".to_owned(), other.clone())]),
    };
    let no_anomaly = record.anomalies.total() == 0;
    let checked = match record.verdict {
        Verdict::Unknown => json!("unknown"),
        Verdict::Valid | Verdict::Invalid => json!(no_anomaly),
    };
    workload.insert("valid?".to_owned(), checked);
    workload.insert("anomaly-count".to_owned(), json!(record.anomalies.total()));
    let found = evidence.iter().map(Shown::to_json);
    workload.insert("anomalies".to_owned(), found.collect());
    workload.insert("unknown".to_owned(), json!(record.doubts));
    json!({
        "workload-name": record.workload,
        "workload": workload,
        "stats": stats(record),
        "consistency-models": consistency_models(record),
        "availability": availability(record),
        "net": net(record),
        "faults": faults(record),
        "problems": problems(record),
        "seed": record.seed,
        "command-line": record.command_line,
        "elapsed-ms": u64::try_from(record.elapsed.as_millis()).unwrap_or(u64::MAX),
        "valid?": valid(record.verdict),
    })
}

/// The model that a later check needs, in a list as on the command line; null if the workload has
/// no transactions.
fn consistency_models(record: &Record) -> Value {
    let is_txn = record.workload.starts_with("txn-");
    let name = model_name(record.model).filter(|_| is_txn);
    name.map_or(Value::Null, |name| json!([name]))
}

/// The availability. Its fraction is null if the load had no operation.
fn availability(record: &Record) -> Value {
    let has_load = record.history.load().next().is_some();
    let found = record.history.availability();
    json!({
        "valid?": record.availability.is_none_or(|wanted| found >= wanted),
        "ok-fraction": has_load.then_some(found),
        "wanted": record.availability,
    })
}

fn stats(record: &Record) -> Value {
    let operations = || {
        let all = record.history.operations().iter();
        all.filter(|operation| operation.phase != Phase::Setup)
    };
    let mut stats = counts(operations());
    let kinds = words::kinds(&record.history);
    let by_f = kinds.into_iter().filter_map(|kind| {
        let counts = counts(operations().filter(|operation| operation.kind() == kind));
        (counts["count"] != 0).then(|| (kind.to_owned(), counts))
    });
    stats["by-f"] = Value::Object(by_f.collect());
    stats
}

fn counts<'a>(operations: impl Iterator<Item = &'a Operation>) -> Value {
    let (mut all, mut ok, mut fail) = (0, 0, 0);
    for operation in operations {
        all += 1;
        ok += usize::from(operation.is_ok());
        fail += usize::from(operation.is_fail());
    }
    json!({
        "valid?": if ok > 0 || all == 0 { json!(true) } else { json!("unknown") },
        "count": all,
        "ok-count": ok,
        "fail-count": fail,
        "info-count": all - ok - fail,
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn net(record: &Record) -> Value {
    let Statistics {
        with_clients,
        delivered,
        lost,
        cut,
        to_the_dead,
        duplicated,
        ..
    } = record.statistics;
    let servers = record.statistics.among_servers();
    let operations = record.history.operations().len().max(1) as f64;
    // Clients are never cut off: every message that has gone was one among servers, unless
    // its node was down.
    let with_the_dead = record
        .messages
        .iter()
        .filter(|message| message.fate == MessageFate::ToTheDead && message.src.starts_with('c'));
    let clients_gone = u64::try_from(with_the_dead.count()).unwrap_or_default();
    let clients_received = with_clients.saturating_sub(clients_gone);
    let counted = |sent: u64, received: u64, has_all: bool| {
        json!({
            "send-count": sent,
            "recv-count": received,
            "msg-count": sent,
            "msgs-per-op": has_all.then_some(sent as f64 / operations),
        })
    };
    // On NATS the messages between nodes are in no count, so a ratio of them would be wrong. A
    // partition holds bytes up there, and which messages it costs is not seen.
    let has_all = !record.is_on_nats;
    json!({
        "all": counted(with_clients + servers, delivered, has_all),
        "clients": counted(with_clients, clients_received, true),
        "servers": counted(servers, delivered.saturating_sub(clients_received), has_all),
        "between-nodes-seen?": has_all,
        "lost-count": lost,
        "cut-count": has_all.then_some(cut),
        "to-the-dead-count": to_the_dead,
        "duplicated-count": duplicated,
        "valid?": true,
    })
}

fn faults(record: &Record) -> Value {
    let spans = record.faults.iter().map(|span| {
        let nodes = span.nodes.iter().map(|node| record.node_name(*node));
        json!({
            "kind": span.kind.to_string(),
            "nodes": nodes.collect::<Vec<String>>(),
            "from-ms": span.from.as_secs_f64() * 1_000.0,
            "to-ms": span.to.map(|to| to.as_secs_f64() * 1_000.0),
            "detail": span.detail,
            "cut": record.cut(span),
        })
    });
    json!({ "struck": spans.collect::<Vec<Value>>(), "never-struck": record.never_struck })
}

fn problems(record: &Record) -> Value {
    let problems = record.problems.iter().map(|problem| {
        json!({
            "node": &*problem.node,
            "time-ms": problem.at.as_secs_f64() * 1_000.0,
            "line-number": problem.line_number,
            "line": problem.line,
            "why": problem.why,
        })
    });
    problems.collect()
}

/// A form as Jepsen prints it: a map over several lines if it does not fit into one.
fn pretty(form: &Edn, indent: usize) -> String {
    const WIDTH: usize = 72;
    let flat = form.to_string();
    if flat.chars().count() + indent <= WIDTH {
        return flat;
    }
    match form {
        Edn::Map(entries) => {
            let lines = entries.iter().map(|(key, value)| {
                let key = key.to_string();
                let value = pretty(value, indent + 2 + key.chars().count());
                format!("{key} {value}")
            });
            let between = format!(",\n{}", " ".repeat(indent + 1));
            format!("{{{}}}", lines.collect::<Vec<String>>().join(&between))
        }
        Edn::Sequence('[', items) => {
            let lines = items.iter().map(|item| pretty(item, indent + 1));
            let between = format!("\n{}", " ".repeat(indent + 1));
            format!("[{}]", lines.collect::<Vec<String>>().join(&between))
        }
        _ => flat,
    }
}

#[cfg(test)]
mod tests {
    use super::{form, pretty};
    use crate::harness::edn::Edn;
    use serde_json::json;

    #[test]
    fn results_are_read_again_as_they_were_written() {
        let value = json!({
            "workload": { "valid?": false, "lost": [1, -2, 3.5], "none": null, "0.5": 7 },
            "text": "a \"word\", a \\ and\na line of more than the seventy-two characters of one",
            "anomalies": [{ "steps": [{ "text": "ü {", "messages": [] }] }],
            "valid?": "unknown",
        });
        let forms = Edn::read_all(&pretty(&form(&value), 0)).expect("EDN");
        assert_eq!(forms.len(), 1);
        assert_eq!(forms[0].1.to_json(), value);
    }
}
