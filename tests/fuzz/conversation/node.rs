//! A node whose handlers do everything that handlers can do, except panic. For a fuzzer,
//! a caught panic is a finding too.

use eddyline::protocol::RawRequest;
use eddyline::{Context, Error, ErrorCode, Node, Request, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// How long `give_up` waits for its call.
pub(super) const GIVE_UP_MS: u64 = 10;

pub(super) struct Probe {
    kept: RefCell<Vec<Request>>,
}

#[derive(Serialize, Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    echo: &'a RawValue,
}

#[derive(Deserialize)]
struct Proxy<'a> {
    #[serde(borrow)]
    target: Cow<'a, str>,
    #[serde(borrow)]
    inner: RawRequest<'a>,
}

#[derive(Serialize)]
struct ProxyOk<'a> {
    result: &'a RawValue,
}

#[derive(Deserialize)]
struct Millis {
    ms: u64,
}

#[derive(Deserialize)]
struct SendTo {
    to: String,
    /// The number of messages.
    count: u8,
    /// The size of each.
    kib: u8,
}

#[derive(Serialize)]
struct Note {
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Port {
    port: u16,
}

#[derive(Serialize, Deserialize)]
struct Data {
    data: String,
}

#[derive(Serialize)]
struct Stats {
    connections: u64,
    bytes: u64,
}

impl Node for Probe {
    fn new(_: &Context) -> Probe {
        Probe {
            kept: RefCell::default(),
        }
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "echo" => cx.reply(&request, &request.body::<Echo>()?),
            "proxy" => {
                let Proxy { target, inner } = request.body()?;
                let reply = cx.sync_rpc_raw(&target, &inner).await?;
                let result = reply.raw_value()?;
                cx.reply(&request, &ProxyOk { result })
            }
            "give_up" => give_up(&cx, &request).await,
            "sleep" => {
                let Millis { ms } = request.body()?;
                cx.sleep(Duration::from_millis(ms)).await;
                cx.reply(&request, &())
            }
            "tick" => {
                let Millis { ms } = request.body()?;
                let mut interval = cx.every(Duration::from_millis(ms));
                for _ in 0..3 {
                    interval.tick().await;
                }
                cx.reply(&request, &())
            }
            "fail" => Err(Error::new(ErrorCode::Other(1001), "my own,\nin two lines")),
            "twice" => {
                cx.reply(&request, &())?;
                cx.reply(&request, &())
            }
            "never" => Ok(()),
            "keep" => {
                self.kept.borrow_mut().push(request);
                Ok(())
            }
            "answer_kept" => {
                for kept in self.kept.take() {
                    cx.reply(&kept, &())?;
                }
                cx.reply(&request, &())
            }
            "spawn" => {
                let context = cx.clone();
                cx.spawn(async move {
                    context.sleep(Duration::from_millis(5)).await;
                    context.reply(&request, &())
                });
                Ok(())
            }
            "send_to" => {
                let SendTo { to, count, kib } = request.body()?;
                let text = "x".repeat(usize::from(kib) << 10);
                for _ in 0..count {
                    cx.send(&to, "note", &Note { text: text.clone() })?;
                }
                cx.reply(&request, &())
            }
            _ => tcp(&cx, &request).await,
        }
    }
}

/// Drops its call if there is no reply after [`GIVE_UP_MS`].
async fn give_up(cx: &Context, request: &Request) -> Result<()> {
    let mut call = pin!(cx.sync_rpc("n2", "given", &()));
    let mut sleep = pin!(cx.sleep(Duration::from_millis(GIVE_UP_MS)));
    let first = poll_fn(|task| match call.as_mut().poll(task) {
        std::task::Poll::Ready(reply) => std::task::Poll::Ready(Some(reply)),
        std::task::Poll::Pending => sleep.as_mut().poll(task).map(|()| None),
    });
    if let Some(reply) = first.await {
        reply?;
    }
    cx.reply(request, &())
}

/// Handles the requests that need sockets.
async fn tcp(cx: &Context, request: &Request) -> Result<()> {
    match request.kind() {
        "tcp_start" => {
            let Port { port } = request.body()?;
            let port = cx.tcp_echo().start(port).await?;
            cx.reply(request, &Port { port })
        }
        "tcp_send" => {
            let Data { data } = request.body()?;
            let data = cx.tcp_echo().send(data).await?;
            cx.reply(request, &Data { data })
        }
        "tcp_stats" => {
            let stats = cx.tcp_echo().stats().await?;
            let (connections, bytes) = (stats.connections, stats.bytes);
            cx.reply(request, &Stats { connections, bytes })
        }
        _ => cx.not_supported(request),
    }
}
