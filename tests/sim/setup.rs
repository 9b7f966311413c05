//! Nodes with a setup: a counter in `lin-kv` whose key every node finds there.

use eddyline::sim::workload::Counter;
use eddyline::sim::{Latency, Nemesis, Simulation, seeds};
use eddyline::{Context, ErrorCode, Node, Request, Result};
use serde::Deserialize;
use serde_json::json;
use std::rc::Rc;
use std::time::Duration;

/// Where the node writes the default.
#[derive(Clone, Copy, PartialEq)]
enum WrittenIn {
    Setup,
    Start,
}

/// A sum in lin-kv. A handler takes for granted that the key is there.
struct Stored {
    default: WrittenIn,
}

#[derive(Deserialize)]
struct Add {
    delta: i64,
}

impl Stored {
    /// Creates the key, unless another node has or this one in an earlier life.
    async fn create(&self, cx: &Context) -> Result<()> {
        loop {
            match cx.lin_kv().cas_or_create("sum", 0, 0).await {
                Err(error) if error.code == ErrorCode::Timeout => {}
                Err(error) if error.code != ErrorCode::PreconditionFailed => return Err(error),
                _ => return Ok(()),
            }
        }
    }
}

impl Node for Stored {
    fn new(_: &Context) -> Stored {
        unreachable!("built by a closure")
    }

    async fn setup(self: Rc<Self>, cx: Context) -> Result<()> {
        match self.default {
            WrittenIn::Setup => self.create(&cx).await,
            WrittenIn::Start => Ok(()),
        }
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        match self.default {
            WrittenIn::Setup => Ok(()),
            // Unconditionally, as nodes do that have no setup.
            WrittenIn::Start => loop {
                match cx.lin_kv().write("sum", 0).await {
                    Err(error) if error.code == ErrorCode::Timeout => {}
                    written => return written,
                }
            },
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let kv = cx.lin_kv();
        loop {
            let now: i64 = kv.read("sum").await?.expect("the key is there");
            if request.kind() == "read" {
                return cx.reply(&request, &json!({ "value": now }));
            }
            let Add { delta } = request.body()?;
            match kv.cas("sum", now, now + delta).await {
                Err(error) if error.code == ErrorCode::PreconditionFailed => {}
                stored => {
                    stored?;
                    return cx.reply(&request, &());
                }
            }
        }
    }
}

fn run(seed: u64, default: WrittenIn) -> Result<(), Box<eddyline::sim::Failure>> {
    let cluster = Simulation::new(seed)
        .nodes(3)
        .latency(Latency::exponential_ms(200))
        .loss(0.02)
        .nemesis(Nemesis::every(Duration::from_secs(2)).restarts());
    let build = move |_: &Context| Stored { default };
    cluster.run_with(build, Counter::g()).map(|_| ())
}

#[test]
fn the_load_waits_for_setups_and_a_restarted_node_sets_up_again() {
    for seed in seeds(20) {
        run(seed, WrittenIn::Setup).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn a_default_that_is_written_beside_the_requests_is_found_out() {
    for seed in seeds(5) {
        let failure = run(seed, WrittenIn::Start).unwrap_err();
        let found = [
            "the final read",
            "the key is there",
            "that was added until then",
        ];
        assert!(found.iter().any(|text| failure.mentions(text)), "{failure}");
    }
}
