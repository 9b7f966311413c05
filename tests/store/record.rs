//! The record of a simulated run, as if its nodes had been processes.

use eddyline::harness::{LogLine, Message, MessageFate, Problem, Record, Verdict};
use eddyline::sim::workload::{Anomalies, ConsistencyModel};
use eddyline::sim::{Event, Failure, FaultKind, Loss, Report};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::time::Duration;

#[derive(serde::Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
}

/// The record of a run that failed.
pub(crate) fn of_failure(failure: &Failure, nodes: usize) -> Record {
    let mut record = of(&failure.report, failure.workload, nodes);
    record.anomalies = failure.anomalies.clone();
    record.verdict = Verdict::Invalid;
    record
}

/// The record of a run that passed.
pub(crate) fn of<S>(report: &Report<S>, workload: &'static str, nodes: usize) -> Record {
    let mut record = Record {
        workload,
        command_line: ["eddyline", "test", "-w", workload].map(Into::into).into(),
        seed: report.seed,
        started: Duration::from_secs(1_795_718_700),
        elapsed: Duration::from_nanos(report.elapsed.as_nanos()),
        nodes: (0..nodes).map(|node| format!("n{node}")).collect(),
        history: report.history.clone(),
        faults: report.faults.spans().to_vec(),
        never_struck: Vec::new(),
        messages: Vec::new(),
        messages_dropped: 0,
        logs: Vec::new(),
        problems: Vec::new(),
        statistics: report.statistics,
        is_on_nats: false,
        server_messages: report.statistics.among_servers(),
        verdict: Verdict::Valid,
        anomalies: Anomalies::default(),
        doubts: Vec::new(),
        model: ConsistencyModel::StrictSerializable,
        availability: None,
        summary: serde_json::json!({}),
    };
    let mut place: HashMap<u64, usize> = HashMap::new();
    for entry in report.trace.records() {
        let at = Duration::from_nanos(entry.at.as_nanos());
        match &entry.event {
            Event::Sent {
                id,
                src,
                dest,
                line,
            } => {
                let line: Line<'_> = serde_json::from_str(line).expect("a message");
                place.insert(*id, record.messages.len());
                record.messages.push(Message {
                    id: *id,
                    sent: at,
                    received: None,
                    src: src.clone(),
                    dest: dest.clone(),
                    body: line.body.get().into(),
                    fate: MessageFate::OnItsWay,
                });
            }
            Event::Arrived(id) => {
                if let Some(index) = place.get(id) {
                    record.messages[*index].received = Some(at);
                    record.messages[*index].fate = MessageFate::Delivered;
                }
            }
            Event::Dropped(id, loss) => {
                if let Some(index) = place.get(id) {
                    record.messages[*index].fate = match loss {
                        Loss::Lost => MessageFate::Lost,
                        Loss::Cut => MessageFate::Cut,
                        Loss::Down | Loss::Gone => MessageFate::ToTheDead,
                    };
                }
            }
            Event::Log(node, text) => record.logs.push(LogLine {
                at,
                node: node.clone(),
                text: text.clone(),
            }),
            Event::Fault(_) => {}
        }
    }
    record
}

/// Lines of logs, as nodes write them, and a problem.
pub(crate) fn add_noise(record: &mut Record) {
    for second in 0..record.elapsed.as_secs() {
        for node in record.nodes.clone() {
            record.logs.push(LogLine {
                at: Duration::from_secs(second),
                text: format!("second {second}: <b>all is well</b> with {node}"),
                node: node.into(),
            });
        }
    }
    // Crashes that are so short that no message of a finding is sent meanwhile.
    if let Some(fault) = record.faults.first().cloned() {
        let crashes = (1..record.elapsed.as_secs()).map(|second| {
            let mut crash = fault.clone();
            crash.kind = FaultKind::Crash;
            crash.nodes = vec![usize::try_from(second).unwrap_or(0) % record.nodes.len()];
            crash.from = Duration::from_secs(second);
            crash.to = Some(crash.from + Duration::from_micros(1));
            crash.detail = String::new();
            crash.links = Vec::new();
            crash
        });
        record.faults.extend(crashes);
        record.faults.sort_by_key(|fault| fault.from);
    }
    record.problems.push(Problem {
        at: Duration::from_secs(2),
        node: "n1".into(),
        line_number: Some(7),
        line: "debug: <!-- </script> here".to_owned(),
        why: "the line is no JSON object: expected value at column 1".to_owned(),
    });
}
