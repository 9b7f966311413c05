//! The life of a call: sent, and ended exactly once.

use super::world::World;
use eddyline::session::Usage;
use serde_json::{Value, json};

fn proxy(msg_id: u64) -> Value {
    json!({"type": "proxy", "msg_id": msg_id, "target": "n2", "inner": {"type": "ping"}})
}

fn pong(in_reply_to: &Value) -> Value {
    json!({"type": "pong", "in_reply_to": in_reply_to, "n": 1})
}

#[test]
fn a_reply_ends_the_call_and_leaves_nothing_behind() {
    let mut world = World::new();
    world.ask(&proxy(7));
    let sent = world.body();
    assert_eq!(
        (&sent["type"], &sent["msg_id"]),
        (&json!("ping"), &json!(1))
    );
    let waiting = Usage {
        tasks: 1,
        calls: 1,
        calls_waiting: 1,
        timers: 1,
        ..Usage::default()
    };
    assert_eq!(world.session.usage(), waiting);
    world.receive("n2", &pong(&sent["msg_id"]));
    let reply = world.body();
    assert_eq!(reply["type"], "proxy_ok");
    assert_eq!(reply["result"]["n"], 1);
    world.assert_idle();
    assert_eq!(world.session.next_deadline(), None);
}

#[test]
fn silence_is_error_0_at_the_deadline_and_not_a_millisecond_before() {
    let mut world = World::new();
    world.ask(&proxy(7));
    world.bodies();
    world.advance_to_ms(999);
    assert!(world.bodies().is_empty());
    world.advance_to_ms(1000);
    let reply = world.body();
    assert_eq!(
        (&reply["code"], &reply["in_reply_to"]),
        (&json!(0), &json!(7))
    );
    world.advance_to_ms(10_000);
    assert!(world.bodies().is_empty());
    world.assert_idle();
}

#[test]
fn a_timeout_of_its_own_counts_from_the_sending() {
    let mut world = World::new();
    world.advance_to_ms(500);
    let mut request = proxy(7);
    request["timeout_ms"] = json!(20);
    world.ask(&request);
    world.bodies();
    world.advance_to_ms(519);
    assert!(world.bodies().is_empty());
    world.advance_to_ms(520);
    assert_eq!(world.body()["code"], 0);
}

/// The turn delivers readiness before it expires timers.
#[test]
fn a_reply_in_the_turn_of_its_deadline_beats_the_timeout() {
    let mut world = World::new();
    world.ask(&proxy(7));
    let sent = world.body();
    world.clock.advance(std::time::Duration::from_secs(5));
    world.receive("n2", &pong(&sent["msg_id"]));
    world.advance_to_ms(5000);
    assert_eq!(world.body()["type"], "proxy_ok");
}

#[test]
fn late_doubled_and_forged_replies_are_counted_and_nothing_else() {
    let mut world = World::new();
    world.ask(&proxy(7));
    let sent = world.body();
    world.receive("n3", &pong(&sent["msg_id"]));
    world.receive("c1", &pong(&sent["msg_id"]));
    world.receive("n2", &pong(&json!(999)));
    world.receive("n2", &pong(&json!(-1)));
    world.receive("n2", &pong(&json!(u64::MAX)));
    assert_eq!(world.session.ignored_replies(), 5);
    assert!(world.bodies().is_empty());
    world.receive("n2", &pong(&sent["msg_id"]));
    world.receive("n2", &pong(&sent["msg_id"]));
    assert_eq!(world.body()["type"], "proxy_ok");
    world.ask(&proxy(8));
    let sent = world.body();
    world.advance_to_ms(2000);
    world.receive("n2", &pong(&sent["msg_id"]));
    assert_eq!(world.body()["code"], 0);
    assert_eq!(world.session.ignored_replies(), 7);
    world.assert_idle();
}

#[test]
fn an_error_reply_passes_through_with_its_code_and_text() {
    for (code, text) in [
        (20, json!("gone")),
        (1234, json!("own")),
        (-5, json!(["odd"])),
    ] {
        let mut world = World::new();
        world.ask(&proxy(7));
        let sent = world.body();
        let id = &sent["msg_id"];
        let error = json!({"type": "error", "in_reply_to": id, "code": code, "text": text});
        world.receive("n2", &error);
        let reply = world.body();
        assert_eq!(reply["code"], code);
        let expected = text.as_str().map_or(text.to_string(), ToOwned::to_owned);
        assert_eq!(reply["text"], expected);
    }
}

