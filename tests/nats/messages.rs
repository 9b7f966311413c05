//! Messages that travel, and the errors in their place.

use super::client::Client;
use super::support::{self, Launch};
use super::{OnNats, Server, kind};
use serde_json::{Value, json};

#[test]
fn a_node_answers_as_over_pipes() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let node = OnNats::start("n1", &server.url(), &[]);
    let mut client = Client::connect(server.port, "c1");
    let text = r#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":7,"echo":[1.0, "ä"]}}"#;
    client.publish("n1", "c1", text);
    // Byte for byte: see `tests/protocol/echo.rs`. Number 0 is not used by an init_ok.
    let expected = r#"{"src":"n1","dest":"c1","body":{"type":"echo_ok","msg_id":0,"in_reply_to":7,"echo":[1.0, "ä"]}}"#;
    let (subject, payload) = client.receive();
    assert_eq!((&*subject, &*payload), ("eddyline.t.c1.n1", expected));
    // Newlines in a message are blanks, and may stand before its end.
    client.publish("n1", "c1", &format!("{}\n", text.replace(',', ",\n ")));
    let reply = client.receive().1;
    assert!(reply.contains(r#""echo":[1.0,   "ä"]"#), "{reply}");
    let reply = client.ask("n1", json!({"type": "x"}));
    assert_eq!(reply["code"], 10, "{reply}");
    node.end();
}

#[test]
fn the_bytes_are_those_of_the_same_run_over_pipes() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    // By its name: it is looked up on a thread.
    let url = format!("nats://localhost:{}", server.port);
    let brief = ["--rpc-timeout-ms", "100"];
    let mut on_nats = OnNats::start("n1", &url, &brief);
    let named = ["--node", "n1", "--nodes", super::NODES];
    let mut on_pipes = Launch::new().args(named).args(brief).start();
    let mut client = Client::connect(server.port, "c1");
    for body in [
        r#"{"type":"echo","msg_id":0,"echo":null}"#,
        r#"{"type":"echo","msg_id":18446744073709551616,"echo":{"a":[1e3, 1.50]}}"#,
        r#"{"type":"echo","msg_id":2}"#,
        r#"{"type":"no \"such\" type","msg_id":3}"#,
        r#"{"msg_id":4}"#,
        r#"{"type":"init","msg_id":5,"node_id":"n1","node_ids":["n1","n2","n3"]}"#,
        r#"{"type":"init","msg_id":6,"node_id":"n2","node_ids":["n2"]}"#,
        r#"{"type":"proxy","msg_id":7,"target":"c99","inner":{"type":"x"}}"#,
        r#"{"type":"tcp_echo_send","msg_id":8,"data":"x"}"#,
    ] {
        let line = support::client(body);
        on_pipes.send(&line);
        client.publish("n1", "c1", &line);
        assert_eq!(client.receive().1, on_pipes.line(), "{body}");
    }
    // Calls of the node's own: one gets a reply, and one does not.
    let proxy = r#"{"type":"proxy","msg_id":9,"target":"c1","inner":{"type":"ask","x":[1.0, 2]}}"#;
    for is_answered in [true, false] {
        let line = support::client(proxy);
        on_pipes.send(&line);
        client.publish("n1", "c1", &line);
        let call = client.receive().1;
        assert_eq!(call, on_pipes.line());
        if is_answered {
            let call: Value = serde_json::from_str(&call).expect("JSON");
            let number = &call["body"]["msg_id"];
            let reply = format!(r#"{{"type":"ask_ok","in_reply_to":{number},"y":[1.0, 2]}}"#);
            let reply = support::client(&reply);
            on_pipes.send(&reply);
            client.publish("n1", "c1", &reply);
        }
        let reply = client.receive().1;
        assert_eq!(reply, on_pipes.line());
        assert_ne!(reply.contains(r#""code":0"#), is_answered, "{reply}");
    }
    on_pipes.finish_quietly();
    let unexpected = on_nats.0.stderr_line_at_hand();
    assert_eq!(unexpected, None);
    on_nats.end();
}

/// A node of another program: `eddyline::main` reads its options.
#[test]
fn an_authors_own_program_runs_on_nats_by_its_options() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut nodes = ["n1", "n2", "n3"].map(|name| {
        let program = Launch::command(std::process::Command::new(example("broadcast")));
        OnNats::of(program, name, &server.url(), &[])
    });
    for node in &mut nodes {
        node.wait_for("connected to");
    }
    let mut client = Client::connect(server.port, "c1");
    let sent = client.ask("n1", json!({"type": "broadcast", "message": 7}));
    assert_eq!(kind(&sent), "broadcast_ok");
    for name in ["n1", "n2", "n3"] {
        support::wait_until("every node has the message", || {
            let read = client.ask(name, json!({"type": "read"}));
            read["messages"] == json!([7])
        });
    }
    nodes.into_iter().for_each(OnNats::end);
}

/// The path of an example, which `cargo test` has built.
fn example(name: &str) -> std::path::PathBuf {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_eddyline"));
    let folder = binary.parent().expect("a folder");
    folder.join("examples").join(name)
}

#[test]
fn nodes_call_each_other_and_a_node_that_is_not_there_is_error_1() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let slow = ["--rpc-timeout-ms", "20000"]; // error 0 would come far too late
    let mut first = OnNats::launch("n1", &server.url(), &slow);
    let mut second = OnNats::launch("n2", &server.url(), &slow);
    first.wait_for("connected to");
    second.wait_for("connected to");
    let mut client = Client::connect(server.port, "c1");
    let proxy = |target: &str| json!({"type": "proxy", "target": target, "inner": {"type": "echo", "echo": target}});
    for target in ["n2", "n1"] {
        let reply = client.ask("n1", proxy(target));
        assert_eq!(reply["result"]["echo"], target, "{reply}");
    }
    for absent in ["n3", "lin-kv"] {
        let reply = client.ask("n1", proxy(absent));
        assert_eq!(reply["code"], 1, "{reply}");
        let text = reply["text"].as_str().unwrap_or_default();
        assert!(
            text.contains(absent) && text.contains("not connected"),
            "{reply}"
        );
    }
    second.end();
    let reply = client.ask("n1", proxy("n2"));
    assert_eq!(reply["code"], 1, "{reply}");
    first.end();
}

#[test]
fn a_reply_that_is_too_large_is_an_error_and_no_lost_connection() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut node = OnNats::start("n1", &server.url(), &[]);
    let mut client = Client::connect(server.port, "c1");
    // The request fits into the server's limit of 1 MiB, and its reply does not.
    let frame = |msg_id: u64, text: &str| {
        format!(
            r#"{{"src":"c1","dest":"n1","body":{{"type":"echo","msg_id":{msg_id},"echo":"{text}"}}}}"#
        )
    };
    let fits = (1 << 20) - frame(1000, "").len();
    client.publish("n1", "c1", &frame(1000, &"x".repeat(fits)));
    let reply = client.reply_to(1000);
    assert_eq!(reply["code"], 13, "{}", kind(&reply));
    assert!(
        reply["text"]
            .as_str()
            .is_some_and(|text| text.contains("1048576")),
        "{reply}"
    );
    node.wait_for("was not sent");
    assert_eq!(
        client.ask("n1", json!({"type": "echo", "echo": 1}))["echo"],
        1
    );
    node.end();
}

