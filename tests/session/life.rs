//! From no name to a name, and one name only.

use super::world::{INIT, World};
use serde_json::json;

fn init(node_id: &str, node_ids: &[&str]) -> serde_json::Value {
    json!({"type": "init", "msg_id": 4, "node_id": node_id, "node_ids": node_ids})
}

#[test]
fn before_init_requests_are_refused_without_a_number() {
    let mut world = World::nameless();
    world.ask(&json!({"type": "echo", "msg_id": 3, "echo": 1}));
    let refusal = world.body();
    assert_eq!(
        (&refusal["code"], &refusal["in_reply_to"]),
        (&json!(11), &json!(3))
    );
    assert!(refusal.get("msg_id").is_none());
    world.session.receive(INIT.as_bytes());
    assert_eq!(world.body()["msg_id"], 0);
}

#[test]
fn the_same_init_is_answered_again_and_another_is_error_22() {
    let mut world = World::new();
    world.receive("c0", &init("n1", &["n3", "n1", "n2"]));
    assert_eq!(world.body()["type"], "init_ok");
    for other in [init("n2", &["n1", "n2", "n3"]), init("n1", &["n1"])] {
        world.receive("c0", &other);
        assert_eq!(world.body()["code"], 22);
    }
    world.ask(&json!({"type": "echo", "msg_id": 3, "echo": 1}));
    assert_eq!(world.body()["type"], "echo_ok");
}

#[test]
fn a_node_that_cannot_be_built_says_so_and_may_try_again() {
    let mut world = World::nameless();
    for _ in 0..2 {
        world.receive("c0", &init("n1", &["n1", "panics"]));
        let refusal = world.body();
        assert_eq!(refusal["code"], 13);
        assert!(
            refusal["text"]
                .as_str()
                .unwrap()
                .contains("no such cluster")
        );
    }
}

#[test]
fn an_init_with_a_malformed_msg_id_does_not_name_the_node() {
    let mut world = World::nameless();
    let mut strange = init("n1", &["n1"]);
    strange["msg_id"] = json!("x");
    world.receive("c0", &strange);
    assert!(world.bodies().is_empty());
    assert_eq!(world.log.borrow().len(), 1);
    world.receive("c0", &init("n2", &["n1", "n2"]));
    let output = world.session.take_output();
    assert!(output.contains("\"src\":\"n2\""), "{output}");
}

#[test]
fn the_same_lines_at_the_same_times_give_the_same_bytes() {
    let run = || {
        let mut world = World::new();
        let mut output = String::new();
        for (n, kind) in [
            "echo", "sleep", "ask_both", "proxy", "fail", "tick", "ticks",
        ]
        .iter()
        .cycle()
        .take(70)
        .enumerate()
        {
            world.ask(
                &json!({"type": kind, "msg_id": n, "echo": n, "ms": n % 5, "target": "n2",
                "inner": {"type": "ping"}}),
            );
            world.advance_to_ms(n as u64 * 3);
            output += &world.session.take_output();
        }
        output
    };
    assert_eq!(run(), run());
}
