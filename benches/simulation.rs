//! How many messages a simulated cluster delivers in a second, on one core.
//!
//! The node is a g-set on five nodes. Each tells all others, again and again, either its
//! new elements or its whole set. The goal is 200,000 messages a second.
//!
//! With the whole set in each message it is some 50,000, and no simulator could reach the
//! goal. By `perf`, 58 of 100 samples are the node's own reading, writing and merging of
//! 500 numbers a message: 26 in its `BTreeSet`, 22 in serde's integers, 10 in writing. The
//! session's scan of the line takes 15, and copies take 5. The simulation's own queue,
//! clock, draws and fingerprint take 4.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use eddyline::sim::{Latency, Simulation, workload};
use eddyline::{Context, Node, Request, Result};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

struct GSet {
    gossip: Gossip,
    elements: RefCell<BTreeSet<u64>>,
    news: RefCell<Vec<u64>>,
}

#[derive(Clone, Copy)]
enum Gossip {
    /// New elements, every 10 ms: many small messages.
    News,
    /// The whole set, every 100 ms: messages of up to two kilobytes.
    Everything,
}

#[derive(Deserialize)]
struct Add {
    element: u64,
}

#[derive(Serialize, Deserialize)]
struct Elements {
    value: Vec<u64>,
}

impl Node for GSet {
    fn new(_: &Context) -> Self {
        unreachable!("built by a closure")
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        let millis = match self.gossip {
            Gossip::News => 10,
            Gossip::Everything => 100,
        };
        let mut ticks = cx.every(Duration::from_millis(millis));
        loop {
            ticks.tick().await;
            let news = self.news.take();
            let value = match self.gossip {
                Gossip::News => news,
                Gossip::Everything => self.elements.borrow().iter().copied().collect(),
            };
            let elements = Elements { value };
            for peer in cx.peers() {
                cx.send(peer, "merge", &elements)?;
            }
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "add" => {
                let Add { element } = request.body()?;
                self.elements.borrow_mut().insert(element);
                self.news.borrow_mut().push(element);
                cx.reply(&request, &())
            }
            "merge" => {
                let Elements { value } = request.body()?;
                self.elements.borrow_mut().extend(value);
                Ok(())
            }
            _ => {
                let value = self.elements.borrow().iter().copied().collect();
                cx.reply(&request, &Elements { value })
            }
        }
    }
}

fn simulation(seed: u64) -> Simulation {
    Simulation::new(seed)
        .nodes(5)
        .latency(Latency::exponential_ms(20))
        .rate(100.0)
        .duration(Duration::from_secs(10))
        .recovery(Duration::from_secs(5))
}

fn g_set(criterion: &mut Criterion) {
    let run = |gossip| {
        let build = move |_: &Context| GSet {
            gossip,
            elements: RefCell::default(),
            news: RefCell::default(),
        };
        match simulation(1).run_with(build, workload::GSet::new()) {
            Ok(report) => report.statistics.delivered,
            Err(failure) => panic!("{failure}"),
        }
    };
    let mut group = criterion.benchmark_group("simulation");
    group.sample_size(20);
    for (name, gossip) in [
        ("g-set, 5 nodes, news", Gossip::News),
        ("g-set, 5 nodes, everything", Gossip::Everything),
    ] {
        group.throughput(Throughput::Elements(run(gossip)));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(run(black_box(gossip))));
        });
    }
    group.finish();
}

criterion_group!(benches, g_set);
criterion_main!(benches);
