//! One session, its clock, and a node with a handler for everything.

use eddyline::protocol::RawRequest;
use eddyline::session::{Session, Settings};
use eddyline::time::{Clock, Instant, VirtualClock};
use eddyline::{Context, Error, ErrorCode, Node, Request, Result};
use futures_util::future::{Either, join_all, select, try_join_all};
use serde::{Deserialize, Serialize, Serializer, ser};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

pub(crate) const INIT: &str = r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2","n3"]}}"#;

/// A node whose handlers do what their request's type says.
pub(crate) struct Probe {
    kept: RefCell<Vec<Request>>,
    ticks: Cell<u64>,
}

#[derive(Deserialize)]
struct Proxy<'a> {
    target: &'a str,
    #[serde(borrow)]
    inner: RawRequest<'a>,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Millis {
    ms: u64,
}

#[derive(Deserialize)]
struct Many {
    count: usize,
}

/// Serialises by doing something else first.
struct Meddler<F: Fn()>(F);

impl<F: Fn()> Serialize for Meddler<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        (self.0)();
        json!({"meddled": true}).serialize(serializer)
    }
}

/// Fails when half of it is written.
#[derive(Serialize)]
struct Unfinished {
    begun: bool,
    #[serde(serialize_with = "refuse")]
    failing: (),
}

fn refuse<S: Serializer>(_: &(), _: S) -> std::result::Result<S::Ok, S::Error> {
    Err(ser::Error::custom("not today"))
}

struct DropBomb;

impl Drop for DropBomb {
    fn drop(&mut self) {
        panic!("bomb");
    }
}

impl Node for Probe {
    fn new(cx: &Context) -> Probe {
        if cx.node_ids().iter().any(|name| name == "panics") {
            panic!("no such cluster");
        }
        Probe {
            kept: RefCell::default(),
            ticks: Cell::new(0),
        }
    }

    #[allow(
        clippy::cognitive_complexity,
        clippy::too_many_lines,
        reason = "a table: an arm for each kind of request that a test sends"
    )]
    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        match request.kind() {
            "echo" => cx.reply(&request, &json!({"echo": request.body::<Value>()?["echo"]})),
            "proxy" => {
                let proxy: Proxy = request.body()?;
                let call = cx.sync_rpc_raw(proxy.target, &proxy.inner);
                let timeout = proxy.timeout_ms.map(Duration::from_millis);
                let reply = call.timeout(timeout.unwrap_or(cx.rpc_timeout())).await?;
                cx.reply(&request, &json!({"result": reply.body::<Value>()?}))
            }
            "ask_both" => {
                let calls = ["n2", "n3"].map(|peer| cx.sync_rpc(peer, "ping", &()));
                let replies = join_all(calls).await;
                let kinds: Vec<_> = replies
                    .iter()
                    .map(|reply| reply.as_ref().map_or("error", |reply| reply.kind()))
                    .collect();
                cx.reply(&request, &json!({"kinds": kinds}))
            }
            "ask_first" => {
                let calls = ["n2", "n3"].map(|peer| cx.sync_rpc(peer, "ping", &()));
                let [one, two] = calls;
                let (Either::Left((first, _)) | Either::Right((first, _))) = select(one, two).await;
                cx.reply(
                    &request,
                    &json!({"first": first?.body::<Value>()?["in_reply_to"]}),
                )
            }
            "give_up" => {
                let call = pin!(cx.sync_rpc("n2", "ping", &()));
                let sleep = pin!(cx.sleep(Duration::from_millis(10)));
                match select(call, sleep).await {
                    Either::Left((reply, _)) => reply.map(|_| ())?,
                    Either::Right(((), _call_is_dropped)) => {}
                }
                cx.reply(&request, &())
            }
            "sleep" => {
                cx.sleep(Duration::from_millis(request.body::<Millis>()?.ms))
                    .await;
                cx.reply(&request, &())
            }
            "tick" => {
                let mut interval = cx.every(Duration::from_millis(request.body::<Millis>()?.ms));
                cx.spawn(async move {
                    loop {
                        interval.tick().await;
                        self.ticks.set(self.ticks.get() + 1);
                    }
                });
                cx.reply(&request, &())
            }
            "ticks" => cx.reply(&request, &json!({"ticks": self.ticks.get()})),
            "sleep_many" => {
                let Many { count } = request.body()?;
                let second = Duration::from_secs(1);
                join_all((0..count).map(|_| cx.sleep(second))).await;
                cx.reply(&request, &())
            }
            "call_many" => {
                let Many { count } = request.body()?;
                try_join_all((0..count).map(|_| cx.sync_rpc("n2", "ping", &()))).await?;
                cx.reply(&request, &())
            }
            "spawn_many" => {
                let Many { count } = request.body()?;
                for _ in 0..count {
                    cx.spawn(nap(cx.clone()));
                }
                cx.reply(&request, &())
            }
            "try_spawn_many" => {
                let Many { count } = request.body()?;
                for _ in 0..count {
                    cx.try_spawn(nap(cx.clone()))?;
                }
                cx.reply(&request, &())
            }
            "count_many" => {
                let Many { count } = request.body()?;
                let echo = cx.tcp_echo();
                try_join_all((0..count).map(|_| echo.stats())).await?;
                cx.reply(&request, &())
            }
            "send_mebibyte" => {
                let data = "x".repeat(1 << 20);
                cx.tcp_echo().send(data).await?;
                cx.reply(&request, &())
            }
            "wait_for_ever" => std::future::pending().await,
            "drop_kept" => {
                self.kept.take();
                cx.reply(&request, &())
            }
            "panic" => panic!("on purpose"),
            "panic_later" => {
                cx.sleep(Duration::from_millis(1)).await;
                panic!("on purpose, later");
            }
            "panic_in_drop" => {
                let _bomb = DropBomb;
                cx.reply(&request, &())
            }
            "panic_in_serialize" => cx.reply(&request, &Meddler(|| panic!("half way"))),
            "fail" => Err(Error::new(ErrorCode::Other(1001), "my own")),
            "unfinished" => cx.reply(
                &request,
                &Unfinished {
                    begun: true,
                    failing: (),
                },
            ),
            "nested" => {
                let inner = || cx.send("n2", "inside", &()).unwrap();
                cx.reply(&request, &Meddler(inner))
            }
            "newlines" => {
                let raw = RawValue::from_string("{\n\"a\":\n1}".to_owned()).unwrap();
                cx.reply(&request, &json!({ "raw": raw }))
            }
            "twice" => {
                cx.reply(&request, &())?;
                cx.reply(&request, &json!({"again": true}))
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
            "respawn" => {
                respawn(cx.clone());
                cx.reply(&request, &())
            }
            "send_to" => {
                let body: Value = request.body()?;
                cx.send(
                    body["to"].as_str().unwrap_or_default(),
                    "note",
                    &json!({"n": 1}),
                )?;
                cx.reply(&request, &())
            }
            "flood" => {
                let text = "x".repeat(1 << 20);
                loop {
                    cx.send("n2", "filler", &json!({ "text": text }))?;
                }
            }
            _ => cx.not_supported(&request),
        }
    }
}

