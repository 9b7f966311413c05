//! The setup of a node: what it holds back, and what it lets through.

use super::world::{INIT, World};
use eddyline::protocol::Init;
use eddyline::session::{SETUP_BYTES_MAX, SETUP_REQUESTS_MAX, Usage};
use eddyline::{Context, Error, Node, Request, Result};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// The work of a setup.
#[derive(Clone, Copy)]
enum Setup {
    ReadyAtOnce,
    Sleeps,
    Calls,
    FailsAtOnce,
    FailsLater,
    PanicsLater,
}

/// A node that notes when its parts begin.
struct Noting {
    setup: Rc<Cell<Setup>>,
    notes: Rc<RefCell<Vec<String>>>,
}

impl Noting {
    fn note(&self, text: &str) {
        self.notes.borrow_mut().push(text.to_owned());
    }
}

impl Node for Noting {
    fn new(_: &Context) -> Noting {
        unreachable!("built by a closure")
    }

    async fn setup(self: Rc<Self>, cx: Context) -> Result<()> {
        self.note("setup");
        let tick = Duration::from_millis(10);
        match self.setup.get() {
            Setup::ReadyAtOnce => {}
            Setup::Sleeps => cx.sleep(tick).await,
            Setup::Calls => cx.lin_kv().write("key", 0).await?,
            Setup::FailsAtOnce => return Err(Error::abort("on purpose")),
            Setup::FailsLater => {
                cx.sleep(tick).await;
                return Err(Error::abort("on purpose"));
            }
            Setup::PanicsLater => {
                cx.sleep(tick).await;
                panic!("on purpose");
            }
        }
        self.note("set up");
        Ok(())
    }

    async fn start(self: Rc<Self>, cx: Context) -> Result<()> {
        self.note("start");
        cx.send("n2", "hello", &())
    }

    async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
        self.note(request.kind());
        cx.reply(&request, &())
    }
}

/// A node, its world and its notes.
struct Scene {
    world: World,
    setup: Rc<Cell<Setup>>,
    notes: Rc<RefCell<Vec<String>>>,
}

impl Scene {
    /// A node that has received its init.
    fn new(setup: Setup) -> Scene {
        let mut scene = Scene::nameless(setup);
        scene.world.session.receive(INIT.as_bytes());
        scene
    }

    /// A node that has received nothing.
    fn nameless(setup: Setup) -> Scene {
        let setup = Rc::new(Cell::new(setup));
        let notes = Rc::new(RefCell::new(Vec::new()));
        let (its_setup, its_notes) = (setup.clone(), notes.clone());
        let world = World::nameless_with(move |_| Noting {
            setup: its_setup.clone(),
            notes: its_notes.clone(),
        });
        Scene {
            world,
            setup,
            notes,
        }
    }

    /// Receives a request, and runs no task.
    fn ask(&mut self, kind: &str, msg_id: usize) {
        let body = json!({"type": kind, "msg_id": msg_id});
        self.world.receive_only("c1", &body);
    }

    /// The types of the bodies sent since the last look, or the codes of errors.
    fn heard(&mut self) -> Vec<String> {
        let name = |body: &Value| match body.get("code") {
            Some(code) => code.to_string(),
            None => body["type"].as_str().unwrap().to_owned(),
        };
        self.world.bodies().iter().map(name).collect()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.take()
    }

    fn logged(&self) -> String {
        self.world.log.borrow().join("\n")
    }
}

#[test]
fn start_begins_before_the_first_handler_though_both_lines_come_at_once() {
    let mut scene = Scene::new(Setup::ReadyAtOnce);
    scene.ask("first", 7);
    assert_eq!(scene.notes(), ["setup", "set up", "start", "first"]);
    assert_eq!(scene.heard(), ["init_ok", "hello", "first_ok"]);
    scene.world.assert_idle();
}

#[test]
fn a_setup_holds_init_ok_and_requests_back_and_keeps_their_order() {
    let mut scene = Scene::new(Setup::Sleeps);
    scene.world.settle();
    for msg_id in 1..=3 {
        scene.ask(&format!("r{msg_id}"), msg_id);
        scene.world.settle();
    }
    assert_eq!(scene.notes(), ["setup"]);
    assert!(scene.heard().is_empty());
    scene.world.advance_to_ms(9);
    assert!(scene.heard().is_empty());
    scene.world.advance_to_ms(10);
    assert_eq!(scene.notes(), ["set up", "start", "r1", "r2", "r3"]);
    let ordered = ["init_ok", "hello", "r1_ok", "r2_ok", "r3_ok"];
    assert_eq!(scene.heard(), ordered);
    scene.ask("r4", 4);
    assert_eq!(scene.heard(), ["r4_ok"], "the node serves");
    scene.world.assert_idle();
}

