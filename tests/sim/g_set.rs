//! g-set: a node that tells all others its whole set, and some with bugs.

use eddyline::sim::workload;
use eddyline::sim::{Failure, Simulation};
use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bug {
    None,
    ReplacesInsteadOfMerging,
    KeepsToItself,
    MakesThingsUp,
}

pub(crate) struct GSet {
    bug: Bug,
    elements: RefCell<BTreeSet<u64>>,
}

#[derive(Deserialize)]
struct Add {
    element: u64,
}

#[derive(Serialize, Deserialize)]
struct Elements {
    value: BTreeSet<u64>,
}

impl Node for GSet {
    fn new(_: &Context) -> Self {
        GSet {
            bug: Bug::None,
            elements: RefCell::default(),
        }
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let mut ticks = cx.every(Duration::from_millis(500));
        loop {
            ticks.tick().await;
            let value = self.elements.borrow().clone();
            let elements = Elements { value };
            for peer in cx.peers().filter(|_| self.bug != Bug::KeepsToItself) {
                cx.send(peer, "merge", &elements)?;
            }
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "add" => {
                let Add { element } = request.body()?;
                let made_up = u64::from(self.bug == Bug::MakesThingsUp) * 1_000_000;
                self.elements.borrow_mut().insert(element + made_up);
                cx.reply(&request, &())
            }
            "merge" => {
                let Elements { value } = request.body()?;
                if self.bug == Bug::ReplacesInsteadOfMerging {
                    *self.elements.borrow_mut() = value;
                } else {
                    self.elements.borrow_mut().extend(value);
                }
                Ok(())
            }
            "read" => {
                let value = self.elements.borrow().clone();
                cx.reply(&request, &Elements { value })
            }
            _ => cx.not_supported(&request),
        }
    }
}

pub(crate) fn build(bug: Bug) -> impl Fn(&Context) -> GSet + 'static {
    move |_| GSet {
        bug,
        elements: RefCell::default(),
    }
}

fn run(bug: Bug) -> Result<(), Box<Failure>> {
    let simulation = Simulation::new(2).nodes(3);
    simulation.run_with(build(bug), workload::GSet::new())?;
    Ok(())
}

#[test]
fn wrong_nodes_are_found_out() {
    run(Bug::None).unwrap();
    let failure = |bug| run(bug).unwrap_err();
    assert!(failure(Bug::ReplacesInsteadOfMerging).mentions("is lost"));
    assert!(failure(Bug::KeepsToItself).mentions("is lost"));
    assert!(failure(Bug::MakesThingsUp).mentions("which was never added"));
}
