//! A session has no descriptors, so a test hands it lines, and reads what it says. Two of
//! them talk in one test, on virtual time.

use serde_json::{Value, json};
use session::net::{DELAY, Net};
use session::{CALL_TIMEOUT, Session};
use std::time::Duration;

/// A session that has its name.
fn session() -> Session {
    let mut session = Session::default();
    session.receive(br#"{"src":"c0","dest":"n1","body":{"type":"init","node_id":"n1"}}"#);
    session.run_tasks();
    session.take_output();
    session
}

/// The messages with which a session answers a line.
#[track_caller]
fn said(session: &mut Session, line: &str) -> Vec<Value> {
    session.receive(line.as_bytes());
    session.run_tasks();
    let output = String::from_utf8(session.take_output()).unwrap();
    let lines = output.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

fn from_c1(body: &Value) -> String {
    json!({"src": "c1", "dest": "n1", "body": body}).to_string()
}

#[test]
fn an_init_is_answered_in_the_new_name() {
    let mut session = Session::default();
    let body = json!({"type": "init", "msg_id": 1, "node_id": "n7", "node_ids": ["n7"]});
    let answer = json!({"type": "init_ok", "in_reply_to": 1});
    assert_eq!(
        said(&mut session, &from_c1(&body)),
        [json!({"src": "n7", "dest": "c1", "body": answer})]
    );
}

#[test]
fn an_echo_returns_any_value() {
    for echo in [json!("text"), json!(null), json!({"a": [1, 2.5]})] {
        let body = json!({"type": "echo", "msg_id": 3, "echo": echo});
        let said = said(&mut session(), &from_c1(&body));
        let answer = json!({"type": "echo_ok", "in_reply_to": 3, "echo": echo});
        assert_eq!(said, [json!({"src": "n1", "dest": "c1", "body": answer})]);
    }
}

#[test]
fn an_unknown_request_gets_an_error() {
    let said = said(
        &mut session(),
        &from_c1(&json!({"type": "dance", "msg_id": 3})),
    );
    assert_eq!(
        (said.len(), said[0]["body"]["code"].as_u64()),
        (1, Some(10))
    );
}

#[test]
fn a_request_without_a_number_gets_no_answer() {
    let said = said(
        &mut session(),
        &from_c1(&json!({"type": "echo", "echo": 1})),
    );
    assert_eq!(said, [json!(null); 0]);
}

#[test]
fn a_line_that_is_no_message_does_no_harm() {
    let mut session = session();
    for line in [
        "",
        "not JSON",
        "[]",
        "7",
        "{}",
        r#"{"body":[]}"#,
        r#"{"body":{"type":7}}"#,
    ] {
        assert_eq!(said(&mut session, line), [json!(null); 0], "{line}");
    }
    let body = json!({"type": "proxy", "msg_id": 1, "target": "n2", "inner": "text"});
    let refused = said(&mut session, &from_c1(&body));
    assert_eq!(refused[0]["body"]["code"], 12);
    let echo = said(
        &mut session,
        &from_c1(&json!({"type": "echo", "msg_id": 2})),
    );
    assert_eq!(echo[0]["body"]["type"], "echo_ok");
}

#[test]
fn a_reply_to_message_0_is_no_request() {
    let body = json!({"type": "echo_ok", "in_reply_to": 0, "msg_id": 9});
    assert_eq!(said(&mut session(), &from_c1(&body)), [json!(null); 0]);
}

/// A proxied echo, as the client `c1` sends it.
fn proxy(number: u64, text: &str) -> String {
    let inner = json!({"type": "echo", "echo": text});
    from_c1(&json!({"type": "proxy", "msg_id": number, "target": "n2", "inner": inner}))
}

/// The answers to `c1`, with the milliseconds at which they were sent.
fn answers(net: &Net) -> Vec<(u64, Value)> {
    let messages = net.log.iter().map(|(at, text)| {
        let message: Value = serde_json::from_str(text).unwrap();
        (*at, message)
    });
    let mine = messages.filter(|(_, message)| message["dest"] == "c1");
    mine.map(|(at, message)| (at, message["body"].clone()))
        .collect()
}

#[test]
fn a_proxied_call_brings_back_the_reply() {
    let mut net = Net::new(&["n1", "n2"]);
    net.send(&proxy(1, "hello"));
    net.run_until(10_000);
    let answers = answers(&net);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].0, 3 * DELAY.as_millis() as u64);
    assert_eq!(answers[0].1["result"]["echo"], "hello");
}

#[test]
fn two_calls_at_once_each_get_their_own_reply() {
    let mut net = Net::new(&["n1", "n2"]);
    for (number, text) in [(1, "one"), (2, "two")] {
        // The client has numbered the inner requests as well.
        let inner = json!({"type": "echo", "msg_id": 77, "echo": text});
        let body = json!({"type": "proxy", "msg_id": number, "target": "n2", "inner": inner});
        net.send(&from_c1(&body));
    }
    net.run_until(10_000);
    let echoes = answers(&net).into_iter().map(|(_, body)| {
        let echo = body["result"]["echo"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (body["in_reply_to"].as_u64().unwrap(), echo)
    });
    let mut echoes: Vec<(u64, String)> = echoes.collect();
    echoes.sort();
    assert_eq!(echoes, [(1, "one".to_owned()), (2, "two".to_owned())]);
}

#[test]
fn a_call_to_a_silent_node_times_out() {
    let mut net = Net::new(&["n1", "n2"]);
    net.silent = vec!["n2"];
    net.send(&proxy(1, "hello"));
    net.run_until(10_000);
    let answers = answers(&net);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].1["code"], 0);
    assert_eq!(answers[0].0, (DELAY + CALL_TIMEOUT).as_millis() as u64);
}

#[test]
fn the_time_of_a_call_begins_when_it_is_made() {
    let mut session = session();
    session.set_now(Duration::from_millis(5_000));
    said(&mut session, &proxy(1, "hello"));
    assert_eq!(session.next_deadline(), Some(6_000));
}

#[test]
fn a_handler_that_waits_stops_no_other() {
    let mut session = session();
    assert_eq!(said(&mut session, &proxy(1, "hello"))[0]["dest"], "n2");
    let echo = said(
        &mut session,
        &from_c1(&json!({"type": "echo", "msg_id": 2})),
    );
    assert_eq!(echo[0]["body"]["in_reply_to"], 2);
    assert_eq!(session.tasks(), 1, "the proxy still waits");
}

#[test]
fn a_late_reply_is_not_answered() {
    let mut session = session();
    said(&mut session, &proxy(1, "hello"));
    session.expire(1_000_000);
    session.run_tasks();
    session.take_output();
    let late = json!({"type": "echo_ok", "in_reply_to": 1, "msg_id": 5});
    let late = json!({"src": "n2", "dest": "n1", "body": late}).to_string();
    assert_eq!(said(&mut session, &late), [json!(null); 0]);
}
