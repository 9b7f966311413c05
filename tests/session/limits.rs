//! Every limit of a session, reached.

use super::world::World;
use eddyline::session::{
    CALLS_MAX, HELD_BYTES_MAX, OPERATION_BYTES_MAX, OPERATIONS_MAX, Operation, Outcome,
    SPAWNED_MAX, TASKS_MAX, TIMERS_MAX, TcpEchoStats,
};
use serde_json::{Value, json};

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
fn messages_that_are_no_replies_stop_while_the_output_is_not_read() {
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

fn many(kind: &str, msg_id: usize, count: usize) -> Value {
    json!({"type": kind, "msg_id": msg_id, "count": count})
}

/// Checks that the only reply is error 11, and returns its text.
#[track_caller]
fn assert_refused(world: &mut World, msg_id: usize) -> String {
    let refusal = world.body();
    assert_eq!(
        (&refusal["code"], &refusal["in_reply_to"]),
        (&json!(11), &json!(msg_id)),
        "{refusal}"
    );
    refusal["text"].as_str().expect("a text").to_owned()
}

#[track_caller]
fn assert_served(world: &mut World) {
    world.ask(&json!({"type": "echo", "msg_id": 99, "echo": 1}));
    assert_eq!(world.body()["type"], "echo_ok");
}

#[test]
fn one_call_too_many_is_error_11_and_disturbs_no_other() {
    // So many handlers that none of them fills the output up.
    const HANDLERS: usize = 4;
    let mut world = World::new();
    for msg_id in 0..HANDLERS {
        world.ask(&many("call_many", msg_id, CALLS_MAX / HANDLERS));
        world.session.take_output();
    }
    assert_eq!(world.session.usage().calls_waiting, CALLS_MAX);
    world.ask(&many("call_many", 50, 1));
    let text = assert_refused(&mut world, 50);
    assert!(text.contains("calls"), "{text}");
    assert_eq!(world.session.usage().calls_waiting, CALLS_MAX);
    assert_served(&mut world);
    world.advance_to_ms(1000);
    let ended = world.bodies();
    assert_eq!(ended.len(), HANDLERS);
    assert!(ended.iter().all(|body| body["code"] == 0), "{ended:?}");
    world.assert_idle();
    world.ask(&many("call_many", 51, 1));
    assert_eq!(world.body()["type"], "ping", "there is room again");
}

// A sleep returns no error, so its handler is ended. Otherwise it would wait for ever.
#[test]
fn a_handler_that_arms_one_timer_too_many_ends_with_error_11() {
    const HANDLERS: usize = 16;
    let mut world = World::new();
    for msg_id in 0..HANDLERS {
        world.ask(&many("sleep_many", msg_id, TIMERS_MAX / HANDLERS));
    }
    assert_eq!(world.session.usage().timers, TIMERS_MAX);
    world.ask(&many("sleep_many", 50, 2));
    let text = assert_refused(&mut world, 50);
    assert!(text.contains("timers"), "{text}");
    assert_served(&mut world);
    // In the background it is a line for people.
    world.ask(&many("spawn_many", 51, 1));
    assert_eq!(world.body()["type"], "spawn_many_ok");
    assert!(world.log.borrow().join("\n").contains("timers are armed"));
    // No task that sleeps already is ended in its place.
    let usage = world.session.usage();
    assert_eq!((usage.timers, usage.tasks), (TIMERS_MAX, HANDLERS));
    // A million timers are due at once.
    world.advance_to_ms(1000);
    let mut ended: Vec<u64> = world
        .bodies()
        .iter()
        .map(|body| body["in_reply_to"].as_u64().expect("an integer"))
        .collect();
    ended.sort_unstable();
    assert!(ended.into_iter().eq(0..HANDLERS as u64));
    world.assert_idle();
    world.ask(&many("sleep_many", 52, 1));
    assert!(world.bodies().is_empty(), "there is room again");
}

#[test]
fn tasks_that_are_spawned_in_a_loop_are_bounded_and_the_lost_are_counted() {
    const LOST: usize = 5;
    let mut world = World::new();
    world.ask(&many("spawn_many", 1, SPAWNED_MAX + LOST));
    assert_eq!(world.body()["type"], "spawn_many_ok");
    let log = world.log.borrow().join("\n");
    assert!(
        log.contains(&format!("{LOST} background tasks were dropped:")),
        "{log}"
    );
    assert_eq!(world.session.usage().tasks, SPAWNED_MAX);
    // As many run as may. Later ones wait, and none counts as ready.
    world.ask(&many("try_spawn_many", 2, 1));
    let text = assert_refused(&mut world, 2);
    assert!(text.contains("being handled"), "{text}");
    assert!(!world.session.has_ready_tasks());
    world.advance_to_ms(1000);
    world.assert_idle();
    // Within one handler no task starts, so `try_spawn` itself fails.
    world.ask(&many("try_spawn_many", 3, SPAWNED_MAX + 1));
    let text = assert_refused(&mut world, 3);
    assert!(text.contains("waiting to start"), "{text}");
    world.advance_to_ms(2000);
    world.assert_idle();
}

#[test]
fn tasks_that_find_no_place_start_when_others_have_ended() {
    let mut world = World::new();
    world.ask(&many("spawn_many", 1, TASKS_MAX - 1));
    world.ask(&many("spawn_many", 2, 3));
    assert_eq!(world.bodies().len(), 2);
    assert_eq!(world.session.usage().tasks, TASKS_MAX + 2, "two wait");
    assert!(!world.session.has_ready_tasks(), "and are not ready");
    world.advance_to_ms(1000);
    assert_eq!(world.session.usage().tasks, 2, "they have started");
    world.advance_to_ms(2000);
    world.assert_idle();
}

#[test]
fn one_operation_too_many_is_error_11() {
    let mut world = World::new();
    world.ask(&many("count_many", 1, OPERATIONS_MAX));
    world.ask(&many("count_many", 2, 1));
    let text = assert_refused(&mut world, 2);
    assert!(text.contains("operations"), "{text}");
    while let Some((id, _)) = world.session.next_operation() {
        let stats = TcpEchoStats::default();
        world
            .session
            .complete_operation(id, Ok(Outcome::Stats(stats)));
    }
    world.settle();
    assert_eq!(world.body()["type"], "count_many_ok");
    world.assert_idle();
}

#[test]
fn sends_over_tcp_are_bounded_in_bytes() {
    const FIT: usize = OPERATION_BYTES_MAX >> 20;
    assert_eq!(OPERATION_BYTES_MAX, HELD_BYTES_MAX, "one reason for both");
    let mut world = World::new();
    for msg_id in 0..FIT {
        world.ask(&json!({"type": "send_mebibyte", "msg_id": msg_id}));
    }
    world.ask(&json!({"type": "send_mebibyte", "msg_id": 500}));
    let text = assert_refused(&mut world, 500);
    assert!(text.contains("over TCP"), "{text}");
    let (id, operation) = world.session.next_operation().expect("the first send");
    let Operation::Send { data } = operation else {
        panic!("not a send: {operation:?}");
    };
    let data = data.into_bytes();
    world
        .session
        .complete_operation(id, Ok(Outcome::Echoed { data }));
    world.settle();
    assert_eq!(world.body()["type"], "send_mebibyte_ok");
    world.ask(&json!({"type": "send_mebibyte", "msg_id": 501}));
    assert!(world.bodies().is_empty(), "there is room again");
}
