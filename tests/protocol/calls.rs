//! Calls in time: they wait and expire, and other requests are served meanwhile.

use crate::support::{Launch, Node, assert_error, client, message, unanswered};
use std::time::{Duration, Instant};

fn call(node: &mut Node, msg_id: u64, target: &str) -> u64 {
    let request = node.ask(&client(&format!(
        r#"{{"type":"proxy","msg_id":{msg_id},"target":"{target}","inner":{{"type":"read"}}}}"#
    )));
    assert_eq!(request["dest"], target);
    request["body"]["msg_id"].as_u64().expect("a msg_id")
}

/// Silence is error 0, once, and not before `ms`.
fn assert_expires_after(node: Launch, ms: u64) {
    let mut node = node.ready();
    let start = Instant::now();
    call(&mut node, 2, "n2");
    assert_error(&node.reply(), "c1", 2, 0);
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(ms), "{waited:?} < {ms} ms");
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn silence_is_error_0_once_and_not_before_the_time_given() {
    assert_expires_after(Launch::new().rpc_timeout_ms(1), 1);
    assert_expires_after(Launch::new().rpc_timeout_ms(150), 150);
    assert_expires_after(Launch::new().rpc_timeout_ms(700), 700);
}

#[test]
fn silence_is_error_0_after_a_second_unless_told_otherwise() {
    assert_expires_after(Launch::new(), 1000);
}

// u64::MAX milliseconds are 585 million years: added to the time now, they overflow.
#[test]
fn the_longest_timeout_there_is_waits_and_the_shortest_ends_at_once() {
    let mut node = Launch::new().rpc_timeout_ms(u64::MAX).ready();
    let id = call(&mut node, 2, "n2");
    node.check();
    let answer = format!(r#"{{"type":"read_ok","in_reply_to":{id}}}"#);
    let done = node.ask(&message("n2", &answer));
    assert_eq!(done["body"]["type"], "proxy_ok", "{done}");
    node.finish_quietly();
    let mut node = Launch::new().rpc_timeout_ms(0).ready();
    call(&mut node, 2, "n2");
    assert_error(&node.reply(), "c1", 2, 0);
    node.check();
    node.finish_quietly();
}

#[test]
fn calls_expire_first_come_first_served() {
    let mut node = Launch::new().rpc_timeout_ms(300).ready();
    for msg_id in 10..20 {
        call(&mut node, msg_id, if msg_id % 2 == 0 { "n2" } else { "n3" });
    }
    for msg_id in 10..20 {
        assert_error(&node.reply(), "c1", msg_id, 0);
    }
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn everything_is_served_while_a_call_waits() {
    let mut node = Launch::new().rpc_timeout_ms(60_000).ready();
    let id = call(&mut node, 2, "n2");
    for _ in 0..100 {
        node.check();
    }
    let answer = format!(r#"{{"type":"read_ok","in_reply_to":{id},"value":1}}"#);
    let done = node.ask(&message("n2", &answer));
    assert_eq!(done["body"]["in_reply_to"], 2);
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn replies_may_come_in_any_order() {
    let mut node = Launch::new().rpc_timeout_ms(60_000).ready();
    let ids: Vec<u64> = (10..20).map(|n| call(&mut node, n, "n2")).collect();
    for (id, msg_id) in ids.into_iter().zip(10..20).rev() {
        let answer = format!(r#"{{"type":"read_ok","in_reply_to":{id},"value":{msg_id}}}"#);
        let done = node.ask(&message("n2", &answer));
        assert_eq!(done["body"]["in_reply_to"], msg_id);
        assert_eq!(done["body"]["result"]["value"], msg_id);
    }
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_reply_in_time_leaves_no_timeout_behind() {
    let mut node = Launch::new().rpc_timeout_ms(300).ready();
    let answered = call(&mut node, 2, "n2");
    let answer = format!(r#"{{"type":"read_ok","in_reply_to":{answered}}}"#);
    assert_eq!(
        node.ask(&message("n2", &answer))["body"]["type"],
        "proxy_ok"
    );
    // A later call that expires shows that the time of the first has passed.
    call(&mut node, 3, "n2");
    assert_error(&node.reply(), "c1", 3, 0);
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn end_of_input_ends_waiting_calls_without_a_reply() {
    let mut node = Launch::new().rpc_timeout_ms(600_000).ready();
    call(&mut node, 2, "n2");
    call(&mut node, 3, "lin-kv");
    let ending = node.finish();
    assert!(ending.stdout.is_empty(), "{ending:?}");
    assert_eq!(ending.stderr, [unanswered(2)]);
}
