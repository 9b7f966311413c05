//! `report.html` and `timeline.html`: one page each that needs no network.
//!
//! The page is a template, a style, a script and the data of the run as JSON, in columns:
//! 100,000 messages are six long lists of numbers, which a browser reads in a moment. It draws
//! only the part that is looked at. The data are a script of a type that no browser runs.

use super::{plots, results};
use crate::harness::complaints::{Complaint, raw};
use crate::harness::evidence::Shown;
use crate::harness::record::{Message, MessageFate, Record};
use crate::harness::words;
use crate::workload::{Operation, Outcome, Phase};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::time::Duration;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPTS: [&str; 5] = [
    include_str!("page/model.js"),
    include_str!("page/diagram.js"),
    include_str!("page/timeline.js"),
    include_str!("page/panels.js"),
    include_str!("page/start.js"),
];

/// How many messages, operations and lines of logs the page has: more than a person goes
/// through, and a page of some tens of megabytes.
const MESSAGES_MAX: usize = 150_000;
const OPERATIONS_MAX: usize = 100_000;
const LOGS_MAX: usize = 50_000;

/// How many characters of a body, a value or a line the page has.
const TEXT_MAX: usize = 600;

/// The page with everything.
pub(super) fn report(record: &Record, evidence: &[Shown]) -> String {
    let plots = [
        plots::latency_raw(record),
        plots::latency_quantiles(record),
        plots::rate(record),
    ];
    page(
        &data(record, evidence),
        Some(messages(record)),
        &plots.concat(),
    )
}

/// The page with the operations alone.
pub(super) fn timeline(record: &Record) -> String {
    let mut data = data(record, &[]);
    data["only"] = json!("timeline");
    data["messages"] = Value::Null;
    data["logs"] = json!([]);
    page(&data, None, "")
}

fn page(data: &Value, messages: Option<Columns<'_>>, plots: &str) -> String {
    #[derive(Serialize)]
    struct All<'a> {
        #[serde(flatten)]
        data: &'a Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        messages: Option<Columns<'a>>,
    }

    let title = "Eddyline: report of a run";
    let scripts = SCRIPTS.concat();
    let parts = [
        ("<!-- title -->", title),
        ("/* style */", STYLE),
        ("<!-- plots -->", plots),
        ("/* scripts */", &scripts),
        // The data come last: nothing is put into them.
        ("/* data */", ""),
    ];
    let mut page = Vec::new();
    let mut rest = PAGE;
    for (mark, text) in parts {
        let (before, behind) = rest.split_once(mark).unwrap_or((rest, ""));
        page.extend_from_slice(before.as_bytes());
        page.extend_from_slice(text.as_bytes());
        rest = behind;
    }
    // The data of a long run take tens of megabytes, so they are not copied.
    let _never_fails = serde_json::to_writer(InScript(&mut page), &All { data, messages });
    page.extend_from_slice(rest.as_bytes());
    String::from_utf8(page).unwrap_or_default()
}

/// Takes JSON. A text that ends a script or begins a comment in HTML cannot stand in a script,
/// so `<`, which only strings have, is escaped.
struct InScript<'a>(&'a mut Vec<u8>);

