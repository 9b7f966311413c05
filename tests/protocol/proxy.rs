//! proxy: the request to the target, and the part of its reply that reaches the caller.

use crate::support::{Launch, Node, assert_body, assert_error, client, message};
use serde_json::{Value, json};

/// A node with calls that do not expire during a test.
fn patient() -> Node {
    Launch::new().rpc_timeout_ms(60_000).ready()
}

fn proxy(target: &str, inner: &str) -> String {
    client(&format!(
        r#"{{"type":"proxy","msg_id":2,"target":"{target}","inner":{inner}}}"#
    ))
}

#[test]
fn an_inner_goes_out_with_its_own_fields_and_our_msg_id() {
    let mut node = patient();
    let request = node.ask(&proxy("n2", r#"{"type":"add","delta":[1,{"a":null}]}"#));
    let body = json!({"type":"add","delta":[1,{"a":null}]});
    assert_body(&request, "n2", &body);
    assert_eq!(request["body"]["msg_id"], 1);
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn an_inner_s_own_msg_id_is_replaced() {
    let mut node = patient();
    node.send(&proxy("n2", r#"{"type":"echo","msg_id":99,"echo":"x"}"#));
    let line = node.line();
    assert_eq!(line.matches("msg_id").count(), 1, "{line}");
    let request: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(request["body"]["msg_id"], 1);
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn an_inner_s_values_go_out_verbatim() {
    let mut node = patient();
    let fields =
        r#""n":18446744073709551616,"e":1e400,"z":-0,"s":"\ud800\u0000","k":{"b":1,"a":1.0}"#;
    node.send(&proxy("n2", &format!(r#"{{"type":"odd",{fields}}}"#)));
    let line = node.line();
    for field in [
        r#""n":18446744073709551616"#,
        r#""e":1e400"#,
        r#""z":-0"#,
        r#""s":"\ud800\u0000""#,
        r#""k":{"b":1,"a":1.0}"#,
    ] {
        assert!(line.contains(field), "{field} in {line}");
    }
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn the_result_is_the_reply_s_whole_body() {
    let mut node = patient();
    node.ask(&proxy("n2", r#"{"type":"echo","echo":"x"}"#));
    let answer = r#"{"type":"echo_ok","in_reply_to":1,"msg_id":18446744073709551616,"echo":1e400,"b":-0,"a":{}}"#;
    node.send(&message("n2", answer));
    let line = node.line();
    assert!(line.contains(&format!("\"result\":{answer}")), "{line}");
    assert!(line.contains(r#""type":"proxy_ok""#), "{line}");
    assert!(line.contains(r#""dest":"c1""#), "{line}");
    node.finish_quietly();
}

#[test]
fn proxy_ok_has_no_field_besides_its_own() {
    let mut node = patient();
    node.ask(&proxy("n2", r#"{"type":"read"}"#));
    let reply = node.ask(&message(
        "n2",
        r#"{"type":"read_ok","in_reply_to":1,"value":3}"#,
    ));
    let result = json!({"type":"read_ok","in_reply_to":1,"value":3});
    let body = json!({"type":"proxy_ok","in_reply_to":2,"result":result});
    assert_body(&reply, "c1", &body);
    node.finish_quietly();
}

#[test]
fn a_reply_without_a_msg_id_of_its_own_completes_the_call() {
    let mut node = patient();
    assert_eq!(
        node.ask(&proxy("lin-kv", r#"{"type":"read","key":1}"#))["dest"],
        "lin-kv"
    );
    let answer = message("lin-kv", r#"{"type":"read_ok","value":5,"in_reply_to":1}"#);
    assert_eq!(node.ask(&answer)["body"]["result"]["value"], 5);
    node.finish_quietly();
}

#[test]
fn an_unknown_name_is_error_1_and_nothing_is_sent() {
    let mut node = patient();
    for target in ["n9", "c9", "nowhere", "", "LIN-KV"] {
        let reply = node.ask(&proxy(target, r#"{"type":"echo","echo":"x"}"#));
        let text = assert_error(&reply, "c1", 2, 1);
        assert!(text.contains(target), "{text}");
    }
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn every_service_can_be_called() {
    let mut node = patient();
    for service in ["lin-kv", "seq-kv", "lww-kv", "lin-tso"] {
        let request = node.ask(&proxy(service, r#"{"type":"ts"}"#));
        assert_body(&request, service, &json!({"type":"ts"}));
    }
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_sender_seen_before_can_be_called() {
    let mut node = patient();
    let call = proxy("c7", r#"{"type":"hello"}"#);
    assert_error(&node.ask(&call), "c1", 2, 1);
    node.ask(&message("c7", r#"{"type":"echo","msg_id":1,"echo":1}"#));
    let request = node.ask(&call);
    assert_eq!(request["dest"], "c7");
    let id = request["body"]["msg_id"].as_u64().unwrap();
    let answer = format!(r#"{{"type":"hello_ok","in_reply_to":{id}}}"#);
    assert_eq!(
        node.ask(&message("c7", &answer))["body"]["type"],
        "proxy_ok"
    );
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn the_caller_itself_can_be_called() {
    let mut node = patient();
    assert_eq!(node.ask(&proxy("c1", r#"{"type":"hello"}"#))["dest"], "c1");
    let answer = client(r#"{"type":"hello_ok","in_reply_to":1}"#);
    assert_eq!(node.ask(&answer)["body"]["type"], "proxy_ok");
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn an_error_of_the_target_reaches_the_caller_with_code_and_text() {
    let mut node = patient();
    for code in [0, 1, 10, 11, 12, 13, 14, 20, 21, 22, 30, 1000, 54_321] {
        let request = node.ask(&proxy("n2", r#"{"type":"cas"}"#));
        let id = &request["body"]["msg_id"];
        let text = format!("because of \\u00e9 {code}");
        let answer =
            format!(r#"{{"type":"error","in_reply_to":{id},"code":{code},"text":"{text}"}}"#);
        let found = assert_error(&node.ask(&message("n2", &answer)), "c1", 2, code);
        assert_eq!(found, format!("because of é {code}"));
    }
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_node_can_call_itself_over_the_wire() {
    let mut node = patient();
    node.send(&proxy("n1", r#"{"type":"echo","echo":"me"}"#));
    let request = node.line();
    node.send(&request);
    let reply = node.line();
    node.send(&reply);
    let done = node.reply();
    let result = json!({"type":"echo_ok","in_reply_to":1,"msg_id":2,"echo":"me"});
    let body = json!({"type":"proxy_ok","in_reply_to":2,"result":result});
    assert_body(&done, "c1", &body);
    node.finish_quietly();
}

#[test]
fn calls_nest() {
    let mut node = patient();
    let mut inner = r#"{"type":"echo","echo":"deep"}"#.to_owned();
    for _ in 0..20 {
        inner = format!(r#"{{"type":"proxy","target":"n1","inner":{inner}}}"#);
    }
    node.send(&proxy("n1", &inner));
    // The test is the network: it returns the messages from n1 to n1.
    let mut line = node.line();
    while line.contains(r#""dest":"n1""#) {
        node.send(&line);
        line = node.line();
    }
    let mut body = &serde_json::from_str::<Value>(&line).unwrap()["body"];
    for _ in 0..21 {
        assert_eq!(body["type"], "proxy_ok");
        body = &body["result"];
    }
    assert_eq!(body["echo"], "deep");
    node.finish_quietly();
}

#[test]
fn two_nodes_that_wait_for_each_other_both_go_on() {
    let mut one = patient();
    let mut two = Launch::new().rpc_timeout_ms(60_000).start();
    two.ask(r#"{"src":"c0","dest":"n2","body":{"type":"init","msg_id":1,"node_id":"n2","node_ids":["n1","n2"]}}"#);
    // n1 asks n2 to ask n1, which n1 must answer while it waits itself.
    let back = r#"{"type":"proxy","target":"n1","inner":{"type":"echo","echo":"x"}}"#;
    one.send(&proxy("n2", back));
    two.send(&one.line());
    one.send(&two.line());
    two.send(&one.line());
    one.send(&two.line());
    let done = one.reply();
    assert_eq!(done["body"]["result"]["result"]["echo"], "x", "{done}");
    one.finish_quietly();
    two.finish_quietly();
}
