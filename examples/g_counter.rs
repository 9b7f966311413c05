//! A counter on `seq-kv`: the nodes themselves keep nothing, so none of them can
//! lose anything. Shows a client of a service: `update_once`, `fence`, retries,
//! and calls that wait together.
//!
//! Each node counts under a key of its own, so that nodes never get in each
//! other's way. `seq-kv` may serve old values; the fence before a read makes it
//! serve the newest. An update that leaves a mark happens once, whatever is lost
//! or arrives twice between us and `seq-kv`.
//!
//! ```sh
//! cargo build --release --examples
//! maelstrom test -w g-counter --bin target/release/examples/g_counter --node-count 3 \
//!     --time-limit 20 --rate 100 --nemesis partition
//! ```

use eddyline::node::Marked;
use eddyline::{Backoff, Context, Node, Request, Result};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use std::time::Duration;

/// Clients wait for 5 s; we give up before them.
const TIMEOUT: Duration = Duration::from_secs(4);

pub(crate) struct GCounter;

#[derive(Deserialize)]
struct Add {
    delta: u64,
}

#[derive(Serialize)]
struct ReadOk {
    value: u64,
}

impl Node for GCounter {
    fn new(_: &Context) -> GCounter {
        GCounter
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        let kv = cx.seq_kv().timeout(TIMEOUT);
        match request.kind() {
            "add" => {
                // If `seq-kv` is out of reach until the timeout it ends with
                // error 0, which says to our caller what is true: it may have
                // happened.
                let Add { delta } = request.body()?;
                kv.update_once(cx.node_id(), 0, |sum| sum + delta).await?;
                cx.reply(&request, &())
            }
            "read" => {
                // A fence and a read can be repeated as often as it takes.
                kv.fence().retry(Backoff::default()).await?;
                let reads = cx.node_ids().iter();
                let read = |node| kv.read::<Marked<u64>>(node).retry(Backoff::default());
                let sums = try_join_all(reads.map(read)).await?;
                let value = sums.into_iter().flatten().map(|sum| sum.value).sum();
                cx.reply(&request, &ReadOk { value })
            }
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::io::Result<()> {
    eddyline::run::<GCounter>()
}
