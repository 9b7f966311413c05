//! A counter on the service `seq-kv`. The nodes keep no state, so they can lose none.
//!
//! It shows a client of a service: `update_once`, `fence`, retries, and several calls
//! at the same time. Read `txn_list_append` next.
//!
//! Each node has a key of its own, so that updates of different nodes do not conflict.
//! `seq-kv` may return old values; the fence before a read forces the newest value.
//! `update_once` writes a mark together with the value. So each update happens only
//! once, even if messages are lost or arrive twice.
//!
//! ```sh
//! cargo build --release --bins --examples
//! target/release/eddyline test -w g-counter --bin target/release/examples/g_counter \
//!     --node-count 3 --time-limit 20 --rate 100 --nemesis partition
//! ```
//!
//! `maelstrom test` takes the same options.

use eddyline::node::Marked;
use eddyline::{Backoff, Context, Node, Request, Result};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use std::time::Duration;

/// Shorter than the 5 s for which clients wait, so that the error reaches them.
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
                // If `seq-kv` does not answer before the timeout, the update ends
                // with error 0. This is right for our caller too: the update may
                // have happened.
                let Add { delta } = request.body()?;
                kv.update_once(cx.node_id(), 0, |sum| sum + delta).await?;
                cx.reply(&request, &())
            }
            "read" => {
                // A fence and a read may be repeated without harm.
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

fn main() -> std::process::ExitCode {
    eddyline::main::<GCounter>()
}
