//! Nodes on a real nats-server over TLS, and with nkeys. The library's own client calls
//! them. The servers listen on free ports of loopback.
//!
//! The folder `certificates` says how its files were made. Without nats-server each test
//! says that it is skipped. Where the variable CI is set, it fails.

mod folder;
mod proofs;
mod refusals;
#[allow(dead_code, reason = "the tests without TLS use the rest")]
#[path = "../nats/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;

use eddyline::client::Client;
use eddyline::protocol::RawRequest;
use eddyline::{Credentials, Nats, Tls};
use folder::Folder;
use server::Server;
use std::time::Duration;
use support::{Channel, Launch, Node};

/// TLS as most servers have it.
const PLAIN_TLS: &str = "tls { cert_file: server.pem, key_file: server.key }";

/// A node on NATS.
struct OnNats(Node);

impl OnNats {
    fn launch(servers: &str, options: &[&str]) -> OnNats {
        let named = ["--node", "n1", "--nats", servers, "--cluster", "t"];
        let launch = Launch::new().args(named).args(options);
        OnNats(launch.stdin(Channel::null()).start())
    }

    /// Waits for a line on stderr that has `text` in it. None has a secret in it.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.0.stderr_line();
            for secret in ["PRIVATE KEY", "SUA", "s3cret"] {
                assert!(!line.contains(secret), "{line}");
            }
            if line.contains(text) {
                return line;
            }
        }
    }
}

/// A server by this configuration, in a folder with all certificates.
fn server(folder: &Folder, config: &str) -> Option<Server> {
    Server::start(&["-c", &folder.write("server.conf", config)])
}

/// The URL of a server by TLS.
fn url(server: &Server, host: &str) -> String {
    format!("tls://{host}:{}", server.port)
}

/// Calls the node over TLS.
#[track_caller]
fn call(folder: &Folder, url: &str, credentials: Credentials) -> String {
    let tls = Tls::new(&folder.read("ca.pem")).expect("certificates");
    let tls = tls.identity(&folder.read("n1.pem"), &folder.read("n1.key"));
    let nats = Nats::new(url, "t").expect("a URL").tls(tls.expect("a key"));
    let mut client = Client::new(&nats.credentials(credentials), None).expect("epoll");
    let request = r#"{"type":"echo","echo":"through TLS"}"#;
    let request: RawRequest<'_> = serde_json::from_str(request).expect("a request");
    let reply = client.call("n1", &request, Duration::from_secs(20));
    reply.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_node_serves_over_tls_and_again_after_its_server_was_killed() {
    let folder = Folder::new("serves");
    let Some(mut server) = server(&folder, PLAIN_TLS) else {
        return;
    };
    let url = url(&server, "localhost");
    let mut node = OnNats::launch(&url, &["--ca-file", &folder.path("ca.pem")]);
    for round in 0..2 {
        let line = node.wait_for("connected to");
        assert!(line.contains(&url), "{line}");
        let reply = call(&folder, &url, Credentials::None);
        assert!(reply.contains("through TLS"), "{reply}");
        if round == 0 {
            server.kill();
            node.wait_for("another attempt follows");
            server.restart();
        }
    }
}

#[test]
fn a_server_that_demands_a_certificate_gets_that_of_the_node() {
    let folder = Folder::new("demands");
    let demand = |how: &str| PLAIN_TLS.replace('}', &format!(", ca_file: ca.pem, {how}: true }}"));
    // The name in the certificate is a user of the server, and needs no password.
    let users = "authorization { users: [ { user: n1.example } ] }";
    let mapped = format!("{}\n{users}", demand("verify_and_map"));
    for config in [demand("verify"), mapped] {
        let Some(server) = server(&folder, &config) else {
            return;
        };
        let url = url(&server, "127.0.0.1");
        let [ca, own, key] = ["ca.pem", "n1.pem", "n1.key"].map(|name| folder.path(name));
        let mut nameless = OnNats::launch(&url, &["--ca-file", &ca]);
        nameless.wait_for("it demands a certificate of this node: give --cert-file and --key-file");
        let with = ["--ca-file", &ca, "--cert-file", &own, "--key-file", &key];
        let mut node = OnNats::launch(&url, &with);
        node.wait_for("connected to");
        assert!(call(&folder, &url, Credentials::None).contains("through TLS"));
    }
}

#[test]
fn a_node_and_a_server_of_a_cluster_that_only_the_first_has_named() {
    let folder = Folder::new("cluster");
    let cluster = "cluster { name: x, listen: \"127.0.0.1:-1\" }";
    let config = format!("{PLAIN_TLS}\n{cluster}");
    let Some(mut first) = server(&folder, &config) else {
        return;
    };
    let route = format!("nats://127.0.0.1:{}", first.cluster_port);
    let path = folder.write("second.conf", &config);
    let second = Server::start(&["-c", &path, "--routes", &route]).expect("as before");
    let mut node = OnNats::launch(
        &url(&first, "localhost"),
        &["--ca-file", &folder.path("ca.pem")],
    );
    node.wait_for("connected to");
    let second_url = url(&second, "127.0.0.1");
    // The servers tell of each other when they like.
    support::wait_until("the node knows the second server", || {
        first.kill();
        let line = node.wait_for("connected to");
        let is_second = line.contains(&second_url);
        if !is_second {
            first.restart();
        }
        is_second
    });
    assert!(call(&folder, &second_url, Credentials::None).contains("through TLS"));
}
