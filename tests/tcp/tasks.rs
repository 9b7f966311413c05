//! Checks tcp_echo_start, tcp_echo_send and tcp_echo_stats.

use crate::support::{Launch, Node, assert_body, assert_error, client};
use crate::{connect, exchange, listening, ping, port_of};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;

fn start(node: &mut Node, port: u16) -> Value {
    node.ask(&client(&format!(
        r#"{{"type":"tcp_echo_start","msg_id":3,"port":{port}}}"#
    )))
}

fn assert_started(reply: &Value, port: u16) {
    let body = json!({"type":"tcp_echo_start_ok","in_reply_to":3,"status":"listening","port":port});
    assert_body(reply, "c1", &body);
}

fn send(msg_id: u64, data: &str) -> String {
    client(&json!({"type":"tcp_echo_send","msg_id":msg_id,"data":data}).to_string())
}

fn assert_sent(reply: &Value, msg_id: u64, data: &str) {
    let body = json!({
        "type": "tcp_echo_send_ok", "in_reply_to": msg_id, "echoed": data, "bytes": data.len(),
    });
    assert_body(reply, "c1", &body);
}

fn assert_stats(reply: &Value, connections: u64, bytes: u64) {
    let body = json!({
        "type": "tcp_echo_stats_ok", "in_reply_to": 4,
        "total_connections": connections, "total_bytes": bytes,
    });
    assert_body(reply, "c1", &body);
}

const STATS: &str = r#"{"src":"c1","dest":"n1","body":{"type":"tcp_echo_stats","msg_id":4}}"#;

#[test]
fn port_0_returns_the_chosen_port() {
    let mut node = Launch::new().ready();
    let reply = start(&mut node, 0);
    let port = port_of(&reply);
    assert_ne!(port, 0);
    assert_started(&reply, port);
    ping(&mut connect(port), b"hello");
    node.finish_quietly();
}

#[test]
fn starting_again_gives_the_same_answer() {
    let (mut node, port) = listening(Launch::new());
    assert_started(&start(&mut node, port), port);
    // Port 0 means any port, and the server has one already.
    assert_started(&start(&mut node, 0), port);
    node.finish_quietly();
}

#[test]
fn another_port_while_listening_is_error_22() {
    let (mut node, port) = listening(Launch::new());
    let another = if port == 65_535 { port - 1 } else { port + 1 };
    assert_error(&start(&mut node, another), "c1", 3, 22);
    assert_started(&start(&mut node, port), port);
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_port_in_use_is_error_11_and_another_still_works() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut node = Launch::new().ready();
    let text = assert_error(&start(&mut node, port), "c1", 3, 11);
    assert!(text.contains(&port.to_string()), "{text}");
    let reply = start(&mut node, 0);
    let free = port_of(&reply);
    assert_ne!(free, port);
    ping(&mut connect(free), b"hello");
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn a_port_that_became_free_can_be_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut node = Launch::new().ready();
    assert_error(&start(&mut node, port), "c1", 3, 11);
    drop(taken);
    assert_started(&start(&mut node, port), port);
    assert!(node.finish().stdout.is_empty());
}

// The first node closes its connections first, so they are in TIME_WAIT at its port.
#[test]
fn a_port_is_taken_again_by_the_next_node() {
    let (node, port) = listening(Launch::new());
    let mut clients: Vec<_> = (0..4).map(|_| connect(port)).collect();
    clients.iter_mut().for_each(|client| ping(client, b"hello"));
    node.finish_quietly();
    for mut client in clients {
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "the node closed first");
    }
    let mut next = Launch::new().ready();
    assert_started(&start(&mut next, port), port);
    ping(&mut connect(port), b"hello again");
    next.finish_quietly();
}

#[test]
fn send_before_start_is_error_22() {
    let mut node = Launch::new().ready();
    assert_error(&node.ask(&send(7, "hello")), "c1", 7, 22);
    node.check();
    assert!(node.finish().stdout.is_empty());
}

