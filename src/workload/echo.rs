//! echo: a reply has the value that was sent.

use super::anomalies::Anomalies;
use super::contract::{Observed, Turn, Workload};
use super::history::{Outcome, Request};
use serde_json::{Value, json};

/// Maelstrom's `echo`: `echo {echo}` -> `{echo}`.
///
/// Some of the values are none that Maelstrom sends: a careless node of this library would
/// reformat them. [`plain`](Echo::plain) leaves them out.
#[derive(Debug, Clone, Default)]
pub struct Echo {
    is_plain: bool,
}

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

    /// The workload with Maelstrom's values alone, `"Please echo 0"` to `"Please echo 127"`.
    /// Nodes of every language can echo them: the numbers of JavaScript and of Go's `any` have
    /// 53 bits.
    ///
    /// ```
    /// use eddyline::{Random, workload::{Echo, Turn, Workload}};
    ///
    /// let (nodes, mut random) = (["n0".to_owned()], Random::new(7));
    /// let turn = Turn { worker: 0, client: "c1", node: 0, nodes: &nodes, random: &mut random };
    /// let request = Echo::plain().next(turn).unwrap();
    /// assert!(request.fields.get().starts_with(r#"{"echo":"Please echo "#));
    /// ```
    #[must_use]
    pub fn plain() -> Echo {
        Echo { is_plain: true }
    }
}

impl Workload for Echo {
    type Summary = EchoSummary;

    fn name(&self) -> &'static str {
        "echo"
    }

    fn next(&mut self, turn: Turn<'_>) -> Option<Request> {
        let text = format!("Please echo {}", turn.random.below(128));
        if self.is_plain {
            return Some(Request::new("echo", &json!({ "echo": text })));
        }
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
            } else if let Some(why) = operation.unreadable() {
                anomalies.add(format_args!(
                    "{client} sent {sent} to n{node}, and the reply is wrong: {why}"
                ));
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

#[cfg(test)]
mod tests {
    use super::{Echo, Outcome};
    use crate::random::Random;
    use crate::workload::{HistoryReader, Observed, Turn, Workload};
    use serde_json::Value;

    #[test]
    fn a_reply_that_cannot_be_read_is_told_as_such() {
        let lines = r#"{"time":1,"type":"invoke","process":0,"f":"echo","value":"a"}"#;
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for (back, why) in [
            ("\"\\ud800\"", "hex escape"),
            ("1e999", "number out of range"),
            (&deep, "recursion limit exceeded"),
        ] {
            let mut history = HistoryReader::new("echo").read(lines).unwrap();
            let body = format!(r#"{{"type":"echo_ok","echo":{back}}}"#);
            history.get_mut(0).outcome = Outcome::Ok(body.into());
            let found = Echo::new().check(&Observed::of(&history)).unwrap_err();
            let found = &found.found()[0];
            assert!(found.contains(why) && found.contains("column"), "{found}");
        }
    }

    #[test]
    fn plain_values_are_those_of_maelstrom() {
        let is_plain = |mut echo: Echo| {
            let mut random = Random::new(1);
            (0..1_000).all(|_| {
                let turn = Turn {
                    worker: 0,
                    client: "c1",
                    node: 0,
                    nodes: &["n0".to_owned()],
                    random: &mut random,
                };
                let request = echo.next(turn).unwrap();
                let fields: Value = serde_json::from_str(request.fields.get()).unwrap();
                let text = fields["echo"].as_str();
                let number = text.and_then(|text| text.strip_prefix("Please echo "));
                number.is_some_and(|number| number.parse::<u8>().is_ok_and(|it| it < 128))
            })
        };
        assert!(is_plain(Echo::plain()));
        assert!(!is_plain(Echo::new()));
    }
}