#[test]
fn two_calls_at_once_may_be_answered_in_any_order() {
    let mut world = World::new();
    world.ask(&json!({"type": "ask_both", "msg_id": 5}));
    let sent = world.messages();
    assert_eq!(sent.len(), 2);
    world.receive("n3", &pong(&sent[1].1["msg_id"]));
    assert!(world.bodies().is_empty());
    world.receive("n2", &pong(&sent[0].1["msg_id"]));
    assert_eq!(world.body()["kinds"], json!(["pong", "pong"]));
}

#[test]
fn the_loser_of_a_race_is_forgotten() {
    let mut world = World::new();
    world.ask(&json!({"type": "ask_first", "msg_id": 5}));
    let sent = world.messages();
    world.receive("n3", &pong(&sent[1].1["msg_id"]));
    assert_eq!(world.body()["first"], sent[1].1["msg_id"]);
    world.assert_idle();
    world.receive("n2", &pong(&sent[0].1["msg_id"]));
    assert_eq!(world.session.ignored_replies(), 1);
}

/// The pending-call entry leaks on timeout in libraries of three languages.
#[test]
fn a_call_that_is_dropped_cleans_up_both_tables() {
    let mut world = World::new();
    world.ask(&json!({"type": "give_up", "msg_id": 5}));
    assert_eq!(world.session.usage().timers, 2);
    world.advance_to_ms(10);
    assert_eq!(world.bodies().last().unwrap()["type"], "give_up_ok");
    world.assert_idle();
}

/// In a blocking loop, a call inside a handler deadlocks. So do two nodes that wait for each
/// other.
#[test]
fn handlers_that_call_each_other_and_themselves_all_end() {
    let mut world = World::new();
    let inner = json!({"type": "proxy", "target": "n2", "inner": {"type": "ping"}});
    world.ask(&json!({"type": "proxy", "msg_id": 5, "target": "n1", "inner": inner}));
    let (dest, body) = world.messages().remove(0);
    assert_eq!(dest, "n1", "a call to oneself goes over the wire");
    world.receive("n1", &body);
    let (dest, ping) = world.messages().remove(0);
    assert_eq!(dest, "n2");
    // n2 asks us, before it answers.
    world.receive("n2", &json!({"type": "echo", "msg_id": 1, "echo": 1}));
    assert_eq!(world.body()["type"], "echo_ok");
    world.receive("n2", &pong(&ping["msg_id"]));
    let (dest, answer) = world.messages().remove(0);
    assert_eq!(dest, "n1");
    world.receive("n1", &answer);
    let (dest, last) = world.messages().remove(0);
    assert_eq!(
        (dest.as_str(), &last["result"]["type"]),
        ("c1", &json!("proxy_ok"))
    );
    world.assert_idle();
}

#[test]
fn fifty_thousand_calls_end_once_each() {
    const CALLS: u64 = 50_000;
    let mut world = World::new();
    for msg_id in 0..CALLS {
        let line = json!({"src": "c1", "dest": "n1", "body": proxy(msg_id)}).to_string();
        world.session.receive(line.as_bytes());
    }
    let sent = world.messages();
    assert_eq!(sent.len(), 50_000);
    // Every other one is answered, twice; the rest expires.
    for (_, body) in sent.iter().step_by(2) {
        world.receive("n2", &pong(&body["msg_id"]));
        world.receive("n2", &pong(&body["msg_id"]));
    }
    world.advance_to_ms(1000);
    let mut answered: Vec<u64> = world
        .bodies()
        .iter()
        .map(|body| body["in_reply_to"].as_u64().unwrap())
        .collect();
    answered.sort_unstable();
    assert!(answered.iter().copied().eq(0..CALLS));
    assert_eq!(world.session.ignored_replies(), CALLS / 2);
    world.assert_idle();
}

#[test]
fn after_the_end_of_input_calls_end_without_a_reply() {
    let mut world = World::new();
    world.ask(&proxy(7));
    world.bodies();
    world.session.end_input();
    world.advance_to_ms(5000);
    assert!(world.bodies().is_empty());
}

/// A waiting call has an armed timer, also after the end of input.
#[test]
fn after_the_end_of_input_an_expired_call_has_neither_entry_nor_timer() {
    let mut world = World::new();
    world.ask(&proxy(7));
    world.session.end_input();
    world.ask(&proxy(8));
    world.advance_to_ms(999);
    let usage = world.session.usage();
    assert_eq!((usage.calls_waiting, usage.timers, usage.tasks), (2, 2, 2));
    world.advance_to_ms(1000);
    let suspended = Usage {
        tasks: 2,
        ..Usage::default()
    };
    assert_eq!(world.session.usage(), suspended);
    assert!(!world.session.may_go_on());
}