#[test]
fn a_forged_sender_is_refused_and_said() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut node = OnNats::start("n1", &server.url(), &[]);
    let mut client = Client::connect(server.port, "c1");
    let forged = r#"{"src":"n2","dest":"n1","body":{"type":"echo","msg_id":1,"echo":1}}"#;
    client.publish("n1", "c1", forged);
    let line = node.wait_for("refused");
    assert!(line.contains("c1"), "{line}");
    // Another spelling of c1 in the subject is no name at all.
    let own = forged.replace("n2", "c1");
    client.publish("n1", "%631", &own);
    node.wait_for("names no sender");
    // To another node, on this node's subject: as over pipes.
    let to_another = own.replace("\"n1\"", "\"n2\"");
    client.publish("n1", "c1", &to_another);
    node.wait_for("its destination");
    let reply = client.ask("n1", json!({"type": "echo", "echo": 2}));
    assert_eq!(
        (&reply["echo"], &reply["msg_id"]),
        (&json!(2), &json!(0)),
        "the only answer"
    );
    assert!(client.has_nothing());
    // A flood fills no disk: 20 lines about senders in a minute, of which two were written.
    for _ in 0..100 {
        client.publish("n1", "c1", forged);
    }
    client.publish("n1", "c1", &to_another);
    for _ in 2..20 {
        let line = node.0.stderr_line();
        assert!(line.contains("refused"), "{line}");
    }
    let line = node.0.stderr_line();
    assert!(line.contains("its destination"), "{line}");
    node.end();
}

#[test]
fn names_with_any_characters_are_addresses() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let name = "a.b *>%\u{e4}";
    let mut node = OnNats::launch("n1", &server.url(), &[]);
    node.wait_for("connected to");
    let token = "a%2Eb%20%2A%3E%25\u{e4}";
    let mut client = Client::connect(server.port, token);
    let message =
        json!({"src": name, "dest": "n1", "body": {"type": "echo", "msg_id": 5, "echo": 3}});
    client.publish("n1", token, &message.to_string());
    let (_, payload) = client.receive();
    let reply: Value = serde_json::from_str(&payload).expect("JSON");
    assert_eq!(
        (&reply["dest"], &reply["body"]["echo"]),
        (&json!(name), &json!(3))
    );
    node.end();
}

#[test]
fn a_payload_over_the_nodes_own_limit_is_skipped_and_said() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut node = OnNats::start("n1", &server.url(), &["--line-bytes-max", "2000"]);
    let mut client = Client::connect(server.port, "c1");
    client.send("n1", json!({"type": "echo", "echo": "x".repeat(200_000)}));
    node.wait_for("longer than 2000 bytes");
    assert_eq!(
        client.ask("n1", json!({"type": "echo", "echo": 1}))["echo"],
        1
    );
    node.end();
}
