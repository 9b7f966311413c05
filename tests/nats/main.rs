//! Nodes of the real binary on a real nats-server, with clients that write the protocol
//! by hand. The servers listen on free ports of loopback.
//!
//! Without nats-server each test says that it is skipped. Where the variable CI is set,
//! it fails.

mod broker;
mod client;
mod commands;
mod deploy;
mod faults;
mod hosts;
mod messages;
mod server;
mod soak;
#[path = "../support/mod.rs"]
mod support;
mod workloads;

use serde_json::Value;
use server::Server;
use support::{Channel, Launch, Node};

/// The names of all nodes of a test.
const NODES: &str = "n1,n2,n3";

/// A node on NATS. Its stdin is /dev/null, as under systemd.
struct OnNats(Node);

impl OnNats {
    /// Starts a node and waits until it is connected.
    #[track_caller]
    fn start(name: &str, servers: &str, options: &[&str]) -> OnNats {
        let mut node = OnNats::launch(name, servers, options);
        node.wait_for("connected to");
        node
    }

    fn launch(name: &str, servers: &str, options: &[&str]) -> OnNats {
        OnNats::of(Launch::new(), name, servers, options)
    }

    fn of(program: Launch, name: &str, servers: &str, options: &[&str]) -> OnNats {
        let named = [
            "--node",
            name,
            "--nodes",
            NODES,
            "--nats",
            servers,
            "--cluster",
            "t",
        ];
        OnNats(
            program
                .args(named)
                .args(options)
                .stdin(Channel::null())
                .start(),
        )
    }

    /// The next line on stderr that has `text` in it.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.0.stderr_line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Kills the node. It has written nothing to stdout.
    #[track_caller]
    fn end(mut self) {
        assert_eq!(self.0.line_at_hand(), None, "messages travel by NATS");
        self.0.kill();
    }
}

/// The type of a body.
fn kind(body: &Value) -> &str {
    body["type"].as_str().unwrap_or_default()
}

/// An example's program: cargo builds the examples beside the tests.
fn program_of_example(name: &str) -> std::path::PathBuf {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_eddyline"));
    let folder = binary.parent().expect("the folder of the program");
    folder.join("examples").join(name)
}
