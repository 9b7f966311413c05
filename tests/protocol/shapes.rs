//! Bodies of the wrong shape: error 12 that names the field.

use crate::support::{Launch, assert_error, client};

/// Each body, with msg_id 7, is error 12 whose text names `field`.
#[track_caller]
fn assert_malformed(field: &str, bodies: &[&str]) {
    let mut node = Launch::new().ready();
    for body in bodies {
        let text = assert_error(&node.ask(&client(body)), "c1", 7, 12);
        assert!(text.contains(field), "names {field} for {body}: {text}");
    }
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_body_without_a_type_names_it() {
    assert_malformed(
        "type",
        &[
            r#"{"msg_id":7}"#,
            r#"{"msg_id":7,"echo":"hello"}"#,
            r#"{"type":5,"msg_id":7}"#,
            r#"{"type":null,"msg_id":7}"#,
            r#"{"type":["echo"],"msg_id":7,"echo":1}"#,
        ],
    );
}

#[test]
fn echo_without_echo_names_it() {
    assert_malformed("echo", &[r#"{"type":"echo","msg_id":7}"#]);
}

#[test]
fn echo_of_null_is_a_value_and_not_an_absence() {
    let mut node = Launch::new().ready();
    let reply = node.ask(&client(r#"{"type":"echo","msg_id":7,"echo":null}"#));
    assert_eq!(reply["body"]["type"], "echo_ok");
    assert!(reply["body"].as_object().unwrap().contains_key("echo"));
    node.finish_quietly();
}

#[test]
fn proxy_without_a_usable_target_names_it() {
    assert_malformed(
        "target",
        &[
            r#"{"type":"proxy","msg_id":7,"inner":{"type":"echo","echo":1}}"#,
            r#"{"type":"proxy","msg_id":7,"target":2,"inner":{"type":"echo","echo":1}}"#,
            r#"{"type":"proxy","msg_id":7,"target":null,"inner":{"type":"echo","echo":1}}"#,
        ],
    );
}

#[test]
fn proxy_without_a_usable_inner_names_it() {
    assert_malformed(
        "inner",
        &[
            r#"{"type":"proxy","msg_id":7,"target":"n2"}"#,
            r#"{"type":"proxy","msg_id":7,"target":"n2","inner":null}"#,
            r#"{"type":"proxy","msg_id":7,"target":"n2","inner":"echo"}"#,
            r#"{"type":"proxy","msg_id":7,"target":"n2","inner":[{"type":"echo","echo":1}]}"#,
        ],
    );
}

#[test]
fn an_inner_without_a_usable_type_names_it() {
    assert_malformed(
        "type",
        &[
            r#"{"type":"proxy","msg_id":7,"target":"n2","inner":{}}"#,
            r#"{"type":"proxy","msg_id":7,"target":"n2","inner":{"echo":1}}"#,
            r#"{"type":"proxy","msg_id":7,"target":"n2","inner":{"type":5}}"#,
        ],
    );
}

#[test]
fn tcp_echo_start_without_a_usable_port_names_it() {
    assert_malformed(
        "port",
        &[
            r#"{"type":"tcp_echo_start","msg_id":7}"#,
            r#"{"type":"tcp_echo_start","msg_id":7,"port":65536}"#,
            r#"{"type":"tcp_echo_start","msg_id":7,"port":70000}"#,
            r#"{"type":"tcp_echo_start","msg_id":7,"port":-1}"#,
            r#"{"type":"tcp_echo_start","msg_id":7,"port":80.5}"#,
            r#"{"type":"tcp_echo_start","msg_id":7,"port":"x"}"#,
            r#"{"type":"tcp_echo_start","msg_id":7,"port":null}"#,
            r#"{"type":"tcp_echo_start","msg_id":7,"port":18446744073709551616}"#,
        ],
    );
}

#[test]
fn tcp_echo_send_without_usable_data_names_it() {
    let mut node = Launch::new().ready();
    let started = node.ask(&client(r#"{"type":"tcp_echo_start","msg_id":6,"port":0}"#));
    assert_eq!(started["body"]["type"], "tcp_echo_start_ok");
    for body in [
        r#"{"type":"tcp_echo_send","msg_id":7}"#,
        r#"{"type":"tcp_echo_send","msg_id":7,"data":5}"#,
        r#"{"type":"tcp_echo_send","msg_id":7,"data":null}"#,
        r#"{"type":"tcp_echo_send","msg_id":7,"data":["hello"]}"#,
    ] {
        let text = assert_error(&node.ask(&client(body)), "c1", 7, 12);
        assert!(text.contains("data"), "names data for {body}: {text}");
    }
    node.finish_quietly();
}

#[test]
fn a_wrong_shape_without_msg_id_is_only_logged() {
    let mut node = Launch::new().ready();
    node.send(&client(r#"{"type":"proxy","target":2}"#));
    node.check();
    node.stderr_line();
    node.finish_quietly();
}

#[test]
fn an_unknown_type_is_error_10_that_names_it() {
    let mut node = Launch::new().ready();
    let reply = node.ask(&client(r#"{"type":"frobnicate","msg_id":7}"#));
    let text = assert_error(&reply, "c1", 7, 10);
    assert!(text.contains("frobnicate"), "{text}");
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn an_unknown_type_without_msg_id_is_only_logged() {
    let mut node = Launch::new().ready();
    node.send(&client(r#"{"type":"frobnicate"}"#));
    node.check();
    let logged = node.stderr_line();
    assert!(logged.contains("frobnicate"), "{logged}");
    node.finish_quietly();
}