#[test]
fn replies_to_the_calls_of_a_setup_come_through() {
    let mut scene = Scene::new(Setup::Calls);
    scene.ask("waits", 7);
    let (dest, call) = scene.world.messages().remove(0);
    assert_eq!((dest.as_str(), &call["type"]), ("lin-kv", &json!("write")));
    let reply = json!({"type": "write_ok", "in_reply_to": call["msg_id"]});
    scene.world.receive("lin-kv", &reply);
    assert_eq!(scene.heard(), ["init_ok", "hello", "waits_ok"]);
    scene.world.assert_idle();
}

#[test]
fn the_timeout_of_a_setups_call_answers_the_init() {
    let mut scene = Scene::new(Setup::Calls);
    scene.world.bodies();
    scene.world.advance_to_ms(1_000);
    assert_eq!(scene.heard(), ["0"]);
    assert!(scene.logged().contains("setup has failed"));
}

#[test]
fn a_setup_that_fails_answers_init_and_another_init_tries_again() {
    for setup in [Setup::FailsAtOnce, Setup::FailsLater] {
        let mut scene = Scene::new(setup);
        scene.ask("waits", 7);
        scene.world.advance_to_ms(10);
        assert_eq!(scene.heard(), ["14", "11"]);
        let logged = scene.logged();
        assert!(logged.contains("setup has failed"), "{logged}");
        assert!(logged.contains("on purpose"), "{logged}");
        scene.ask("early", 8);
        assert_eq!(scene.heard(), ["11"], "it does not serve");
        scene.setup.set(Setup::ReadyAtOnce);
        scene.notes();
        scene.world.session.receive(INIT.as_bytes());
        scene.ask("late", 9);
        assert_eq!(scene.heard(), ["init_ok", "hello", "late_ok"]);
        assert_eq!(scene.notes(), ["setup", "set up", "start", "late"]);
        scene.world.assert_idle();
    }
}

#[test]
fn a_setup_that_panics_is_error_13() {
    let mut scene = Scene::new(Setup::PanicsLater);
    scene.world.advance_to_ms(10);
    let error = scene.world.body();
    assert_eq!(
        (&error["code"], &error["in_reply_to"]),
        (&json!(13), &json!(1))
    );
    assert!(error["text"].as_str().unwrap().contains("on purpose"));
    scene.world.assert_idle();
}

#[test]
fn a_second_init_waits_for_the_setup_if_it_agrees_and_else_is_error_22() {
    let init = |node_ids: &[&str]| json!({"type": "init", "msg_id": 2, "node_id": "n1", "node_ids": node_ids});
    let both = [(Setup::Sleeps, "init_ok"), (Setup::FailsLater, "14")];
    for (setup, answer) in both {
        let mut scene = Scene::new(setup);
        scene.world.receive("c2", &init(&["n3", "n2", "n1"]));
        assert!(scene.heard().is_empty());
        scene.world.receive("c2", &init(&["n1", "n2"]));
        assert_eq!(scene.heard(), ["22"]);
        scene.world.advance_to_ms(10);
        let answered = scene.world.messages();
        let inits = answered.iter().filter(|(_, body)| body["type"] != "hello");
        let inits: Vec<_> = inits.map(|(dest, _)| dest.as_str()).collect();
        assert_eq!(inits, ["c0", "c2"], "both, with {answer}");
        assert_eq!(
            scene.notes().iter().filter(|note| *note == "setup").count(),
            1
        );
    }
}

#[test]
fn requests_that_wait_for_a_setup_are_bounded_in_number() {
    let mut scene = Scene::new(Setup::Sleeps);
    for msg_id in 0..SETUP_REQUESTS_MAX {
        scene.ask("waits", msg_id);
    }
    assert!(scene.heard().is_empty());
    scene.ask("refused", SETUP_REQUESTS_MAX);
    assert_eq!(scene.heard(), ["11"]);
    scene.world.advance_to_ms(10);
    assert_eq!(scene.heard().len(), SETUP_REQUESTS_MAX + 2);
    scene.world.assert_idle();
}