#[test]
fn stats_before_start_are_zero() {
    let mut node = Launch::new().ready();
    assert_stats(&node.ask(STATS), 0, 0);
    node.finish_quietly();
}

#[test]
fn send_echoes_any_text_and_counts_its_bytes_of_utf8() {
    let (mut node, _) = listening(Launch::new());
    let mut total = 0;
    let texts = ["hello", "", "é", "😀", "a\0b\n\r\"\\", "\u{2028}\u{feff}"];
    for text in texts {
        assert_sent(&node.ask(&send(7, text)), 7, text);
        total += text.len() as u64;
    }
    assert_stats(&node.ask(STATS), texts.len() as u64, total);
    node.finish_quietly();
}

#[test]
fn escapes_in_the_data_are_decoded() {
    let (mut node, _) = listening(Launch::new());
    let body = r#"{"type":"tcp_echo_send","msg_id":7,"data":"\u0041\u00e9\ud83d\ude00\/"}"#;
    assert_sent(&node.ask(&client(body)), 7, "Aé😀/");
    node.finish_quietly();
}

#[test]
fn send_moves_a_mebibyte() {
    let (mut node, _) = listening(Launch::new());
    let data: String = (0..).map(|n: u32| format!("{n} ")).take(200_000).collect();
    let data = &data[..1 << 20];
    assert_sent(&node.ask(&send(7, data)), 7, data);
    assert_stats(&node.ask(STATS), 1, 1 << 20);
    node.finish_quietly();
}

#[test]
fn many_sends_at_once_are_each_answered_and_counted() {
    const COUNT: u64 = 300;
    let (mut node, _) = listening(Launch::new());
    let texts: BTreeMap<u64, String> = (10..10 + COUNT)
        .map(|msg_id| (msg_id, format!("{msg_id} é ").repeat(40)))
        .collect();
    let mut lines: String = texts
        .iter()
        .map(|(id, text)| send(*id, text) + "\n")
        .collect();
    lines += STATS;
    lines += "\n";
    node.write(lines.as_bytes());
    let mut waiting = texts.clone();
    let mut stats = None;
    for _ in 0..=COUNT {
        let reply = node.reply();
        let msg_id = reply["body"]["in_reply_to"].as_u64().unwrap();
        match waiting.remove(&msg_id) {
            Some(text) => assert_sent(&reply, msg_id, &text),
            None => stats = Some(reply),
        }
    }
    assert!(waiting.is_empty());
    let bytes: usize = texts.values().map(String::len).sum();
    assert_stats(&stats.expect("the stats"), COUNT, bytes as u64);
    node.finish_quietly();
}

#[test]
fn stats_count_the_sends_received_before_them_and_outside_clients() {
    let (mut node, port) = listening(Launch::new());
    assert_eq!(exchange(connect(port), b"12345"), b"12345");
    assert_stats(&node.ask(STATS), 1, 5);
    assert_sent(&node.ask(&send(7, "123")), 7, "123");
    assert_stats(&node.ask(STATS), 2, 8);
    node.finish_quietly();
}

#[test]
fn end_of_input_lets_sends_in_flight_finish() {
    let (mut node, _) = listening(Launch::new());
    let data = "x".repeat(1 << 20);
    let mut lines = String::new();
    for msg_id in 10..15 {
        lines += &(send(msg_id, &data) + "\n");
    }
    node.write(lines.as_bytes());
    let ending = node.finish();
    assert_eq!(ending.stdout.len(), 5, "replies to sends");
    for line in &ending.stdout {
        assert!(line.contains("tcp_echo_send_ok"), "{line:.200}");
    }
    assert!(ending.stderr.is_empty(), "{:?}", ending.stderr);
}

#[test]
fn an_outside_client_does_not_keep_the_node_from_ending() {
    let (node, port) = listening(Launch::new());
    let mut idle = connect(port);
    ping(&mut idle, b"still here");
    assert!(node.finish().stdout.is_empty());
}
