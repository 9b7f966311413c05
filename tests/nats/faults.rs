//! Servers that die, and nodes that stand still.

use super::client::Client;
use super::{OnNats, Server};
use serde_json::{Value, json};

/// The configuration of a server, as a file.
pub(crate) struct Config(std::path::PathBuf);

impl Config {
    pub(crate) fn new(name: &str, text: &str) -> Config {
        let file = format!("nats-{}-{name}.conf", std::process::id());
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        std::fs::write(&path, text).expect("a file");
        Config(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _removed = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_server_that_was_killed_and_restarted_is_found_again() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let mut node = OnNats::start("n1", &server.url(), &[]);
    for round in 0..3 {
        let mut client = Client::connect(server.port, "c1");
        let reply = client.ask("n1", json!({"type": "echo", "echo": round}));
        // The node lives on: its numbers go on, and no init comes between.
        assert_eq!(
            (&reply["echo"], &reply["msg_id"]),
            (&json!(round), &json!(round))
        );
        if round < 2 {
            server.kill();
            node.wait_for("another attempt follows");
            server.restart();
            node.wait_for("connected to");
        }
    }
    node.end();
}

#[test]
fn a_node_that_starts_before_the_server_waits_for_it() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    server.kill();
    let mut node = OnNats::launch("n1", &server.url(), &[]);
    node.wait_for("another attempt follows");
    server.restart();
    node.wait_for("connected to");
    let mut client = Client::connect(server.port, "c1");
    assert_eq!(
        client.ask("n1", json!({"type": "echo", "echo": 1}))["echo"],
        1
    );
    node.end();
}

#[test]
fn of_two_servers_one_is_killed_and_calls_in_flight_end_with_error_0() {
    let cluster = ["--cluster", "nats://127.0.0.1:-1", "--cluster_name", "x"];
    let Some(mut first) = Server::start(&cluster) else {
        return;
    };
    let route = format!("nats://127.0.0.1:{}", first.cluster_port);
    let second = Server::start(&[&cluster[..], &["--routes", &route]].concat()).expect("as before");
    // The node is given one server, and learns of the other from it.
    let mut node = OnNats::start("n1", &first.url(), &["--rpc-timeout-ms", "700"]);
    let mut client = Client::connect(second.port, "c1");
    // A peer that never answers: the call is in flight when its server dies.
    let _silent = Client::connect(second.port, "n2");
    super::support::wait_until("the route carries subscriptions", || {
        let call = json!({"type": "proxy", "target": "n2", "inner": {"type": "echo", "echo": 1}});
        let msg_id = client.send("n1", call);
        let reply = client.reply_to_or_nothing(msg_id, std::time::Duration::from_secs(2));
        reply.is_some_and(|reply| reply["code"] == 0)
    });
    let call = json!({"type": "proxy", "target": "n2", "inner": {"type": "echo", "echo": 1}});
    let in_flight = client.send("n1", call);
    let echo = client.send("n1", json!({"type": "echo", "echo": "before"}));
    assert_eq!(client.reply_to(echo)["echo"], "before");
    // Requests before, while and after the server dies: each one is answered at most once.
    let mut echoes = |count: u64| -> Vec<u64> {
        let mut echo = || client.send("n1", json!({"type": "echo", "echo": 1}));
        (0..count).map(|_| echo()).collect()
    };
    echoes(100);
    first.kill();
    echoes(100);
    node.wait_for("another attempt follows");
    let line = node.wait_for("connected to");
    assert!(line.contains(&second.port.to_string()), "{line}");
    let after = echoes(100);
    let mut replies: Vec<u64> = Vec::new();
    while !replies.contains(&after[99]) || !replies.contains(&in_flight) {
        let (_, payload) = client.receive();
        let message: Value = serde_json::from_str(&payload).expect("JSON");
        let body = &message["body"];
        let msg_id = body["in_reply_to"].as_u64().expect("a reply");
        assert!(!replies.contains(&msg_id), "{msg_id} is answered twice");
        assert_eq!(body["code"] == 0, msg_id == in_flight, "{body}");
        replies.push(msg_id);
    }
    let answered = |ids: &[u64]| ids.iter().filter(|id| replies.contains(id)).count();
    assert_eq!(answered(&after), 100);
    assert!(client.has_nothing(), "nothing was received twice");
    node.end();
}

#[test]
fn a_token_is_read_from_a_file() {
    let Some(server) = Server::start(&["--auth", "s3cret"]) else {
        return;
    };
    let file = Config::new("token", "s3cret\n");
    let node = OnNats::start("n1", &server.url(), &["--token-file", file.path()]);
    let mut client = Client::connect_with(server.port, "c1", r#","auth_token":"s3cret""#);
    assert_eq!(
        client.ask("n1", json!({"type": "echo", "echo": 1}))["echo"],
        1
    );
    node.end();
}

#[test]
fn a_node_that_stands_still_is_no_trouble_for_others_and_goes_on() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let node = OnNats::start("n1", &server.url(), &[]);
    let mut client = Client::connect(server.port, "c1");
    node.0.signal(rustix::process::Signal::STOP);
    super::support::wait_until("it stands still", || node.0.process().is_stopped());
    let ids: Vec<u64> = (0..1000)
        .map(|n| client.send("n1", json!({"type": "echo", "echo": n})))
        .collect();
    node.0.signal(rustix::process::Signal::CONT);
    for (n, msg_id) in ids.into_iter().enumerate() {
        assert_eq!(client.reply_to(msg_id)["echo"], n);
    }
    node.end();
}
