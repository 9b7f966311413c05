//! An observer sees every message, and loses the ones that it drops.

use super::world::{INIT, Probe, World};
use eddyline::Context;
use eddyline::node::{Direction, Observed, Verdict};
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;

/// A node that is observed from its init on.
fn observed(observe: impl Fn(&Context, Observed<'_>) -> Verdict + Clone + 'static) -> World {
    World::nameless_with(move |cx| {
        let (observe, own) = (observe.clone(), cx.clone());
        cx.observe(move |message| observe(&own, message));
        <Probe as eddyline::Node>::new(cx)
    })
}

type Seen = Rc<RefCell<Vec<String>>>;

fn recorded() -> (World, Seen) {
    let seen = Seen::default();
    let sink = seen.clone();
    let world = observed(move |_, message| {
        let kind = message.envelope.header.kind.as_deref().unwrap_or("-");
        let arrow = match message.direction {
            Direction::In => "<-",
            Direction::Out => "->",
        };
        let millis = message.time.as_nanos() / 1_000_000;
        let entry = format!("{millis} {arrow} {kind}");
        sink.borrow_mut().push(entry);
        assert!(message.line().starts_with('{') && message.line().ends_with('}'));
        Verdict::Pass
    });
    (world, seen)
}

#[test]
fn every_message_is_seen_with_its_direction_and_time() {
    let (mut world, seen) = recorded();
    world.session.receive(INIT.as_bytes());
    world.ask(&json!({"type": "proxy", "msg_id": 7, "target": "n2", "inner": {"type": "x"}}));
    world.advance_to_ms(5);
    world.receive("n2", &json!({"type": "x_ok", "in_reply_to": 1}));
    world.ask(&json!({"type": "frob", "msg_id": 8}));
    world.ask(&json!({"type": 9, "msg_id": 9})); // refused by the session
    world.ask(&json!({"type": "late_ok", "in_reply_to": 77})); // ignored
    world.session.receive(b"no message");
    world.ask(&json!({"type": "send_to", "msg_id": 10, "to": "n3"}));
    let expected = [
        "0 <- init",
        "0 -> init_ok",
        "0 <- proxy",
        "0 -> x",
        "5 <- x_ok",
        "5 -> proxy_ok",
        "5 <- frob",
        "5 -> error",
        "5 <- -",
        "5 -> error",
        "5 <- late_ok",
        "5 <- send_to",
        "5 -> note",
        "5 -> send_to_ok",
    ];
    assert_eq!(*seen.borrow(), expected);
    assert_eq!(world.messages().len(), 7);
}

#[test]
fn a_line_is_seen_as_it_is_on_the_wire() {
    let lines = Rc::new(RefCell::new(String::new()));
    let sink = lines.clone();
    let mut world = observed(move |_, message| {
        if message.direction == Direction::Out {
            sink.borrow_mut().push_str(message.line());
            sink.borrow_mut().push('\n');
        }
        Verdict::Pass
    });
    world.session.receive(INIT.as_bytes());
    world.ask(&json!({"type": "echo", "msg_id": 1, "echo": "a\nb"}));
    world.ask(&json!({"type": "nested", "msg_id": 2}));
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    // The inner message of `nested` is finished, and so seen, before the outer one.
    let output = world.session.take_output();
    assert_eq!(sorted(&lines.borrow()), sorted(&output));
}

/// A node that loses all messages of one type, in one direction.
fn without(direction: Direction, kind: &'static str) -> World {
    let mut world = observed(move |_, message| {
        let is_lost =
            message.direction == direction && message.envelope.header.kind.as_deref() == Some(kind);
        if is_lost {
            Verdict::Drop
        } else {
            Verdict::Pass
        }
    });
    world.session.receive(INIT.as_bytes());
    assert_eq!(world.body()["type"], "init_ok");
    world
}

#[test]
fn a_message_that_is_dropped_is_lost_without_a_complaint() {
    for (direction, kind) in [(Direction::In, "echo"), (Direction::Out, "echo_ok")] {
        let mut world = without(direction, kind);
        world.ask(&json!({"type": "echo", "msg_id": 1, "echo": 1}));
        assert!(world.messages().is_empty());
        world.ask(&json!({"type": "ticks", "msg_id": 2}));
        assert_eq!(world.body()["type"], "ticks_ok");
        assert!(world.log.borrow().is_empty(), "{:?}", world.log);
        world.assert_idle();
    }
}

#[test]
fn a_call_whose_request_or_reply_is_dropped_times_out() {
    for (direction, kind) in [(Direction::Out, "x"), (Direction::In, "x_ok")] {
        let mut world = without(direction, kind);
        world.ask(&json!({"type": "proxy", "msg_id": 7, "target": "n2", "inner": {"type": "x"}}));
        world.receive("n2", &json!({"type": "x_ok", "in_reply_to": 1}));
        if direction == Direction::Out {
            // Its number is used up, so the reply above was the right one.
            assert_eq!(world.body()["type"], "proxy_ok");
        } else {
            world.messages();
            world.advance_to_ms(1_000);
            assert_eq!(world.body()["code"], 0);
        }
        world.assert_idle();
    }
}

#[test]
fn an_observer_may_send_messages_which_it_does_not_see() {
    let count = Rc::new(RefCell::new(0));
    let counter = count.clone();
    let mut world = observed(move |cx, message| {
        *counter.borrow_mut() += 1;
        if message.direction == Direction::Out {
            cx.send("n2", "copy", &json!({"of": message.envelope.dest}))
                .unwrap();
        }
        Verdict::Pass
    });
    world.session.receive(INIT.as_bytes());
    world.ask(&json!({"type": "proxy", "msg_id": 7, "target": "n3", "inner": {"type": "x"}}));
    let sent: Vec<_> = world
        .bodies()
        .iter()
        .map(|body| body["type"].clone())
        .collect();
    assert_eq!(sent, ["init_ok", "copy", "x", "copy"]);
    assert_eq!(*count.borrow(), 4);
}

#[test]
fn an_observer_that_panics_is_logged_and_loses_nothing() {
    let mut world = observed(|_, message| {
        assert!(message.direction == Direction::In, "no idea");
        Verdict::Drop
    });
    world.session.receive(INIT.as_bytes());
    assert_eq!(world.body()["type"], "init_ok");
    assert!(world.log.borrow()[0].starts_with("the observer panicked: no idea"));
    world.ask(&json!({"type": "echo", "msg_id": 1, "echo": 1}));
    assert!(world.messages().is_empty(), "it goes on");
}

#[test]
fn a_later_observer_replaces_the_first() {
    let mut world = World::nameless_with(|cx| {
        cx.observe(|_| Verdict::Drop);
        cx.observe(|_| Verdict::Pass);
        <Probe as eddyline::Node>::new(cx)
    });
    world.session.receive(INIT.as_bytes());
    assert_eq!(world.body()["type"], "init_ok");
}

#[test]
fn an_observer_ends_with_its_session() {
    let alive = Rc::new(());
    let own = alive.clone();
    let mut world = observed(move |cx, _| {
        let _both_are_held = (cx.node_id(), &own);
        Verdict::Pass
    });
    world.session.receive(INIT.as_bytes());
    assert!(Rc::strong_count(&alive) > 1);
    drop(world);
    assert_eq!(Rc::strong_count(&alive), 1);
}
