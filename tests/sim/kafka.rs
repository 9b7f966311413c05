//! kafka: nodes that ask the owner of all keys, and some with bugs.

use eddyline::sim::workload::{Kafka, KafkaSummary};
use eddyline::sim::{Failure, Latency, Simulation};
use eddyline::time::Instant;
use eddyline::{Context, Node, Request, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bug {
    None,
    EverybodyOwns,
    ForgetsSome,
    PollsBackwards,
    SkipsOne,
    CommitsTooMuch,
    /// Answers polls with nothing while the load lasts.
    PollsNothingAtFirst,
    /// The same, for one key.
    HidesAKeyAtFirst,
}

/// n0 owns every key, and all others ask it.
pub(crate) struct Logs {
    bug: Bug,
    logs: RefCell<BTreeMap<String, Vec<(u64, u64)>>>,
    next: RefCell<BTreeMap<String, u64>>,
    committed: RefCell<BTreeMap<String, u64>>,
}

#[derive(Deserialize)]
struct Send {
    key: String,
    msg: u64,
}

#[derive(Deserialize)]
struct Offsets {
    offsets: BTreeMap<String, u64>,
}

impl Logs {
    fn answer(&self, request: &Request) -> Result<Value> {
        match request.kind() {
            "send" => {
                let Send { key, msg } = request.body()?;
                let mut next = self.next.borrow_mut();
                let next = next.entry(key.clone()).or_default();
                let offset = *next;
                *next += 1;
                if self.bug != Bug::ForgetsSome || msg % 20 != 7 {
                    let mut logs = self.logs.borrow_mut();
                    logs.entry(key).or_default().push((offset, msg));
                }
                Ok(json!({ "offset": offset }))
            }
            "poll" => {
                let Offsets { offsets } = request.body()?;
                let logs = self.logs.borrow();
                let mut msgs = BTreeMap::new();
                for (key, from) in offsets {
                    let log = logs.get(&key).cloned().unwrap_or_default();
                    let from =
                        from + u64::from(self.bug == Bug::SkipsOne && from > 0 && from % 9 == 0);
                    let pairs = log.into_iter().filter(|(offset, _)| *offset >= from);
                    let mut pairs: Vec<(u64, u64)> = pairs.take(10).collect();
                    if self.bug == Bug::PollsBackwards {
                        pairs.reverse();
                    }
                    if !pairs.is_empty() {
                        msgs.insert(key, pairs);
                    }
                }
                Ok(json!({ "msgs": msgs }))
            }
            "commit_offsets" => {
                let Offsets { offsets } = request.body()?;
                self.committed.borrow_mut().extend(offsets);
                Ok(json!({}))
            }
            _ => {
                let mut offsets = self.committed.borrow().clone();
                if self.bug == Bug::CommitsTooMuch {
                    offsets.values_mut().for_each(|offset| *offset += 100);
                }
                Ok(json!({ "offsets": offsets }))
            }
        }
    }
}

impl Node for Logs {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let is_early = cx.now() < Instant::from_millis(15_000);
        if is_early && request.kind() == "poll" && self.bug == Bug::PollsNothingAtFirst {
            return cx.reply(&request, &json!({ "msgs": {} }));
        }
        let hides = self.bug == Bug::HidesAKeyAtFirst && cx.node_id() == "n0";
        if is_early && request.kind() == "poll" && hides {
            let mut answer = self.answer(&request)?;
            answer["msgs"].as_object_mut().map(|msgs| msgs.remove("3"));
            return cx.reply(&request, &answer);
        }
        if cx.node_id() == "n0" || self.bug == Bug::EverybodyOwns {
            return cx.reply(&request, &self.answer(&request)?);
        }
        let mut reply: Value = cx.sync_rpc_raw("n0", &request.body()?).await?.body()?;
        if let Some(reply) = reply.as_object_mut() {
            for header in ["type", "msg_id", "in_reply_to"] {
                reply.remove(header);
            }
        }
        cx.reply(&request, &reply)
    }
}

/// Four long logs that all clients poll: bugs of long logs show.
fn run(bug: Bug, seed: u64) -> Result<KafkaSummary, Box<Failure>> {
    let workload = Kafka::new().keys(4).writes_per_key(u64::MAX).assign_all();
    run_under(workload, bug, seed)
}

pub(crate) fn build(bug: Bug) -> impl Fn(&Context) -> Logs + 'static {
    move |_| Logs {
        bug,
        logs: RefCell::default(),
        next: RefCell::default(),
        committed: RefCell::default(),
    }
}

fn run_under(workload: Kafka, bug: Bug, seed: u64) -> Result<KafkaSummary, Box<Failure>> {
    let simulation = Simulation::new(seed)
        .nodes(2)
        .clients(4)
        .latency(Latency::exponential_ms(10))
        .loss(0.01);
    Ok(simulation.run_with(build(bug), workload)?.summary)
}

#[test]
fn a_correct_node_passes() {
    for seed in 0..5 {
        let summary = run(Bug::None, seed).unwrap();
        assert!(summary.sent > 300, "{summary:?}");
        assert!(summary.polled >= summary.sent, "{summary:?}");
        assert!(
            (0.5..1.0).contains(&summary.messages_per_operation),
            "{summary:?}"
        );
    }
}

#[test]
fn keys_retire_and_polls_cover_assigned_keys_only() {
    let summary = run_under(Kafka::new(), Bug::None, 1).unwrap();
    assert!(summary.sent > 300, "{summary:?}");
    assert!(summary.polled >= summary.sent, "{summary:?}");
    let lost = run_under(Kafka::new(), Bug::ForgetsSome, 1).unwrap_err();
    assert!(lost.mentions("lost write"), "{lost}");
    let history = &lost.report.history;
    let mut sends = std::collections::BTreeMap::new();
    for send in history
        .load()
        .filter(|operation| operation.kind() == "send")
    {
        let key = send.asked::<Send>().unwrap().key;
        *sends.entry(key).or_insert(0) += 1;
    }
    assert_eq!(sends.values().max(), Some(&16));
    assert!(sends.len() > 20, "{sends:?}");
    let polls = history
        .load()
        .filter(|operation| operation.kind() == "poll");
    let keys = polls.map(|poll| poll.asked::<Offsets>().unwrap().offsets.len());
    let keys: Vec<usize> = keys.collect();
    let mean = keys.iter().sum::<usize>() / keys.len();
    assert!(mean < 10 && keys.iter().all(|&keys| keys > 0), "{keys:?}");
}

#[test]
fn wrong_nodes_are_found_out() {
    let failure = |bug| run(bug, 1).unwrap_err();
    assert!(failure(Bug::EverybodyOwns).mentions("inconsistent offset"));
    assert!(failure(Bug::ForgetsSome).mentions("lost write"));
    assert!(failure(Bug::PollsBackwards).mentions("non-monotonic poll"));
    assert!(failure(Bug::SkipsOne).mentions("skipped"));
    assert!(failure(Bug::CommitsTooMuch).mentions("is committed"));
}

#[test]
fn polls_that_return_nothing_during_the_load_are_found_out() {
    let nothing = run(Bug::PollsNothingAtFirst, 1).unwrap_err();
    assert!(nothing.mentions("no progress"), "{nothing}");
    let hidden = run(Bug::HidesAKeyAtFirst, 1).unwrap_err();
    assert!(hidden.mentions("polls of key \"3\" at n0"), "{hidden}");
    assert!(!hidden.mentions("polls of key \"2\""), "{hidden}");
}
