//! init: before it, with it, and a second time.

use crate::support::{INIT, Launch, assert_body, assert_error, client, message};
use serde_json::json;

/// The same node once more, asked by another client.
const SAME: &str = r#"{"src":"c5","dest":"n1","body":{"type":"init","msg_id":8,"node_id":"n1","node_ids":["n1","n2","n3"]}}"#;

#[test]
fn init_is_answered_with_the_counter_at_zero() {
    let mut node = Launch::new().start();
    let reply = node.ask(INIT);
    assert_body(&reply, "c0", &json!({"type":"init_ok","in_reply_to":1}));
    assert_eq!(reply["body"]["msg_id"], 0);
    node.finish_quietly();
}

#[test]
fn a_request_before_init_is_error_11_from_the_name_it_was_addressed_to() {
    let mut node = Launch::new().start();
    for body in [
        r#"{"type":"echo","msg_id":7,"echo":"early"}"#,
        r#"{"type":"proxy","msg_id":7,"target":"n2","inner":{"type":"echo"}}"#,
        r#"{"type":"tcp_echo_stats","msg_id":7}"#,
        r#"{"type":"frobnicate","msg_id":7}"#,
    ] {
        let reply = node.ask(&message("n2", body));
        assert_error(&reply, "n2", 7, 11);
        // The counter starts with init_ok, so there is no number to give yet.
        assert_eq!(reply["body"].get("msg_id"), None, "{reply}");
    }
    assert_eq!(node.ask(INIT)["body"]["msg_id"], 0);
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_byte_order_mark_at_the_start_of_a_pipe_is_skipped() {
    let mut node = Launch::new().start();
    let reply = node.ask(&format!("\u{feff}{INIT}"));
    assert_body(&reply, "c0", &json!({"type":"init_ok","in_reply_to":1}));
    node.finish_quietly();
}

#[test]
fn a_message_before_init_without_msg_id_is_not_answered() {
    let mut node = Launch::new().start();
    node.send(&client(r#"{"type":"echo","echo":"early"}"#));
    node.send(&client(r#"{"type":"echo_ok","in_reply_to":0,"echo":"?"}"#));
    assert_eq!(node.ask(INIT)["body"]["type"], "init_ok");
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_malformed_line_before_init_is_only_named() {
    let mut node = Launch::new().start();
    node.send("nonsense");
    assert_eq!(node.ask(INIT)["body"]["type"], "init_ok");
    node.stderr_line();
    node.finish_quietly();
}

#[test]
fn a_malformed_init_is_error_12_and_the_right_one_still_works() {
    let mut node = Launch::new().start();
    for (field, body) in [
        ("node_id", r#"{"type":"init","msg_id":7,"node_ids":["n1"]}"#),
        (
            "node_id",
            r#"{"type":"init","msg_id":7,"node_id":1,"node_ids":["n1"]}"#,
        ),
        ("node_ids", r#"{"type":"init","msg_id":7,"node_id":"n1"}"#),
        (
            "node_ids",
            r#"{"type":"init","msg_id":7,"node_id":"n1","node_ids":"n1"}"#,
        ),
        (
            "node_ids",
            r#"{"type":"init","msg_id":7,"node_id":"n1","node_ids":["n1",2]}"#,
        ),
    ] {
        let text = assert_error(&node.ask(&message("c0", body)), "c0", 7, 12);
        assert!(text.contains(field), "names {field} for {body}: {text}");
    }
    assert_eq!(node.ask(INIT)["body"]["msg_id"], 0);
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_second_init_of_the_same_identity_is_init_ok_again() {
    let mut node = Launch::new().ready();
    let reply = node.ask(SAME);
    assert_body(&reply, "c5", &json!({"type":"init_ok","in_reply_to":8}));
    assert_eq!(reply["body"]["msg_id"], 1, "the counter goes on");
    node.check();
    node.finish_quietly();
}

#[test]
fn a_second_init_of_another_identity_is_error_22() {
    let mut node = Launch::new().ready();
    let name = r#"{"type":"init","msg_id":8,"node_id":"n2","node_ids":["n1","n2","n3"]}"#;
    assert_error(&node.ask(&message("c0", name)), "c0", 8, 22);
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_refused_second_init_changes_nothing() {
    let mut node = Launch::new().ready();
    let other = r#"{"type":"init","msg_id":8,"node_id":"n9","node_ids":["n9","n8"]}"#;
    assert_error(&node.ask(&message("c0", other)), "c0", 8, 22);
    let unknown = r#"{"type":"proxy","msg_id":9,"target":"n8","inner":{"type":"echo"}}"#;
    assert_error(&node.ask(&client(unknown)), "c1", 9, 1);
    let known = r#"{"type":"proxy","msg_id":10,"target":"n2","inner":{"type":"echo"}}"#;
    assert_eq!(node.ask(&client(known))["dest"], "n2");
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn node_ids_may_start_at_n0_and_names_may_be_anything() {
    let mut node = Launch::new().start();
    let init = r#"{"id":3,"src":"c0","dest":"é\"n","body":{"type":"init","msg_id":1,"node_id":"é\"n","node_ids":["é\"n"]}}"#;
    assert_eq!(node.ask(init)["src"], "é\"n");
    let echo =
        r#"{"src":"\u0063\\9","dest":"\u00e9\"n","body":{"type":"echo","msg_id":1,"echo":2}}"#;
    let reply = node.ask(echo);
    assert_eq!(reply["src"], "é\"n");
    assert_eq!(reply["dest"], "c\\9");
    node.finish_quietly();
}
