//! echo: a reply has the value that was sent.

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::history::{Outcome, Request};
use serde_json::{Value, json};

/// Maelstrom's `echo`: `echo {echo}` -> `{echo}`.
#[derive(Debug, Clone, Default)]
pub struct Echo {}

/// The measurements of a run of [`Echo`].
///
/// ```
/// # use eddyline::{sim::Report, workload::EchoSummary};
/// fn check(report: &Report<EchoSummary>) {
///     assert!(report.summary.echoed > 900);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct EchoSummary {
    /// How many replies had the value that was sent.
    pub echoed: usize,
}

impl Echo {
    /// The workload.
    pub fn new() -> Echo {
        Echo::default()
    }
}

impl Workload for Echo {
    type Summary = EchoSummary;

    fn name(&self) -> &'static str {
        "echo"
    }

    fn next(&mut self, turn: Turn<'_>) -> Option<Request> {
        let text = format!("Please echo {}", turn.random.below(128));
        // Sometimes a value that a careless node would reformat.
        let what = match turn.random.below(8) {
            0 => json!([null, 1.5, { "b": "ü\n\"", "a": [] }]),
            1 => json!(turn.random.next_u64()),
            _ => json!(text),
        };
        Some(Request::new("echo", &json!({ "echo": what })))
    }

    fn reply_fields(&self, _: &str) -> &'static [&'static str] {
        &["echo"]
    }

    fn check(&self, run: &Observed<'_>) -> Result<EchoSummary, Anomalies> {
        let mut anomalies = Anomalies::default();
        let mut echoed = 0;
        for operation in run.history.operations() {
            let (client, node) = (&operation.client, operation.node);
            if let Outcome::Fail(error) | Outcome::Info(error) = &operation.outcome {
                anomalies.add(format_args!("n{node} did not echo to {client}: {error}"));
                continue;
            }
            let (sent, back) = (echo(operation.asked()), echo(operation.replied()));
            if sent == back {
                echoed += 1;
            } else {
                anomalies.add(format_args!(
                    "{client} sent {sent} to n{node}, and {back} came back"
                ));
            }
        }
        anomalies.or(EchoSummary { echoed })
    }
}

fn echo(fields: Option<Value>) -> Value {
    fields.map_or(Value::Null, |mut fields| fields["echo"].take())
}