impl io::Write for InScript<'_> {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        for part in json.split_inclusive(|byte| *byte == b'<') {
            match part.strip_suffix(b"<") {
                Some(before) => {
                    self.0.extend_from_slice(before);
                    self.0.extend_from_slice(br"\u003c");
                }
                None => self.0.extend_from_slice(part),
            }
        }
        Ok(json.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The data of the page. Times are whole microseconds since the start; -1 is never.
fn data(record: &Record, evidence: &[Shown]) -> Value {
    let anomalies = evidence.iter().map(Shown::to_json);
    let faults = record.faults.iter().map(|span| {
        let nodes = span.nodes.iter().map(|node| record.node_name(*node));
        json!({
            "kind": span.kind.to_string(),
            "nodes": nodes.collect::<Vec<String>>(),
            "from": micros(span.from),
            "to": span.to.map_or(-1, micros),
            "detail": span.detail,
            "cut": record.cut(span),
        })
    });
    let problems = Complaint::all(&record.problems);
    let problems = problems.iter().map(
        |Complaint {
             first: problem,
             count,
         }| {
            // The last words of a node that has ended stand below the sentence, as it wrote them.
            let (why, words) = problem.why.split_once('\n').unwrap_or((&problem.why, ""));
            let words: Vec<&str> = words
                .lines()
                .map(|it| it.strip_prefix("    ").unwrap_or(it))
                .collect();
            json!({
                "count": count,
                "words": words.iter().map(|line| raw(line)).collect::<Vec<String>>().join("\n"),
                "at": micros(problem.at),
                "node": &*problem.node,
                "number": problem.line_number,
                "line": raw(&cut(&problem.line, TEXT_MAX)),
                "why": why,
            })
        },
    );
    let logs = record.logs.iter().take(LOGS_MAX);
    let logs = logs.map(|line| json!([micros(line.at), &*line.node, cut(&line.text, TEXT_MAX)]));
    let mut data = json!({
        "workload": record.workload,
        "seed": record.seed,
        "command": record.command_line,
        "started": u64::try_from(record.started.as_millis()).unwrap_or_default(),
        "elapsed": micros(record.elapsed),
        "verdict": results::valid(record.verdict),
        "nodes": record.nodes,
        "anomalies": anomalies.collect::<Vec<Value>>(),
        "anomalyCount": record.anomalies.total(),
        "doubts": record.doubts,
        "problems": problems.collect::<Vec<Value>>(),
        "faults": faults.collect::<Vec<Value>>(),
        "neverStruck": record.never_struck,
        "summary": record.summary,
        "statistics": statistics(record),
        "availability": record.history.load().next().map(|_| record.history.availability()),
        "operationsLeftOut": record.history.operations().len().saturating_sub(OPERATIONS_MAX),
        "logs": logs.collect::<Vec<Value>>(),
        "logsLeftOut": record.logs.len().saturating_sub(LOGS_MAX),
    });
    // The macro copies its values, and these are large.
    data["operations"] = operations(record);
    data
}

fn statistics(record: &Record) -> Value {
    let statistics = record.statistics;
    json!({
        "clients": statistics.with_clients,
        "servers": statistics.among_servers(),
        "betweenNodesSeen": !record.is_on_nats,
        "delivered": statistics.delivered,
        "lost": statistics.lost,
        "cut": statistics.cut,
        "toTheDead": statistics.to_the_dead,
        "duplicated": statistics.duplicated,
        "tooLate": statistics.too_late,
    })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(-1)
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The operations in columns. Those of the setup are there, so that their numbers are those
/// of the evidence, and marked.
fn operations(record: &Record) -> Value {
    let all = record.history.operations();
    let all = &all[..all.len().min(OPERATIONS_MAX)];
    let column = |of: &dyn Fn(&Operation) -> Value| all.iter().map(of).collect::<Value>();
    let words = all.iter().map(|operation| {
        let fields: Value = operation.asked().unwrap_or_default();
        let asked = words::asked(record.workload, operation.kind(), &fields);
        let ended = match &operation.outcome {
            Outcome::Ok(body) => {
                let reply: Value = serde_json::from_str(body).unwrap_or_default();
                words::answered(record.workload, operation.kind(), &fields, &reply).to_string()
            }
            Outcome::Fail(error) | Outcome::Info(error) => error.to_string(),
        };
        [cut(&asked.to_string(), TEXT_MAX), cut(&ended, TEXT_MAX)]
    });
    let (asked, ended): (Vec<String>, Vec<String>) = words.map(|[one, other]| (one, other)).unzip();
    json!({
        "client": column(&|it| (*it.client).into()),
        "node": column(&|it| it.node.into()),
        "kind": column(&|it| it.kind().into()),
        "from": column(&|it| micros(it.invoked).into()),
        "to": column(&|it| {
            let never = it.completed == Duration::MAX;
            (if never { -1 } else { micros(it.completed) }).into()
        }),
        "outcome": column(&|it| match it.outcome {
            Outcome::Ok(_) => "ok".into(),
            Outcome::Fail(_) => "fail".into(),
            Outcome::Info(_) => "info".into(),
        }),
        "phase": column(&|it| match it.phase {
            Phase::Setup => "setup".into(),
            Phase::Load => "load".into(),
            Phase::Final => "final".into(),
        }),
        "asked": asked,
        "ended": ended,
    })
}

/// Words that stand in many messages: each has a number.
#[derive(Default)]
struct Names<'a> {
    numbers: HashMap<&'a str, usize>,
    list: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn number(&mut self, name: &'a str) -> usize {
        let next = self.list.len();
        *self.numbers.entry(name).or_insert_with(|| {
            self.list.push(name);
            next
        })
    }
}

#[derive(serde::Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    r#type: std::borrow::Cow<'a, str>,
}

fn messages(record: &Record) -> Columns<'_> {
    let kept = &record.messages[..record.messages.len().min(MESSAGES_MAX)];
    let mut names = Names::default();
    for node in &record.nodes {
        names.number(node);
    }
    let kinds: Vec<String> = kept
        .iter()
        .map(|message| {
            let kind = serde_json::from_str::<Kind<'_>>(&message.body);
            kind.map(|kind| kind.r#type.into_owned())
                .unwrap_or_default()
        })
        .collect();
    let mut kind_names = Names::default();
    let kind: Vec<usize> = kinds.iter().map(|kind| kind_names.number(kind)).collect();
    let src: Vec<usize> = kept.iter().map(|it| names.number(&it.src)).collect();
    let dest: Vec<usize> = kept.iter().map(|it| names.number(&it.dest)).collect();
    let fate = kept.iter().map(|it| match it.fate {
        MessageFate::Delivered => 'd',
        MessageFate::Lost => 'l',
        MessageFate::Cut => 'c',
        MessageFate::ToTheDead => 'x',
        MessageFate::OnItsWay => 'o',
    });
    let left_out = u64::try_from(record.messages.len() - kept.len()).unwrap_or_default();
    Columns {
        names: names.list,
        kinds: kind_names.list.into_iter().map(str::to_owned).collect(),
        id: kept.iter().map(|it| it.id).collect(),
        sent: kept.iter().map(|it| micros(it.sent)).collect(),
        received: kept
            .iter()
            .map(|it| it.received.map_or(-1, micros))
            .collect(),
        src,
        dest,
        kind,
        fate: fate.collect(),
        body: Bodies(kept),
        left_out: left_out + record.messages_dropped,
    }
}

/// The messages in columns. They are most of a page, so they are written from here: as a
/// `Value`, those of a long run would take twice the memory of the run itself.
#[derive(Serialize)]
struct Columns<'a> {
    names: Vec<&'a str>,
    kinds: Vec<String>,
    id: Vec<u64>,
    sent: Vec<i64>,
    received: Vec<i64>,
    src: Vec<usize>,
    dest: Vec<usize>,
    kind: Vec<usize>,
    fate: String,
    body: Bodies<'a>,
    #[serde(rename = "leftOut")]
    left_out: u64,
}

struct Bodies<'a>(&'a [Message]);

impl Serialize for Bodies<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|it| cut(&it.body, TEXT_MAX)))
    }
}
