//! Background tasks that fail or panic: nothing waits for their outcome, so the run ends.

use eddyline::sim::{Failure, Simulation, workload::Echo};
use eddyline::{Context, Error, Node, Request, Result};
use serde_json::{Value, json};
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
enum Bug {
    StartFails,
    StartPanics,
    SpawnedPanics,
    /// No bug: a call that a task makes may fail.
    SpawnedFails,
}

struct Background(Bug);

impl Node for Background {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        cx.sleep(Duration::from_secs(2)).await;
        match self.0 {
            Bug::StartFails => Err(Error::abort("no more gossip")),
            Bug::StartPanics => panic!("no more heartbeats"),
            Bug::SpawnedPanics | Bug::SpawnedFails => Ok(()),
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let (bug, after) = (self.0, cx.sleep(Duration::from_millis(1)));
        cx.spawn(async move {
            after.await;
            match bug {
                Bug::SpawnedPanics => panic!("no more merges"),
                _ => Err(Error::abort("a peer did not answer")),
            }
        });
        let body: Value = request.body()?;
        cx.reply(&request, &json!({ "echo": body["echo"] }))
    }
}

fn run(bug: Bug) -> Result<(), Box<Failure>> {
    let simulation = Simulation::new(1).nodes(3);
    let report = simulation.run_with(move |_: &Context| Background(bug), Echo::new())?;
    assert!(
        report
            .logs
            .iter()
            .any(|line| line.contains("a peer did not answer"))
    );
    Ok(())
}

#[test]
fn a_start_that_fails_or_panics_fails_the_run() {
    let failed = run(Bug::StartFails).unwrap_err();
    assert!(
        failed.mentions("the background task `start` failed"),
        "{failed}"
    );
    assert!(failed.to_string().contains("no more gossip"), "{failed}");
    let panicked = run(Bug::StartPanics).unwrap_err();
    assert!(
        panicked.mentions("a background task panicked: no more heartbeats"),
        "{panicked}"
    );
}

#[test]
fn a_spawned_task_that_panics_fails_the_run() {
    let panicked = run(Bug::SpawnedPanics).unwrap_err();
    assert!(panicked.mentions("no more merges"), "{panicked}");
    assert!(!panicked.is_not_reproducible);
}

#[test]
fn a_spawned_task_that_ends_with_an_error_is_logged() {
    run(Bug::SpawnedFails).unwrap();
}
