//! Logs in the manner of Kafka, over several nodes: each key has one owner, which
//! alone gives out its offsets, and every node passes requests on to it. Shows
//! forwarding, a request that can be repeated, and asking several nodes at once.
//!
//! An operation costs two messages between nodes at most, for the owner's part
//! of it and the answer: about one on average with two nodes. All is in memory
//! and nowhere twice: a node that crashes takes its keys along.
//!
//! ```sh
//! cargo build --release --examples
//! maelstrom test -w kafka --bin target/release/examples/kafka --node-count 2 \
//!     --concurrency 2n --time-limit 20 --rate 1000
//! ```

use eddyline::{Backoff, Context, Node, Reply, Request, Result};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How many messages of a key one poll returns: a reply of bounded size.
const POLL_MAX: usize = 100;

#[derive(Default)]
pub(crate) struct Kafka {
    logs: RefCell<BTreeMap<String, Log>>,
}

#[derive(Default)]
struct Log {
    /// A message's offset is its place here.
    messages: Vec<Box<RawValue>>,
    /// The offsets of messages, by their mark.
    marked: BTreeMap<u64, usize>,
    /// The last offset that somebody has processed.
    committed: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct Send {
    key: String,
    msg: Box<RawValue>,
    /// The first node marks a message: it is there once, however often it comes.
    mark: Option<u64>,
}

type Offsets = BTreeMap<String, usize>;

/// The fields of all other requests, and of replies with offsets. Clients list by
/// `keys`; among nodes it is the keys of `offsets` that count.
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

/// Whose key it is: FNV-1a, the same on every node and in every run.
fn owner<'a>(cx: &'a Context, key: &str) -> &'a str {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    let hash = key.bytes().fold(2_166_136_261, mix);
    &cx.node_ids()[hash as usize % cx.node_ids().len()]
}

/// Has the other owners do their parts of a request that can be repeated.
/// Returns our own part, and their replies.
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
        // A poll may leave keys out; those of an owner out of reach come later.
        for reply in replies.iter().flatten() {
            msgs.extend(reply.body::<PollOk>()?.msgs);
        }
        let logs = self.logs.borrow();
        for (key, from) in own {
            let Some(log) = logs.get(&key) else { continue };
            let messages = log.messages.iter().cloned().enumerate();
            msgs.insert(key, messages.skip(from).take(POLL_MAX).collect());
        }
        cx.reply(request, &PollOk { msgs })
    }

    async fn commit(&self, cx: &Context, request: &Request) -> Result<()> {
        let (own, replies) = share(cx, request).await?;
        replies.into_iter().collect::<Result<Vec<_>>>()?;
        let mut logs = self.logs.borrow_mut();
        for (key, offset) in own {
            let committed = &mut logs.entry(key).or_default().committed;
            *committed = (*committed).max(Some(offset)); // never goes back
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

    /// What comes from another node has our keys only, and ends here.
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

fn main() -> std::io::Result<()> {
    eddyline::run::<Kafka>()
}