#[test]
fn requests_that_wait_for_a_setup_are_bounded_in_bytes() {
    const BIG: usize = 1 << 20;
    let mut scene = Scene::new(Setup::Sleeps);
    let text = "x".repeat(BIG);
    let mut waiting = 0;
    while scene.heard().is_empty() {
        let body = json!({"type": "big", "msg_id": waiting, "text": text});
        scene.world.receive_only("c1", &body);
        waiting += 1;
    }
    assert!((SETUP_BYTES_MAX / BIG - 1..=SETUP_BYTES_MAX / BIG + 1).contains(&(waiting - 1)));
    scene.world.advance_to_ms(10);
    assert_eq!(scene.heard().len(), waiting - 1 + 2);
}

#[test]
fn a_message_for_another_node_does_not_wait_for_the_setup() {
    let mut scene = Scene::new(Setup::Sleeps);
    let line = json!({"src": "c1", "dest": "n2", "body": {"type": "x", "msg_id": 1}});
    scene.world.session.receive(line.to_string().as_bytes());
    assert!(scene.logged().contains("its destination is"));
    scene.world.advance_to_ms(10);
    assert_eq!(scene.heard(), ["init_ok", "hello"]);
}

#[test]
fn a_setup_is_a_task_until_it_ends() {
    let mut scene = Scene::new(Setup::Sleeps);
    let running = Usage {
        tasks: 1,
        timers: 1,
        ..Usage::default()
    };
    assert_eq!(scene.world.session.usage(), running);
    scene.world.advance_to_ms(10);
    scene.world.assert_idle();
}

fn identity(node_ids: &[&str]) -> Init {
    Init {
        node_id: "n1".to_owned(),
        node_ids: node_ids.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_node_that_its_owner_names_is_set_up_and_serves_without_an_init() {
    let mut scene = Scene::nameless(Setup::Sleeps);
    let n1 = identity(&["n1", "n2", "n3"]);
    scene.world.session.identify(&n1).unwrap();
    scene.ask("waits", 7);
    scene.world.advance_to_ms(10);
    assert_eq!(scene.notes(), ["setup", "set up", "start", "waits"]);
    assert_eq!(scene.heard(), ["hello", "waits_ok"]);
    scene.world.session.receive(INIT.as_bytes());
    assert_eq!(scene.heard(), ["init_ok"]);
    scene
        .world
        .session
        .identify(&identity(&["n1"]))
        .unwrap_err();
    scene.world.session.identify(&n1).unwrap();
    assert!(scene.heard().is_empty());
    assert!(scene.logged().is_empty(), "{}", scene.logged());
}

#[test]
fn a_setup_that_fails_without_an_init_is_logged_and_an_init_tries_again() {
    let mut scene = Scene::nameless(Setup::FailsAtOnce);
    scene
        .world
        .session
        .identify(&identity(&["n1", "n2", "n3"]))
        .unwrap();
    assert!(scene.heard().is_empty());
    assert!(scene.logged().contains("on purpose"), "{}", scene.logged());
    scene.setup.set(Setup::ReadyAtOnce);
    scene.world.session.receive(INIT.as_bytes());
    assert_eq!(scene.heard(), ["init_ok", "hello"]);
}

#[test]
fn a_wrong_identity_is_refused_and_leaves_the_node_nameless() {
    let mut scene = Scene::nameless(Setup::ReadyAtOnce);
    let error = scene
        .world
        .session
        .identify(&identity(&["n2"]))
        .unwrap_err();
    assert!(error.text.contains("is not among the nodes"), "{error}");
    assert!(scene.notes().is_empty());
}

#[test]
fn a_setup_goes_on_after_the_end_of_the_input_unless_it_waits_for_a_reply() {
    let mut scene = Scene::new(Setup::Sleeps);
    scene.ask("waits", 7);
    scene.world.session.end_input();
    assert!(scene.world.session.may_go_on());
    scene.world.advance_to_ms(10);
    assert_eq!(scene.heard(), ["init_ok", "hello", "waits_ok"]);
    assert!(!scene.world.session.may_go_on());
    let mut scene = Scene::new(Setup::Calls);
    scene.world.session.end_input();
    assert!(!scene.world.session.may_go_on(), "no reply can come");
}
