//! Every limit of a session, reached.

use super::world::World;
use eddyline::session::TASKS_MAX;
use serde_json::json;

fn sleep(msg_id: usize, padding: &str) -> String {
    let body = json!({"type": "sleep", "msg_id": msg_id, "ms": 1000, "padding": padding});
    json!({"src": "c1", "dest": "n1", "body": body}).to_string()
}

#[test]
fn one_task_too_many_is_error_11_and_loses_no_other() {
    let mut world = World::new();
    for msg_id in 0..TASKS_MAX {
        world.session.receive(sleep(msg_id, "").as_bytes());
    }
    assert!(world.bodies().is_empty());
    world.session.receive(sleep(TASKS_MAX, "").as_bytes());
    let refusal = world.body();
    assert_eq!(
        (&refusal["code"], &refusal["in_reply_to"]),
        (&json!(11), &json!(TASKS_MAX))
    );
    world.advance_to_ms(1000);
    assert_eq!(world.bodies().len(), TASKS_MAX);
    world.assert_idle();
    world.session.receive(sleep(1, "").as_bytes());
    assert!(world.bodies().is_empty(), "there is room again");
}

#[test]
fn requests_that_wait_are_bounded_in_bytes_too() {
    let mut world = World::new();
    let padding = "x".repeat(8 << 20);
    for msg_id in 0..12 {
        world.session.receive(sleep(msg_id, &padding).as_bytes());
    }
    let refused = world.bodies();
    assert_eq!(refused.len(), 4, "eight of them are 64 MiB and a bit");
    assert!(refused.iter().all(|body| body["code"] == 11));
    world.advance_to_ms(1000);
    assert_eq!(world.bodies().len(), 8);
    world.session.receive(sleep(1, &padding).as_bytes());
    assert!(world.bodies().is_empty(), "there is room again");
}

#[test]
fn messages_that_nobody_asked_for_stop_when_nobody_reads() {
    let mut world = World::new();
    world.ask(&json!({"type": "flood", "msg_id": 5}));
    assert!(world.session.is_congested());
    let held = world.session.output().len();
    assert!((8 << 20..10 << 20).contains(&held), "{held}");
    // Replies are still taken.
    world.ask(&json!({"type": "echo", "msg_id": 6, "echo": 1}));
    let messages = world.messages();
    let last: Vec<_> = messages[messages.len() - 2..]
        .iter()
        .map(|(_, body)| body)
        .collect();
    assert_eq!(last[0]["code"], 11);
    assert_eq!(last[1]["type"], "echo_ok");
    assert!(!world.session.is_congested());
}
