//! Logs as in Kafka, distributed over several nodes. Each key has one owner, and only
//! the owner assigns offsets. Every node forwards requests to the owners.
//!
//! It shows forwarding, a request that may be repeated, and calls to several nodes at
//! once. Read `lin_kv` next, which replicates its log.
//!
//! On two nodes, an operation costs at most two messages between nodes: the forwarded
//! part and its reply. The average is about one. Logs are kept in memory on one node
//! only, so a crash of a node loses its keys.
//!
//! ```sh
//! cargo build --release --bins --examples
//! target/release/eddyline test -w kafka --bin target/release/examples/kafka --node-count 2 \
//!     --concurrency 2n --time-limit 20 --rate 1000
//! ```
//!
//! `maelstrom test` takes the same options.

use eddyline::{Backoff, Context, Node, Reply, Request, Result};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The most messages of one key in the reply to a poll, to bound the reply's size.
const POLL_MAX: usize = 100;

#[derive(Default)]
pub(crate) struct Kafka {
    logs: RefCell<BTreeMap<String, Log>>,
}

#[derive(Default)]
struct Log {
    /// The index of a message is its offset.
    messages: Vec<Box<RawValue>>,
    /// The offset of each message, by its mark.
    marked: BTreeMap<u64, usize>,
    /// The greatest committed offset.
    committed: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct Send {
    key: String,
    msg: Box<RawValue>,
    /// A random number from the first node. The owner appends a mark only once, so a
    /// repeated `send` is harmless.
    mark: Option<u64>,
}

type Offsets = BTreeMap<String, usize>;

/// The fields of all other requests, and of replies with offsets. Clients list `keys`;
/// nodes send each other the keys of `offsets` instead.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    keys: Vec<String>,
    offsets: Offsets,
}

#[derive(Serialize, Deserialize)]
struct PollOk {
    msgs: BTreeMap<String, Vec<(usize, Box<RawValue>)>>,
}

/// The owner of a key. The hash is FNV-1a, the same on every node and in every run.
fn owner<'a>(cx: &'a Context, key: &str) -> &'a str {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    let hash = key.bytes().fold(2_166_136_261, mix);
    &cx.node_ids()[hash as usize % cx.node_ids().len()]
}

/// Sends each other owner its part of a repeatable request. Returns our own part and
/// the replies.
async fn share(cx: &Context, request: &Request) -> Result<(Offsets, Vec<Result<Reply>>)> {
    let Fields { keys, mut offsets } = request.body()?;
    offsets.extend(keys.into_iter().map(|key| (key, 0)));
    let mut parts: BTreeMap<&str, Offsets> = BTreeMap::new();
    for (key, at) in offsets {
        parts.entry(owner(cx, &key)).or_default().insert(key, at);
    }
    let own = parts.remove(cx.node_id()).unwrap_or_default();
    let calls = parts.into_iter().map(|(owner, offsets)| {
        let call = cx.sync_rpc(owner, request.kind(), &json!({ "offsets": offsets }));
        call.retry(Backoff::default())
    });
    Ok((own, join_all(calls).await))
}

impl Kafka {
    async fn send(&self, cx: &Context, request: &Request) -> Result<()> {
        let mut send: Send = request.body()?;
        let mark = || cx.random(|random| random.next_u64());
        let mark = *send.mark.get_or_insert_with(mark);
        let owner = owner(cx, &send.key);
        if owner != cx.node_id() {
            let call = cx.sync_rpc(owner, "send", &send).retry(Backoff::default());
            return cx.reply_raw(request, call.await?.raw_value()?);
        }
        let mut logs = self.logs.borrow_mut();
        let log = logs.entry(send.key).or_default();
        let end = log.messages.len();
        let offset = *log.marked.entry(mark).or_insert(end);
        if offset == end {
            log.messages.push(send.msg);
        }
        cx.reply(request, &json!({ "offset": offset }))
    }

    async fn poll(&self, cx: &Context, request: &Request) -> Result<()> {
        let (own, replies) = share(cx, request).await?;
        let mut msgs = BTreeMap::new();
        // A poll may leave keys out. Keys of an unreachable owner come in a later poll.
        for reply in replies.iter().flatten() {
            msgs.extend(reply.body::<PollOk>()?.msgs);
        }
        let logs = self.logs.borrow();
        for (key, from) in own {
            let Some(log) = logs.get(&key) else { continue };
            let messages = log.messages.iter().enumerate().skip(from).take(POLL_MAX);
            let messages = messages.map(|(offset, message)| (offset, message.clone()));
            msgs.insert(key, messages.collect());
        }
        cx.reply(request, &PollOk { msgs })
    }

    async fn commit(&self, cx: &Context, request: &Request) -> Result<()> {
        let (own, replies) = share(cx, request).await?;
        replies.into_iter().collect::<Result<Vec<_>>>()?;
        let mut logs = self.logs.borrow_mut();
        for (key, offset) in own {
            let committed = &mut logs.entry(key).or_default().committed;
            *committed = (*committed).max(Some(offset)); // never decreases
        }
        cx.reply(request, &())
    }

    async fn list(&self, cx: &Context, request: &Request) -> Result<()> {
        let (own, replies) = share(cx, request).await?;
        let mut offsets = Offsets::new();
        for reply in replies {
            offsets.extend(reply?.body::<Fields>()?.offsets);
        }
        let logs = self.logs.borrow();
        for (key, _) in own {
            if let Some(offset) = logs.get(&key).and_then(|log| log.committed) {
                offsets.insert(key, offset);
            }
        }
        cx.reply(request, &json!({ "offsets": offsets }))
    }
}

impl Node for Kafka {
    fn new(_: &Context) -> Kafka {
        Kafka::default()
    }

    /// Requests from other nodes contain only our keys, so they are not forwarded again.
    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "send" => self.send(&cx, &request).await,
            "poll" => self.poll(&cx, &request).await,
            "commit_offsets" => self.commit(&cx, &request).await,
            "list_committed_offsets" => self.list(&cx, &request).await,
            _ => cx.not_supported(&request),
        }
    }
}

fn main() -> std::process::ExitCode {
    eddyline::main::<Kafka>()
}
