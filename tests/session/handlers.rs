//! Handlers of every kind, and the fate of their requests.

use super::world::World;
use serde_json::{Value, json};

fn ask(world: &mut World, kind: &str) -> Vec<Value> {
    world.ask(&json!({"type": kind, "msg_id": 7}));
    world.bodies()
}

fn logged(world: &World) -> String {
    world.log.borrow().join("\n")
}

fn assert_lives(world: &mut World) {
    world.ask(&json!({"type": "echo", "msg_id": 99, "echo": "alive"}));
    assert_eq!(world.body()["echo"], "alive");
}

#[test]
fn a_panic_is_error_13_and_the_node_lives_on() {
    for (kind, message) in [
        ("panic", "on purpose"),
        ("panic_later", "on purpose, later"),
        ("panic_in_serialize", "half way"),
    ] {
        let mut world = World::new();
        world.ask(&json!({"type": kind, "msg_id": 7}));
        world.advance_to_ms(1);
        let reply = world.body();
        assert_eq!(
            (&reply["code"], &reply["in_reply_to"]),
            (&json!(13), &json!(7))
        );
        assert!(reply["text"].as_str().unwrap().contains(message));
        assert!(logged(&world).contains(message), "{}", logged(&world));
        assert_lives(&mut world);
        world.assert_idle();
    }
}

#[test]
fn a_panic_after_the_reply_is_logged_and_not_answered_again() {
    let mut world = World::new();
    let replies = ask(&mut world, "panic_in_drop");
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0]["type"], "panic_in_drop_ok");
    assert!(logged(&world).contains("bomb"));
    assert_lives(&mut world);
}

#[test]
fn an_error_of_the_authors_own_answers_the_caller() {
    let mut world = World::new();
    let reply = ask(&mut world, "fail").remove(0);
    assert_eq!(
        (&reply["code"], &reply["text"]),
        (&json!(1001), &json!("my own"))
    );
}

#[test]
fn a_reply_that_does_not_serialise_leaves_no_trace_but_the_error() {
    let mut world = World::new();
    let replies = ask(&mut world, "unfinished");
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0]["code"], 13);
    assert_eq!(replies[0]["msg_id"], 1, "no number is left out");
    assert!(replies[0]["text"].as_str().unwrap().contains("not today"));
}

#[test]
fn a_message_sent_while_another_is_serialised_is_whole() {
    let mut world = World::new();
    let sent = ask(&mut world, "nested");
    let kinds: Vec<_> = sent.iter().map(|body| body["type"].clone()).collect();
    assert_eq!(kinds, ["nested_ok", "inside"]);
}

#[test]
fn newlines_in_raw_json_do_not_end_the_message() {
    let mut world = World::new();
    assert_eq!(ask(&mut world, "newlines")[0]["raw"], json!({"a": 1}));
}

#[test]
fn a_second_reply_is_not_sent() {
    let mut world = World::new();
    let replies = ask(&mut world, "twice");
    assert_eq!(replies.len(), 1);
    assert!(replies[0].get("again").is_none());
    assert!(logged(&world).contains("second reply"));
}

#[test]
fn a_handler_that_forgets_its_request_is_logged() {
    let mut world = World::new();
    assert!(ask(&mut world, "never").is_empty());
    assert!(logged(&world).contains("ended without a reply"));
}

#[test]
fn a_request_may_be_kept_and_answered_later() {
    let mut world = World::new();
    assert!(ask(&mut world, "keep").is_empty());
    assert!(logged(&world).is_empty(), "{}", logged(&world));
    world.ask(&json!({"type": "answer_kept", "msg_id": 8}));
    let replies = world.bodies();
    assert_eq!(replies[0]["type"], "keep_ok");
    assert_eq!(replies[0]["in_reply_to"], 7);
    assert_eq!(replies[1]["in_reply_to"], 8);
}

#[test]
fn a_kept_request_that_is_dropped_is_never_answered_and_leaves_nothing() {
    let mut world = World::new();
    assert!(ask(&mut world, "keep").is_empty());
    world.ask(&json!({"type": "drop_kept", "msg_id": 8}));
    assert_eq!(world.body()["in_reply_to"], 8);
    world.advance_to_ms(10_000);
    assert!(world.bodies().is_empty());
    world.assert_idle();
}