/// A task that sleeps for a second.
async fn nap(cx: Context) -> Result<()> {
    cx.sleep(Duration::from_secs(1)).await;
    Ok(())
}

/// A task that spawns its successor, without end.
fn respawn(cx: Context) {
    let next = cx.clone();
    cx.spawn(async move {
        respawn(next);
        Ok(())
    });
}

/// A session on virtual time.
pub(crate) struct World {
    pub(crate) session: Session,
    pub(crate) clock: VirtualClock,
    pub(crate) log: Rc<RefCell<Vec<String>>>,
}

impl World {
    /// A session that has received no init.
    pub(crate) fn nameless() -> World {
        World::nameless_with(Probe::new)
    }

    /// As [`nameless`](World::nameless), with a node of the test's own.
    pub(crate) fn nameless_with<N: Node>(build: impl Fn(&Context) -> N + 'static) -> World {
        let clock = VirtualClock::default();
        let log = Rc::new(RefCell::new(Vec::new()));
        let lines = log.clone();
        let session = Session::new(
            build,
            Settings::default(),
            Rc::new(clock.clone()),
            move |text| lines.borrow_mut().push(text.to_string()),
        );
        World {
            session,
            clock,
            log,
        }
    }

    /// The session of n1.
    pub(crate) fn new() -> World {
        World::with(Probe::new)
    }

    /// The session of n1, with a node of the test's own.
    pub(crate) fn with<N: Node>(build: impl Fn(&Context) -> N + 'static) -> World {
        let mut world = World::nameless_with(build);
        world.session.receive(INIT.as_bytes());
        world.settle();
        assert_eq!(world.bodies()[0]["type"], "init_ok");
        world
    }

    /// Receives a body from c1 and runs all tasks that are ready.
    pub(crate) fn ask(&mut self, body: &Value) {
        self.receive("c1", body);
    }

    pub(crate) fn receive(&mut self, src: &str, body: &Value) {
        self.receive_only(src, body);
        self.settle();
    }

    /// Receives a body and leaves the tasks that it makes ready.
    pub(crate) fn receive_only(&mut self, src: &str, body: &Value) {
        let line = json!({"src": src, "dest": "n1", "body": body}).to_string();
        self.session.receive(line.as_bytes());
    }

    /// Moves the time on by a millisecond, fires timers and leaves the tasks that they wake.
    pub(crate) fn expire_only(&mut self) {
        self.clock.advance(Duration::from_millis(1));
        self.session.expire(self.clock.now());
    }

    /// Runs every task that is ready, and those that they make ready.
    pub(crate) fn settle(&mut self) {
        while self.session.run_tasks(100) {}
    }

    /// Moves the time to `ms` after the clock's origin, one deadline at a time.
    pub(crate) fn advance_to_ms(&mut self, ms: u64) {
        let end = Instant::from_millis(ms);
        while let Some(deadline) = self.session.next_deadline()
            && deadline <= end
        {
            self.clock.advance_to(deadline);
            self.session.expire(self.clock.now());
            self.settle();
        }
        self.clock.advance_to(end);
    }

    /// The bodies that were sent since the last look.
    pub(crate) fn bodies(&mut self) -> Vec<Value> {
        self.messages().into_iter().map(|(_, body)| body).collect()
    }

    /// The messages sent since the last look: destination and body.
    pub(crate) fn messages(&mut self) -> Vec<(String, Value)> {
        let output = self.session.take_output();
        let parse = |line: &str| {
            let message: Value = serde_json::from_str(line).unwrap();
            assert_eq!(message["src"], "n1");
            let dest = message["dest"].as_str().unwrap().to_owned();
            (dest, message["body"].clone())
        };
        output.lines().map(parse).collect()
    }

    /// The only body that was sent since the last look.
    pub(crate) fn body(&mut self) -> Value {
        let mut bodies = self.bodies();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        bodies.remove(0)
    }

    pub(crate) fn assert_idle(&self) {
        assert_eq!(self.session.usage(), eddyline::session::Usage::default());
    }
}
