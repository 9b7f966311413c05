//! echo: one correct node, and some that reply something else.

use eddyline::sim::{Failure, Simulation, workload};
use eddyline::time::Instant;
use eddyline::{Context, Node, Request, Result};
use serde_json::{Value, json};
use std::rc::Rc;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bug {
    None,
    ShortensFloats,
    ExtraField,
    SometimesSilent,
}

pub(crate) struct Echo(Bug);

impl Node for Echo {
    fn new(_: &Context) -> Self {
        Echo(Bug::None)
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let body: Value = request.body()?;
        let mut reply = json!({ "echo": body["echo"] });
        match self.0 {
            Bug::ShortensFloats if body["echo"][1] == 1.5 => reply["echo"][1] = json!(1),
            Bug::ExtraField => reply["from"] = json!(cx.node_id()),
            Bug::SometimesSilent if cx.random(|random| random.chance(0.01)) => return Ok(()),
            _ => {}
        }
        cx.reply(&request, &reply)
    }
}

pub(crate) fn build(bug: Bug) -> impl Fn(&Context) -> Echo + 'static {
    move |_| Echo(bug)
}

fn run(bug: Bug) -> Result<usize, Box<Failure>> {
    let simulation = Simulation::new(1).nodes(3);
    let report = simulation.run_with(build(bug), workload::Echo::new())?;
    assert_eq!(report.statistics.among_servers(), 0);
    Ok(report.summary.echoed)
}

#[test]
fn a_correct_node_passes() {
    assert!(run(Bug::None).unwrap() > 900);
}

#[test]
fn wrong_nodes_are_found_out() {
    let failure = |bug| run(bug).unwrap_err();
    assert!(failure(Bug::ShortensFloats).mentions("came back"));
    let extra = failure(Bug::ExtraField);
    assert!(extra.mentions("must not have a field \"from\""), "{extra}");
    assert_eq!(extra.violations.len(), 1);
    assert!(failure(Bug::SometimesSilent).mentions("no reply within 5s"));
}

#[test]
fn a_failure_is_written_to_files_named_after_its_seed() {
    let failure = run(Bug::ExtraField).unwrap_err();
    assert!(
        failure.to_string().contains("EDDYLINE_SEED=1 "),
        "{failure}"
    );
    let folder = std::env::temp_dir().join(format!("eddyline-{}", std::process::id()));
    let written = failure.write(&folder, Instant::ZERO..Instant::MAX).unwrap();
    let names = ["echo-1.jsonl", "echo-1.svg"].map(|name| folder.join(name));
    assert_eq!(written, names);
    let [lines, diagram] = names.map(|path| std::fs::read_to_string(path).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(lines, failure.report.trace.to_json_lines());
    assert!(diagram.starts_with("<svg") && diagram.contains("echo"));
    let no_folder = std::env::current_exe().unwrap();
    assert!(
        failure
            .write(no_folder, Instant::ZERO..Instant::MAX)
            .is_err()
    );
}
