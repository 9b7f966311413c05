//! Every message that the node sends: its number and its form.

use crate::support::{INIT, Launch, client, message, number_after};

/// A conversation in which the node replies, fails and asks.
fn conversation() -> Vec<String> {
    let mut lines = vec![INIT.to_owned()];
    for body in [
        r#"{"type":"echo","msg_id":2,"echo":{"msg_id":77}}"#,
        r#"{"type":"frobnicate","msg_id":3}"#,
        r#"{"type":"echo","msg_id":4}"#,
        r#"{"type":"proxy","msg_id":5,"target":"n2","inner":{"type":"echo","echo":1}}"#,
        r#"{"type":"proxy","msg_id":6,"target":"nowhere","inner":{"type":"echo","echo":1}}"#,
        r#"{"type":"echo_ok","in_reply_to":99}"#,
        r#"{"type":"tcp_echo_start","msg_id":7,"port":0}"#,
        r#"{"type":"tcp_echo_stats","msg_id":8}"#,
        r#"{"type":"tcp_echo_send","msg_id":9,"data":"x"}"#,
    ] {
        lines.push(client(body));
    }
    let answer = r#"{"type":"echo_ok","in_reply_to":4,"echo":1}"#;
    lines.push(message("n2", answer));
    lines
}

/// The node's lines, as they came.
fn replies() -> Vec<String> {
    let mut node = Launch::new().rpc_timeout_ms(60_000).start();
    for line in conversation() {
        node.send(&line);
    }
    let ending = node.finish();
    // All lines but the one unsolicited reply are answered.
    assert_eq!(ending.stdout.len(), conversation().len() - 1, "{ending:#?}");
    ending.stdout
}

#[test]
fn msg_id_counts_from_zero_without_a_gap() {
    for (expected, line) in replies().into_iter().enumerate() {
        let message: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["body"]["msg_id"], expected, "{line}");
    }
}

#[test]
fn messages_are_compact_and_start_with_src_dest_and_type() {
    for line in replies() {
        let rest = line.strip_prefix(r#"{"src":"n1","dest":""#).expect(&line);
        let (_, rest) = rest.split_once('"').expect(&line);
        assert!(rest.starts_with(r#","body":{"type":""#), "{line}");
        assert!(line.ends_with("}}"), "{line}");
        let message: serde_json::Value = serde_json::from_str(&line).unwrap();
        let compact = serde_json::to_string(&message).unwrap();
        assert_eq!(line.len(), compact.len(), "{line}");
    }
}

#[test]
fn messages_have_no_top_level_key_besides_src_dest_and_body() {
    for line in replies() {
        let message: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message.as_object().unwrap().len(), 3, "{line}");
    }
}

#[test]
fn msg_id_0_of_a_request_is_answered_with_in_reply_to_0() {
    let mut node = Launch::new().ready();
    node.send(&client(r#"{"type":"echo","msg_id":0,"echo":"zero"}"#));
    assert_eq!(number_after(&node.line(), "in_reply_to"), Some(0));
    let reply = node.ask(&client(r#"{"type":"frobnicate","msg_id":0}"#));
    assert_eq!(reply["body"]["in_reply_to"], 0);
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn msg_id_beyond_every_integer_type_comes_back_verbatim() {
    for id in [
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "340282366920938463463374607431768211457",
        "-7",
    ] {
        let mut node = Launch::new().ready();
        for kind in ["echo", "frobnicate"] {
            node.send(&client(&format!(
                r#"{{"type":"{kind}","msg_id":{id},"echo":1}}"#
            )));
            let line = node.line();
            let found = [",", "}"].iter().any(|end| {
                let field = format!("\"in_reply_to\":{id}{end}");
                line.contains(&field)
            });
            assert!(found, "{id} in {line}");
        }
        assert!(node.finish().stdout.is_empty());
    }
}

#[test]
fn a_huge_msg_id_waits_through_a_call_verbatim() {
    let mut node = Launch::new().rpc_timeout_ms(60_000).ready();
    let id = "340282366920938463463374607431768211457";
    let proxy = format!(
        r#"{{"type":"proxy","msg_id":{id},"target":"n2","inner":{{"type":"echo","echo":1}}}}"#
    );
    assert_eq!(node.ask(&client(&proxy))["dest"], "n2");
    node.send(&message("n2", r#"{"type":"echo_ok","in_reply_to":1}"#));
    let line = node.line();
    assert!(line.contains(&format!("\"in_reply_to\":{id}")), "{line}");
    node.finish_quietly();
}
