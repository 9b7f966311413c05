//! Logs in the manner of Kafka, over several nodes: each key has one owner, which
//! alone gives out its offsets, and every node passes requests on to it. Shows
//! forwarding, and asking several nodes at once.
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

use eddyline::{Backoff, Context, Node, Request, Result};
use futures_util::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How many messages of a key one poll returns: a reply of bounded size.
const POLL_MAX: usize = 100;

#[derive(Default)]
pub(crate) struct Kafka {
    logs: RefCell<BTreeMap<String, Log>>,
}

/// A message's offset is its place in the log.
#[derive(Default)]
struct Log {
    messages: Vec<Box<RawValue>>,
    /// The last offset that somebody has processed.
    committed: Option<usize>,
}

#[derive(Deserialize)]
struct Send {
    key: String,
    msg: Box<RawValue>,
}

#[derive(Serialize)]
struct SendOk {
    offset: usize,
}

/// The fields of `poll` and `commit_offsets`, and of the reply to the list.
#[derive(Serialize, Deserialize)]
struct Offsets {
    offsets: BTreeMap<String, usize>,
}

#[derive(Serialize, Deserialize)]
struct Keys {
    keys: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct PollOk {
    msgs: BTreeMap<String, Vec<(usize, Box<RawValue>)>>,
}

/// Whose key it is: FNV-1a, the same on every node and in every run.
fn owner<'a>(cx: &'a Context, key: &str) -> &'a str {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    let hash = key.bytes().fold(2_166_136_261, mix);
    &cx.node_ids()[hash as usize % cx.node_ids().len()]
}

/// Parts a request's keys by their owners: first our own, then the others'.
fn by_owner<T: Default + Extend<I>, I>(
    cx: &Context,
    items: impl IntoIterator<Item = I>,
    key: impl Fn(&I) -> &str,
) -> (T, BTreeMap<String, T>) {
    let mut parts: BTreeMap<String, T> = BTreeMap::new();
    for item in items {
        let part = parts.entry(owner(cx, key(&item)).to_owned());
        part.or_default().extend([item]);
    }
    (parts.remove(cx.node_id()).unwrap_or_default(), parts)
}

impl Kafka {
    async fn send(&self, cx: &Context, request: &Request) -> Result<()> {
        let Send { key, msg } = request.body()?;
        let owner = owner(cx, &key);
        if owner != cx.node_id() {
            // Not tried again: a message that was sent twice is there twice.
            let reply = cx.sync_rpc_raw(owner, &request.body()?).await?;
            return cx.reply_raw(request, reply.raw_value()?);
        }
        let mut logs = self.logs.borrow_mut();
        let log = logs.entry(key).or_default();
        log.messages.push(msg);
        let offset = log.messages.len() - 1;
        cx.reply(request, &SendOk { offset })
    }

    async fn poll(&self, cx: &Context, request: &Request) -> Result<()> {
        let Offsets { offsets } = request.body()?;
        let (own, others) = by_owner::<BTreeMap<_, _>, _>(cx, offsets, |(key, _)| key);
        let calls = others
            .into_iter()
            .map(|(owner, offsets)| cx.sync_rpc(&owner, "poll", &Offsets { offsets }));
        let mut all = PollOk::default();
        // A poll may leave keys out; those of an owner out of reach come later.
        for reply in join_all(calls).await.iter().flatten() {
            all.msgs.extend(reply.body::<PollOk>()?.msgs);
        }
        let logs = self.logs.borrow();
        for (key, from) in own {
            let log = logs.get(&key).map_or(&[][..], |log| &log.messages);
            let messages = log.iter().cloned().enumerate().skip(from).take(POLL_MAX);
            let messages: Vec<_> = messages.collect();
            if !messages.is_empty() {
                all.msgs.insert(key, messages);
            }
        }
        cx.reply(request, &all)
    }

    async fn commit(&self, cx: &Context, request: &Request) -> Result<()> {
        let Offsets { offsets } = request.body()?;
        let (own, others) = by_owner::<BTreeMap<_, _>, _>(cx, offsets, |(key, _)| key);
        for (key, offset) in own {
            let mut logs = self.logs.borrow_mut();
            let committed = &mut logs.entry(key).or_default().committed;
            *committed = (*committed).max(Some(offset));
        }
        let calls = others.into_iter().map(|(owner, offsets)| {
            // Never goes back, so it can be done twice.
            let call = cx.sync_rpc(&owner, "commit_offsets", &Offsets { offsets });
            call.retry(Backoff::default())
        });
        try_join_all(calls).await?;
        cx.reply(request, &())
    }

    async fn list(&self, cx: &Context, request: &Request) -> Result<()> {
        let Keys { keys } = request.body()?;
        let (own, others) = by_owner::<Vec<_>, _>(cx, keys, |key| key);
        let calls = others.into_iter().map(|(owner, keys)| {
            let call = cx.sync_rpc(&owner, "list_committed_offsets", &Keys { keys });
            call.retry(Backoff::default())
        });
        let mut offsets = BTreeMap::new();
        for reply in try_join_all(calls).await? {
            offsets.extend(reply.body::<Offsets>()?.offsets);
        }
        let logs = self.logs.borrow();
        for key in own {
            if let Some(committed) = logs.get(&key).and_then(|log| log.committed) {
                offsets.insert(key, committed);
            }
        }
        cx.reply(request, &Offsets { offsets })
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
