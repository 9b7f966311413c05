//! The node under test. It answers the requests of the three tracks, and some that
//! wait for other things.

use crate::node::{Context, Node, Request};
use crate::protocol::{RawRequest, Result};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// A thing to wait for that is no timer and no message: it wakes its waiters as
/// another thread would.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    waiting: RefCell<Vec<(Waker, Rc<RefCell<bool>>)>>,
}

impl Bell {
    /// Wakes all that wait.
    pub(crate) fn ring(&self) {
        for (waker, has_rung) in self.waiting.take() {
            *has_rung.borrow_mut() = true;
            waker.wake();
        }
    }

    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }
}

struct Rung {
    bell: Rc<Bell>,
    has_rung: Rc<RefCell<bool>>,
    is_registered: bool,
}

impl Future for Rung {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        if *self.has_rung.borrow() {
            return Poll::Ready(());
        }
        if !self.is_registered {
            self.is_registered = true;
            let entry = (cx.waker().clone(), self.has_rung.clone());
            self.bell.waiting.borrow_mut().push(entry);
        }
        Poll::Pending
    }
}

pub(crate) struct Subject {
    pub(crate) bell: Rc<Bell>,
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
struct Start {
    port: u16,
}

#[derive(Deserialize)]
struct Send {
    data: String,
}

#[derive(Deserialize)]
struct Nap {
    millis: u64,
}

#[derive(Deserialize)]
struct Spam {
    count: u64,
    bytes: usize,
}

/// A body that sends a message while it is written down.
struct Nested<'a> {
    cx: &'a Context,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let inner = json!({ "text": "from within" });
        // A loop that cannot send it now shows no message.
        look!(crate::microscope::asked("tell", self.cx.node_id(), "n2"));
        let _sent = self.cx.send("n2", "tell", &inner);
        json!({ "text": "from around it" }).serialize(serializer)
    }
}

impl Node for Subject {
    fn new(_: &Context) -> Subject {
        Subject {
            bell: Rc::default(),
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
            "tcp_echo_start" => {
                let port = cx.tcp_echo().start(request.body::<Start>()?.port).await?;
                cx.reply(&request, &json!({ "port": port }))
            }
            "tcp_echo_send" => {
                let echoed = cx.tcp_echo().send(request.body::<Send>()?.data).await?;
                cx.reply(&request, &json!({ "echoed": echoed }))
            }
            "tcp_echo_stats" => {
                let stats = cx.tcp_echo().stats().await?;
                let (connections, bytes) = (stats.connections, stats.bytes);
                cx.reply(
                    &request,
                    &json!({ "connections": connections, "bytes": bytes }),
                )
            }
            "nap" => {
                let nap: Nap = request.body()?;
                cx.sleep(Duration::from_millis(nap.millis)).await;
                cx.reply(&request, &())
            }
            "nested" => cx.reply(&request, &Nested { cx: &cx }),
            "bell" => {
                let bell = self.bell.clone();
                let rung = Rung {
                    bell,
                    has_rung: Rc::default(),
                    is_registered: false,
                };
                rung.await;
                cx.reply(&request, &())
            }
            "spam" => {
                let Spam { count, bytes } = request.body()?;
                let text = "s".repeat(bytes);
                for _ in 0..count {
                    let tell = json!({ "of": request.msg_id(), "text": text });
                    cx.send("n2", "tell", &tell)?;
                }
                cx.reply(&request, &())
            }
            _ => cx.not_supported(&request),
        }
    }
}
