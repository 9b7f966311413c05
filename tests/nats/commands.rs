//! `eddyline call` and `eddyline serve`.

use super::{OnNats, Server, program_of_example};
use crate::support::{Channel, Launch};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs `eddyline call`, with that text on stdin.
pub(crate) fn call(server: &str, cluster: &str, words: &[&str], input: impl AsRef<[u8]>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_eddyline"))
        .args(["call", "--nats", server, "--cluster", cluster])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("eddyline starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let _gone = stdin.write_all(input.as_ref());
    drop(stdin);
    child.wait_with_output().expect("its end")
}

/// The lines of stdout as JSON.
fn replies(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let parse = |line| serde_json::from_str(line).expect("JSON");
    text.lines().map(parse).collect()
}

#[test]
fn a_call_prints_the_reply_and_its_errors_are_told_apart() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let node = OnNats::start("n1", &server.url(), &[]);
    let url = server.url();
    let output = call(&url, "t", &["n1", "echo", r#"{"echo":"hi"}"#], "");
    assert_eq!(output.status.code(), Some(0));
    let [reply] = &replies(&output)[..] else {
        panic!("one line: {output:?}");
    };
    assert_eq!(
        (&reply["type"], &reply["echo"]),
        (&json!("echo_ok"), &json!("hi"))
    );
    let nothing = "nats://127.0.0.1:1";
    let brief = "--timeout-ms";
    // n1 calls n2, which is never there, and the patience of this client is too short.
    let _silent = super::client::Client::connect(server.port, "n2");
    let proxy = r#"{"target":"n2","inner":{"type":"x"}}"#;
    for (server, words, status, text) in [
        (
            &*url,
            &["n9", "echo"][..],
            1,
            "\"n9\" is not connected to the cluster (error 1)",
        ),
        (&url, &["n1", "x"], 1, "(error 10)"),
        (
            &url,
            &[brief, "50", "n1", "proxy", proxy],
            1,
            "no reply within 50ms (error 0)",
        ),
        (
            nothing,
            &[brief, "50", "n1", "echo"],
            1,
            "no connection to a NATS server",
        ),
        (&url, &["n1"], 2, "NODE TYPE [BODY]"),
        (&url, &["n1,n2", "x"], 2, r#"invalid name "n1,n2" in NODE"#),
        (
            &url,
            &["--as", "", "n1", "x"],
            2,
            r#"invalid name "" in --as"#,
        ),
        (&url, &["n1", "echo", "[1]"], 2, "no JSON object"),
        (&url, &["n1", "echo", r#"{"type":"x"}"#], 2, "has a type"),
        (&url, &["--frob", "1", "n1", "x"], 2, "--frob"),
        (&url, &[brief, "soon", "n1", "x"], 2, "whole number"),
        (&url, &[brief, "0", "n1", "x"], 2, "above 0"),
        ("ftp://x", &["n1", "x"], 2, "ftp"),
    ] {
        let output = call(server, "t", words, "");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{words:?}: {stderr}");
        assert!(
            stderr.contains(text) && output.stdout.is_empty(),
            "{words:?}: {stderr}"
        );
    }
    node.end();
}

#[test]
fn with_a_dash_each_line_gets_one_line_in_its_order() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let node = OnNats::start("n1", &server.url(), &[]);
    let echo = |n: u32| json!({"type": "echo", "msg_id": 7, "echo": n}).to_string();
    let input = format!("{}\n\n{{\"type\":\"x\"}}\nno JSON\n{}", echo(1), echo(2));
    let output = call(&server.url(), "t", &["n1", "-"], &input);
    assert_eq!(output.status.code(), Some(1), "three of them are errors");
    let replies = replies(&output);
    let codes: Vec<&Value> = replies.iter().map(|reply| &reply["code"]).collect();
    assert_eq!(
        codes,
        [
            &Value::Null,
            &json!(12),
            &json!(10),
            &json!(12),
            &Value::Null
        ]
    );
    assert_eq!(
        (&replies[0]["echo"], &replies[4]["echo"]),
        (&json!(1), &json!(2))
    );
    node.end();
}

#[test]
fn with_a_dash_a_line_that_cannot_be_read_gets_its_line_too() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let node = OnNats::start("n1", &server.url(), &[]);
    let echo = br#"{"type":"echo","echo":1}"#;
    let long = vec![b' '; eddyline::wire::LINE_BYTES_MAX + 1];
    let input = [&echo[..], b"\xff", &long, &echo[..]].join(&b'\n');
    let output = call(&server.url(), "t", &["n1", "-"], input);
    let replies = replies(&output);
    let texts: Vec<&str> = replies
        .iter()
        .map(|reply| reply["text"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(replies.len(), 4, "{replies:?}");
    assert!(texts[1].contains("no UTF-8") && texts[2].contains("too long"));
    assert_eq!(
        (&replies[0]["echo"], &replies[3]["echo"]),
        (&json!(1), &json!(1))
    );
    node.end();
}

#[test]
fn an_example_uses_the_services_across_three_nodes() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let url = server.url();
    let options = ["--nats", &url, "--cluster", "t"];
    let mut services = OnNats(
        Launch::new()
            .args(["serve", "seq-kv"])
            .args(options)
            .stdin(Channel::null())
            .start(),
    );
    let said = services.wait_for("serves seq-kv");
    assert!(said.contains("one process, in memory"), "{said}");
    services.wait_for("connected to");
    let nodes = ["n1", "n2", "n3"].map(|name| {
        let launch = Launch::command(Command::new(program_of_example("g_counter")));
        let named = ["--node", name, "--nodes", super::NODES];
        let mut node = OnNats(
            launch
                .args(named)
                .args(options)
                .stdin(Channel::null())
                .start(),
        );
        node.wait_for("connected to");
        node
    });
    for round in 1..=2 {
        for name in ["n1", "n2", "n3"] {
            super::support::wait_until("the node is there, also after the restart", || {
                let output = call(&url, "t", &[name, "read"], "");
                output.status.success()
            });
            let output = call(&url, "t", &[name, "add", r#"{"delta":2}"#], "");
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
        for name in ["n1", "n2", "n3"] {
            super::support::wait_until("each node has the sum", || {
                let output = call(&url, "t", &[name, "read"], "");
                replies(&output)
                    .iter()
                    .any(|reply| reply["value"] == 6 * round)
            });
        }
        // Services and nodes find the server again, with what they had.
        if round == 1 {
            server.restart();
            services.wait_for("another attempt follows");
            services.wait_for("connected to");
        }
    }
    // A service that is not served is not there.
    let output = call(&url, "t", &["lin-kv", "read", r#"{"key":1}"#], "");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("(error 1)"),
        "{output:?}"
    );
    // A request that it cannot carry out is answered.
    for (request, code) in [("delete", "(error 10)"), ("read", "(error 12)")] {
        let output = call(&url, "t", &["seq-kv", request], "");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(code), "{stderr}");
    }
    for node in nodes {
        node.end();
    }
    services.end();
}
