//! Random conversations against a model: every request has one reply.

use super::world::World;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    Proxy,
    Sleep(u64),
    Fail,
    /// A reply to the call sent `back` calls ago.
    Reply {
        back: usize,
        from_target: bool,
    },
    Advance(u64),
    Garbage,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Proxy),
        1 => (0..50u64).prop_map(Step::Sleep),
        1 => Just(Step::Fail),
        6 => (0..8usize, prop::bool::weighted(0.8))
            .prop_map(|(back, from_target)| Step::Reply { back, from_target }),
        2 => (0..600u64).prop_map(Step::Advance),
        1 => Just(Step::Garbage),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_request_is_answered_exactly_once(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        let mut now_ms = 0;
        let mut asked = 0u64;
        let mut answers: BTreeMap<u64, u32> = BTreeMap::new();
        let mut calls: Vec<Value> = Vec::new();
        for step in steps {
            match step {
                Step::Proxy => {
                    world.ask(&json!({"type": "proxy", "msg_id": asked, "target": "n2",
                        "inner": {"type": "ping"}}));
                    asked += 1;
                }
                Step::Sleep(ms) => {
                    world.ask(&json!({"type": "sleep", "msg_id": asked, "ms": ms}));
                    asked += 1;
                }
                Step::Fail => {
                    world.ask(&json!({"type": "fail", "msg_id": asked}));
                    asked += 1;
                }
                Step::Reply { back, from_target } => {
                    let call = calls.iter().rev().nth(back).cloned().unwrap_or(json!(77));
                    let src = if from_target { "n2" } else { "n3" };
                    world.receive(src, &json!({"type": "pong", "in_reply_to": call}));
                }
                Step::Advance(ms) => {
                    now_ms += ms;
                    world.advance_to_ms(now_ms);
                }
                Step::Garbage => world.session.receive(b"{\"src\":"),
            }
            for (dest, body) in world.messages() {
                if dest == "n2" {
                    calls.push(body["msg_id"].clone());
                } else {
                    *answers.entry(body["in_reply_to"].as_u64().unwrap()).or_default() += 1;
                }
            }
            let usage = world.session.usage();
            prop_assert!(usage.calls_waiting <= usage.timers);
            prop_assert_eq!(usage.calls, usage.calls_waiting, "the outcome of a call that has ended is taken at once");
            prop_assert_eq!(usage.timers, usage.tasks, "each task here waits for one thing");
        }
        world.advance_to_ms(now_ms + 2000);
        for body in world.bodies() {
            *answers.entry(body["in_reply_to"].as_u64().unwrap()).or_default() += 1;
        }
        prop_assert_eq!(answers.len() as u64, asked);
        prop_assert!(answers.values().all(|&count| count == 1), "{:?}", answers);
        world.assert_idle();
    }
}
