//! Sleeping and ticking.

use super::world::World;
use serde_json::json;

fn sleep(world: &mut World, msg_id: u64, ms: u64) {
    world.ask(&json!({"type": "sleep", "msg_id": msg_id, "ms": ms}));
}

#[test]
fn sleepers_wake_at_their_time_first_come_first_served() {
    let mut world = World::new();
    for (msg_id, ms) in [(1, 20), (2, 10), (3, 20), (4, 0), (5, 10)] {
        sleep(&mut world, msg_id, ms);
    }
    let mut woken = |ms| {
        world.advance_to_ms(ms);
        let bodies = world.bodies();
        let ids = bodies
            .iter()
            .map(|body| body["in_reply_to"].as_u64().unwrap());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(woken(0), [4]);
    assert!(woken(9).is_empty());
    assert_eq!(woken(10), [2, 5]);
    assert!(woken(19).is_empty());
    assert_eq!(woken(20), [1, 3]);
    world.assert_idle();
}

/// SIGSTOP for a minute must not become a burst of missed ticks.
#[test]
fn after_a_pause_an_interval_ticks_once() {
    let mut world = World::new();
    world.ask(&json!({"type": "tick", "msg_id": 1, "ms": 10}));
    world.bodies();
    let mut ticks_at = |ms: u64, jump: bool| {
        if jump {
            world
                .clock
                .advance_to(eddyline::time::Instant::from_millis(ms));
        }
        world.advance_to_ms(ms);
        world.ask(&json!({"type": "ticks", "msg_id": 2}));
        world.body()["ticks"].as_u64().unwrap()
    };
    assert_eq!(ticks_at(9, false), 0);
    assert_eq!(ticks_at(10, false), 1);
    assert_eq!(ticks_at(35, false), 3);
    assert_eq!(ticks_at(60_005, true), 4);
    assert_eq!(ticks_at(60_009, false), 4);
    assert_eq!(ticks_at(60_010, false), 5);
}

/// A deadline counts from when it is set, not from when the turn began.
#[test]
fn a_sleep_after_a_long_handler_is_not_early() {
    let mut world = World::new();
    world.advance_to_ms(100);
    sleep(&mut world, 1, 10);
    world.clock.advance(std::time::Duration::from_millis(5));
    sleep(&mut world, 2, 10);
    world.advance_to_ms(110);
    assert_eq!(world.body()["in_reply_to"], 1);
    world.advance_to_ms(114);
    assert!(world.bodies().is_empty());
    world.advance_to_ms(115);
    assert_eq!(world.body()["in_reply_to"], 2);
}
