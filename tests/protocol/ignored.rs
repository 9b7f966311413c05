//! Messages that are never answered.

use crate::support::{Launch, assert_body, client, message};
use serde_json::json;

/// A proxy call to n2 with a request of a plain type.
const PROXY: &str =
    r#"{"type":"proxy","msg_id":2,"target":"n2","inner":{"type":"echo","echo":"x"}}"#;

#[test]
fn an_unsolicited_reply_is_never_answered() {
    let mut node = Launch::new().ready();
    for body in [
        r#"{"type":"echo_ok","in_reply_to":99,"echo":1}"#,
        r#"{"type":"echo_ok","in_reply_to":99,"msg_id":4,"echo":1}"#,
        r#"{"type":"error","in_reply_to":99,"code":10,"text":"?"}"#,
        r#"{"type":"error","in_reply_to":99,"msg_id":5,"code":10,"text":"?"}"#,
        r#"{"type":"echo","in_reply_to":99,"msg_id":6,"echo":1}"#,
        r#"{"type":"frobnicate","in_reply_to":99,"msg_id":7}"#,
        r#"{"type":"init_ok","in_reply_to":0}"#,
        r#"{"type":"echo_ok","in_reply_to":18446744073709551616,"msg_id":8}"#,
        r#"{"type":"echo_ok","in_reply_to":-1,"msg_id":9}"#,
    ] {
        node.send(&message("n2", body));
        node.check();
    }
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_duplicate_reply_is_never_answered() {
    let mut node = Launch::new().rpc_timeout_ms(60_000).ready();
    assert_eq!(node.ask(&client(PROXY))["body"]["msg_id"], 1);
    let answer = message(
        "n2",
        r#"{"type":"echo_ok","in_reply_to":1,"msg_id":3,"echo":"x"}"#,
    );
    assert_eq!(node.ask(&answer)["body"]["type"], "proxy_ok");
    node.send(&answer);
    node.send(&answer);
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_late_reply_is_never_answered() {
    let mut node = Launch::new().rpc_timeout_ms(20).ready();
    assert_eq!(node.ask(&client(PROXY))["body"]["msg_id"], 1);
    assert_eq!(node.reply()["body"]["code"], 0);
    let late = r#"{"type":"echo_ok","in_reply_to":1,"msg_id":3,"echo":"x"}"#;
    node.send(&message("n2", late));
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_reply_of_another_node_does_not_complete_the_call() {
    let mut node = Launch::new().rpc_timeout_ms(60_000).ready();
    assert_eq!(node.ask(&client(PROXY))["dest"], "n2");
    let answer = r#"{"type":"echo_ok","in_reply_to":1,"msg_id":3,"echo":"x"}"#;
    node.send(&message("n3", answer));
    node.check();
    assert_eq!(node.ask(&message("n2", answer))["body"]["type"], "proxy_ok");
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_message_to_another_name_is_logged_and_ignored() {
    let mut node = Launch::new().ready();
    node.send(r#"{"src":"c1","dest":"n2","body":{"type":"echo","msg_id":2,"echo":1}}"#);
    node.check();
    let logged = node.stderr_line();
    assert!(logged.contains("n2"), "{logged}");
    node.finish_quietly();
}

#[test]
fn a_reply_to_another_name_does_not_complete_the_call() {
    let mut node = Launch::new().rpc_timeout_ms(60_000).ready();
    assert_eq!(node.ask(&client(PROXY))["dest"], "n2");
    node.send(r#"{"src":"n2","dest":"n3","body":{"type":"echo_ok","in_reply_to":1,"echo":1}}"#);
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn an_echo_without_msg_id_does_not_keep_the_node_from_the_next() {
    let mut node = Launch::new().ready();
    node.send(&client(r#"{"type":"echo","echo":"no reply wanted"}"#));
    let reply = node.ask(&client(r#"{"type":"echo","msg_id":3,"echo":"this"}"#));
    let body = json!({"type":"echo_ok","in_reply_to":3,"echo":"this"});
    assert_body(&reply, "c1", &body);
    assert!(node.finish().stdout.is_empty());
}
