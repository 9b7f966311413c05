//! The logs of the example `kafka`.

use super::touch::stretches;
use super::{kafka::Kafka, lossy, over_seeds, partitions};
use eddyline::sim::workload::{self, KafkaSummary};
use eddyline::sim::{Report, Trace};
use eddyline::time::Instant;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const NODES: usize = 5;

/// The duration of the load, which is the default.
const LOAD: Duration = Duration::from_secs(10);

/// The time from the end of a fault until no operation waits because of it. The node's
/// own call ends after a second (the default timeout).
const SETTLES_IN: Duration = Duration::from_secs(1);

/// The least number of messages that all clients together send and poll in a second while
/// all nodes run and reach each other. It follows from the load:
///
/// - Each of five clients makes its next operation as soon as the last one has ended: 100
///   a second are offered, more than they can make.
/// - An operation takes at most 0.3 s on average. A poll waits for the slowest of at most
///   four owners, 0.13 s at 30 ms each way. With four owners, a third of the polls lose a
///   message at 5% each way, and the call is repeated after 0.25 s at most.
/// - At least a third of the operations are sends: the client draws a send or a poll, and a
///   poll may be followed by a commit.
///
/// So each client sends at least one message a second. Polls return it to some client,
/// unless the stretch ends within the next poll's time, which `SETTLES_IN` contains.
const POLLED_PER_SECOND: f64 = 5.0;

/// The number of different messages that clients polled during the load. The final polls
/// read all logs, so they say nothing about the load.
fn polled(report: &Report<KafkaSummary>) -> usize {
    #[derive(Deserialize)]
    struct PollOk {
        msgs: BTreeMap<String, Vec<(u64, Value)>>,
    }
    let polls = report.history.load().filter(|poll| poll.kind() == "poll");
    let replies = polls.filter_map(|poll| poll.replied::<PollOk>());
    let logs = replies.flat_map(|reply| reply.msgs);
    let offsets = |(key, log): (String, Vec<(u64, Value)>)| {
        let offsets = log.into_iter().map(|(offset, _)| offset);
        offsets.map(move |offset| (key.clone(), offset))
    };
    logs.flat_map(offsets).collect::<BTreeSet<_>>().len()
}

/// How long all nodes ran and reached each other, without the time to settle.
fn in_touch(report: &Report<KafkaSummary>) -> Duration {
    let stretches = stretches(&report.trace, NODES, Instant::ZERO + LOAD).into_iter();
    let whole = stretches.filter(|stretch| stretch.majorities.iter().any(|all| all.len() == NODES));
    whole
        .map(|stretch| stretch.to.since(stretch.from).saturating_sub(SETTLES_IN))
        .sum()
}

#[test]
fn kafka_does_not_lose_double_or_reorder_messages() {
    over_seeds(|seed| {
        let simulation = lossy(seed).duplication(0.05).nemesis(partitions().pauses());
        let simulation = simulation.duration(LOAD).trace();
        // All clients poll all of four keys: the load that the bound follows from.
        let workload = workload::Kafka::new().keys(4).writes_per_key(u64::MAX);
        let mut report = simulation.run::<Kafka, _>(workload.assign_all())?;
        let (polled, in_touch) = (polled(&report), in_touch(&report));
        eprintln!("kafka, seed {seed}: {polled} polled, {in_touch:?} in touch");
        let least = POLLED_PER_SECOND * in_touch.as_secs_f64();
        assert!(
            polled as f64 >= least,
            "seed {seed}: {polled} polled, at least {least}"
        );
        report.trace = Trace::default(); // 500 traces would need too much memory
        Ok(report)
    });
}
