//! lin-kv: a proxy to the service of that name, and some with bugs.

use eddyline::sim::workload::{LinKv, LinKvSummary};
use eddyline::sim::{Failure, Latency, Nemesis, Simulation};
use eddyline::{Context, Error, Node, Request, Result};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bug {
    None,
    SequentialService,
    LastWriterWins,
    CachesReads,
    AnswersTooEarly,
    FailsWhatItDid,
}

pub(crate) struct Proxy {
    bug: Bug,
    cache: RefCell<BTreeMap<u64, Value>>,
}

impl Node for Proxy {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let service = match self.bug {
            Bug::SequentialService => "seq-kv",
            Bug::LastWriterWins => "lww-kv",
            _ => "lin-kv",
        };
        let body: Value = request.body()?;
        let key = body["key"].as_u64().unwrap_or_default();
        let (is_read, is_write) = (request.kind() == "read", request.kind() == "write");
        if self.bug == Bug::CachesReads && is_read {
            let cached = self.cache.borrow().get(&key).cloned();
            if let Some(value) = cached.filter(|_| cx.random(|random| random.chance(0.2))) {
                return cx.reply(&request, &json!({ "value": value }));
            }
        }
        if self.bug == Bug::AnswersTooEarly && is_write {
            cx.reply(&request, &())?;
        }
        let reply = cx.sync_rpc_raw(service, &request.body()?).await?;
        if self.bug == Bug::FailsWhatItDid && cx.random(|random| random.chance(0.02)) {
            return Err(Error::temporarily_unavailable("it was done, in truth"));
        }
        if !is_read {
            return cx.reply(&request, &());
        }
        let value = reply.body::<Value>()?["value"].clone();
        self.cache.borrow_mut().insert(key, value.clone());
        cx.reply(&request, &json!({ "value": value }))
    }
}

pub(crate) fn build(bug: Bug) -> impl Fn(&Context) -> Proxy + 'static {
    move |_| Proxy {
        bug,
        cache: RefCell::default(),
    }
}

fn run(bug: Bug, seed: u64) -> Result<LinKvSummary, Box<Failure>> {
    let simulation = Simulation::new(seed)
        .nodes(3)
        .clients(6)
        .latency(Latency::exponential_ms(20))
        .loss(0.02)
        .nemesis(Nemesis::every(Duration::from_secs(2)).pauses());
    Ok(simulation.run_with(build(bug), LinKv::new())?.summary)
}

#[test]
fn a_correct_node_passes() {
    for seed in 0..10 {
        let summary = run(Bug::None, seed).unwrap();
        assert!(summary.done > 300 && summary.undecided == 0, "{summary:?}");
    }
}

#[test]
fn wrong_nodes_are_found_out() {
    for bug in [
        Bug::SequentialService,
        Bug::LastWriterWins,
        Bug::CachesReads,
        Bug::AnswersTooEarly,
        Bug::FailsWhatItDid,
    ] {
        // Not every run shows the bug. One of a few seeds does.
        let failure = (0..5).find_map(|seed| run(bug, seed).err()).unwrap();
        assert!(failure.mentions("is not linearizable"), "{failure}");
    }
}
