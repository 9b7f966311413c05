//! One node on virtual time, without a network. The test sends as every client, node
//! and service.

#![allow(dead_code, unreachable_pub, reason = "no test file uses all of it")]

use eddyline::session::{Session, Settings, Usage};
use eddyline::task::{Inline, Threads, Work};
use eddyline::time::{Clock, Instant, VirtualClock};
use eddyline::{Context, Node, Request, Result};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// A node that runs one function for every request.
pub struct Alone {
    clock: VirtualClock,
    session: Session,
    log: Rc<RefCell<Vec<String>>>,
}

/// The function that the node runs for each request. See [`act!`](crate::act).
pub trait Act: 'static {
    fn act(cx: Context, request: Request) -> impl Future<Output = Result<()>>;
}

struct Actor<A>(std::marker::PhantomData<A>);

impl<A: Act> Node for Actor<A> {
    fn new(_: &Context) -> Self {
        Actor(std::marker::PhantomData)
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        A::act(cx, request).await
    }
}

impl Alone {
    /// n1 of three nodes. It is initialised, and has one request of c1 with `msg_id` 1.
    pub fn acting<A: Act>() -> Alone {
        Alone::with_threads::<A>(Inline)
    }

    /// As [`acting`](Alone::acting), with a place for closures that block.
    pub fn with_threads<A: Act>(threads: impl Threads + 'static) -> Alone {
        let clock = VirtualClock::default();
        let settings = Settings::default();
        let time = Rc::new(clock.clone());
        let log = Rc::new(RefCell::new(Vec::new()));
        let lines = log.clone();
        let mut session = Session::new(Actor::<A>::new, settings, time, move |text| {
            lines.borrow_mut().push(text.to_string());
        });
        session.set_threads(threads);
        let mut alone = Alone {
            clock,
            session,
            log,
        };
        let init = json!({"type": "init", "msg_id": 1, "node_id": "n1",
            "node_ids": ["n1", "n2", "n3"]});
        alone.receive("c0", init);
        alone.sent();
        alone.receive("c1", json!({"type": "act", "msg_id": 1}));
        alone
    }

    /// Delivers a message and runs all tasks that are ready.
    pub fn receive(&mut self, src: &str, body: Value) {
        self.receive_all(src, [body]);
    }

    /// The destinations and bodies of the messages sent since the last call.
    pub fn sent(&mut self) -> Vec<(String, Value)> {
        let output = self.session.take_output();
        let message = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let dest = line["dest"].as_str().unwrap().to_owned();
            (dest, line["body"].take())
        };
        output.lines().map(message).collect()
    }

    /// The only message that was sent: its destination, its `msg_id`, and the body
    /// without the `msg_id`.
    #[track_caller]
    pub fn sent_one(&mut self) -> (String, u64, Value) {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        let (dest, mut body) = sent.remove(0);
        let msg_id = body.as_object_mut().unwrap().remove("msg_id").unwrap();
        (dest, msg_id.as_u64().unwrap(), body)
    }

    /// Answers the only message that was sent, whose body must be `expected`.
    #[track_caller]
    pub fn serve(&mut self, expected: Value, mut reply: Value) {
        let (dest, msg_id, body) = self.sent_one();
        assert_eq!(body, expected);
        reply["in_reply_to"] = msg_id.into();
        self.receive(&dest, reply);
    }

    /// Checks that only the reply to the client was sent, and that no task, call or
    /// timer is left.
    #[track_caller]
    pub fn ends_with(&mut self, mut expected: Value) {
        expected["in_reply_to"] = 1.into();
        let (dest, _, body) = self.sent_one();
        assert_eq!((dest.as_str(), body), ("c1", expected));
        assert_eq!(self.usage(), Usage::default());
    }

    /// Lets `ms` milliseconds pass. Each timer fires at its deadline.
    pub fn advance(&mut self, ms: u64) {
        let until = self.now() + Duration::from_millis(ms);
        loop {
            while self.session.run_tasks(100) {}
            match self.session.next_deadline() {
                Some(deadline) if deadline <= until => {
                    self.clock.advance_to(deadline);
                    self.session.expire(deadline);
                }
                _ => break,
            }
        }
        self.clock.advance_to(until);
    }

    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    pub fn usage(&self) -> Usage {
        self.session.usage()
    }

    /// Whether a handler waits for something else than replies.
    pub fn may_go_on(&self) -> bool {
        self.session.may_go_on()
    }

    /// The lines for people since the last call.
    pub fn logged(&mut self) -> Vec<String> {
        self.log.take()
    }

    pub fn clock(&self) -> VirtualClock {
        self.clock.clone()
    }

    /// Delivers messages as one batch, and runs all tasks that are ready.
    pub fn receive_all(&mut self, src: &str, bodies: impl IntoIterator<Item = Value>) {
        for body in bodies {
            let line = json!({"src": src, "dest": "n1", "body": body}).to_string();
            self.session.receive(line.as_bytes());
        }
        while self.session.run_tasks(100) {}
    }

    pub fn end_input(&mut self) {
        self.session.end_input();
    }
}

/// Runs closures when the test says so, or refuses them.
#[derive(Clone, Default)]
pub struct ByHand {
    pub waiting: Rc<RefCell<Vec<Work>>>,
    pub refuses: bool,
}

impl Threads for ByHand {
    fn run(&self, work: Work) -> std::result::Result<(), String> {
        if self.refuses {
            return Err("all threads are busy".to_owned());
        }
        self.waiting.borrow_mut().push(work);
        Ok(())
    }
}

impl ByHand {
    /// Runs the closure that has waited longest.
    pub fn run_one(&self) {
        let work = self.waiting.borrow_mut().remove(0);
        work();
    }
}

/// Defines a type whose `act` has the given body.
#[macro_export]
macro_rules! act {
    ($name:ident, |$cx:ident, $request:ident| $body:expr) => {
        struct $name;
        impl $crate::alone::Act for $name {
            async fn act(
                $cx: eddyline::Context,
                $request: eddyline::Request,
            ) -> eddyline::Result<()> {
                $body
            }
        }
    };
}