#[test]
fn a_handler_that_never_ends_delays_no_other() {
    let mut world = World::new();
    for _ in 0..100 {
        assert!(ask(&mut world, "wait_for_ever").is_empty());
    }
    assert_lives(&mut world);
    world.advance_to_ms(3_600_000);
    assert_lives(&mut world);
    assert_eq!(world.session.usage().tasks, 100);
    assert!(!world.session.has_ready_tasks());
}

#[test]
fn a_message_without_msg_id_gets_no_reply_of_any_kind() {
    let mut world = World::new();
    for kind in ["echo", "fail", "panic", "sleep", "twice", "unknown"] {
        world.ask(&json!({"type": kind, "echo": 1, "ms": 0}));
        world.advance_to_ms(100);
        assert!(world.bodies().is_empty(), "{kind}");
    }
}

#[test]
fn a_task_may_answer_after_its_handler_has_ended() {
    let mut world = World::new();
    assert!(ask(&mut world, "spawn").is_empty());
    world.advance_to_ms(5);
    assert_eq!(world.body()["type"], "spawn_ok");
    world.assert_idle();
}

#[test]
fn tasks_that_start_tasks_for_ever_starve_no_other() {
    let mut world = World::new();
    world.receive_only("c1", &json!({"type": "respawn", "msg_id": 1}));
    world.receive_only("c1", &json!({"type": "sleep", "msg_id": 2, "ms": 3}));
    for _ in 0..10 {
        assert!(world.session.run_tasks(200));
        world.expire_only();
    }
    let kinds: Vec<_> = world
        .bodies()
        .iter()
        .map(|body| body["type"].clone())
        .collect();
    assert_eq!(kinds, ["respawn_ok", "sleep_ok"]);
}

/// A node with `count` handlers that were just woken.
fn with_woken(count: usize) -> World {
    let mut world = World::new();
    for msg_id in 0..count {
        world.receive_only("c1", &json!({"type": "sleep", "msg_id": msg_id, "ms": 1}));
    }
    world.expire_only();
    world
}

/// Spawns `count` tasks, each of which arms one timer when it starts.
fn spawn(world: &mut World, count: usize) {
    world.receive_only("c1", &json!({"type": "spawn_many", "count": count}));
}

#[test]
fn woken_tasks_get_all_polls_while_none_is_spawned() {
    let mut world = with_woken(200);
    assert!(world.session.run_tasks(199));
    assert_eq!(world.bodies().len(), 199);
    assert!(!world.session.run_tasks(1));
    assert_eq!(world.bodies().len(), 1);
}

#[test]
fn spawned_tasks_get_all_polls_while_none_is_woken() {
    let mut world = World::new();
    spawn(&mut world, 200);
    assert!(world.session.run_tasks(199));
    assert_eq!(world.session.usage().timers, 199);
    assert!(!world.session.run_tasks(1));
    assert_eq!(world.session.usage().timers, 200);
}

#[test]
fn spawned_and_woken_tasks_share_the_polls_however_few_they_are() {
    for polls in [1, 2, 3, 60] {
        let mut world = with_woken(100);
        spawn(&mut world, 100);
        for _ in 0..60 / polls {
            assert!(world.session.run_tasks(polls));
        }
        let started = world.session.usage().timers;
        assert_eq!(
            (world.bodies().len(), started),
            (30, 30),
            "{polls} at a time"
        );
    }
}

#[test]
fn only_known_names_are_sent_messages() {
    let mut world = World::new();
    let mut send_to = |to: &str| {
        world.ask(&json!({"type": "send_to", "msg_id": 7, "to": to}));
        world.messages()
    };
    for known in ["n1", "n2", "c1", "lin-kv", "seq-kv", "lww-kv", "lin-tso"] {
        let sent = send_to(known);
        assert_eq!(sent[0].0, known);
        assert!(sent[0].1.get("msg_id").is_none(), "no reply is wanted");
        assert_eq!(sent.len(), 2);
    }
    for unknown in ["n9", "c9", "", "LIN-KV"] {
        let sent = send_to(unknown);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].1["code"], 1);
    }
}
