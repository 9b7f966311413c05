//! The configuration in docs/DEPLOY.md: its users and their permissions.

use super::client::Client;
use super::commands::call;
use super::faults::Config;
use super::{OnNats, Server};
use serde_json::json;

const USERS: [&str; 4] = ["n1", "n2", "n3", "c1"];

/// The block of that name in the page.
fn block(name: &str) -> &'static str {
    let page = include_str!("../../docs/DEPLOY.md");
    let begin = format!("<!-- {name} -->\n```conf\n");
    let (_, rest) = page.split_once(&begin).expect("the block");
    rest.split_once("```").expect("its end").0
}

/// A file with the user's password. The server gets it in a variable of its environment, as the
/// page says.
fn password(user: &str) -> Config {
    Config::new(&format!("deploy-{user}"), &format!("secret-{user}\n"))
}

fn refused(words: &[&str], url: &str, text: &str) {
    let output = call(url, "demo", words, "");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains(text) && !stderr.contains("secret-"),
        "{stderr}"
    );
}

/// The next line of the server that asks for no sign of life.
fn complaint(client: &mut Client) -> String {
    loop {
        let line = client.line();
        if line != "PING" {
            return line;
        }
    }
}

#[test]
fn the_users_of_the_page_prove_the_sender_and_a_stranger_is_turned_away() {
    let config = Config::new("deploy", block("users.conf"));
    let variables = USERS.map(|user| {
        let variable = format!("{}_PASSWORD", user.to_uppercase());
        (variable, format!("secret-{user}"))
    });
    let Some(server) = Server::with_environment(&["-c", config.path()], &variables) else {
        return;
    };
    let url = server.url();
    let files = USERS.map(password);
    let as_user = |user: usize| ["--user", USERS[user], "--password-file", files[user].path()];
    let node = |name: &str, options: &[&str]| {
        OnNats::launch(name, &url, &[&["--cluster", "demo"], options].concat())
    };
    let mut nodes = [0, 1, 2].map(|number| node(USERS[number], &as_user(number)));
    for node in &mut nodes {
        node.wait_for("connected to");
    }
    // Each node under its user: requests, calls of another one, and replies.
    let proxied = |from: &str, to: &str| {
        let proxy = json!({"target": to, "inner": {"type": "echo", "echo": 1}}).to_string();
        let words = [&as_user(3)[..], &["--as", "c1", from, "proxy", &proxy]];
        call(&url, "demo", &words.concat(), "")
    };
    for (from, to) in [("n1", "n2"), ("n2", "n3"), ("n3", "n1")] {
        let output = proxied(from, to);
        assert_eq!(output.status.code(), Some(0), "{from}: {output:?}");
    }
    let [mut first, second, third] = nodes;
    third.end();
    // So does the server's report that a node is not there.
    let output = proxied("n1", "n3");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("(error 1)"), "{stderr}");
    // A client that publishes as another one, or as a node.
    for name in ["c2", "n2"] {
        let brief = ["--timeout-ms", "300", "--as", name, "n1", "echo"];
        refused(
            &[&as_user(3)[..], &brief].concat(),
            &url,
            "Permissions Violation",
        );
    }
    // A name that is drawn is no user's, and the error says which option names one.
    let brief = ["--timeout-ms", "300", "n1", "echo"];
    refused(&[&as_user(3)[..], &brief].concat(), &url, "user: --as");
    // A user publishes on the subject of another one, and a report as the server.
    let fields = r#","user":"n2","pass":"secret-n2""#;
    let mut forger = Client::connect_in("demo", server.port, "n2", fields);
    let forged = r#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":1,"echo":1}}"#;
    forger.publish("n1", "c1", forged);
    let said = complaint(&mut forger);
    assert!(
        said.contains("Permissions Violation for Publish to \"eddyline.demo.n1.c1\""),
        "{said}"
    );
    forger.publish("n1.bounce", "1-n3", "{}");
    let said = complaint(&mut forger);
    assert!(said.contains("Permissions Violation for Publish"), "{said}");
    // A src that is not the name in its subject. The server cannot see it, and the node does.
    forger.publish("n1", "n2", forged);
    let said = first.wait_for("refused");
    assert!(said.contains("\"n2\""), "{said}");
    // A node with the user of another one, a wrong password, none.
    let mut impostor = node("n2", &as_user(0));
    let said = impostor.wait_for("Permissions Violation");
    assert!(said.contains("eddyline.demo.n2.*"), "{said}");
    let mut stranger = node("n1", &["--user", "n1", "--password-file", files[1].path()]);
    let said = stranger.wait_for("Authorization Violation");
    assert!(!said.contains("secret"), "{said}");
    let mut nameless = node("n1", &[]);
    nameless.wait_for("Authorization Violation");
    refused(&brief, &url, "Authorization Violation");
    for node in [first, second, impostor, stranger, nameless] {
        node.end();
    }
}
