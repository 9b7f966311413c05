//! `eddyline test --nats-server`: the workloads and their checkers, with nodes on a server that
//! the tester starts, kills and cuts off.

use super::program_of_example;
use super::server;
use std::process::Command;

/// Runs a test of an example with three nodes. Returns its status and what it said.
fn test(server: &str, example: &str, options: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_eddyline"))
        .args(["test", "--no-store", "--node-count", "3"])
        .args(["--nats-server", server, "--bin"])
        .arg(program_of_example(example))
        .args(options)
        .output()
        .expect("eddyline starts");
    let text = [b"\n", &output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code(), text)
}

/// The faults that each example must survive.
const FAULTS: &str = "broker,partition,pause";

/// An echo that is lost is an anomaly, so the echo's network must lose nothing.
const QUIET: &str = "pause";

/// Runs a test of the workload that an example is named after. It must be valid, and each of
/// these faults must strike.
fn survives(server: &str, example: &str, clients: &str, nemesis: &str) {
    let workload = example.replace('_', "-");
    let load = ["-w", &workload, "--rate", "50", "--concurrency", clients];
    // The time in which the broadcast sends a lost message again, over two hops.
    let times = ["--time-limit", "5", "--recovery", "7"];
    let nemesis = ["--nemesis", nemesis, "--nemesis-interval", "0.5"];
    let model = ["--consistency-models", "read-uncommitted", "--seed", "4"];
    let options = [&load[..], &times, &nemesis, &model].concat();
    let (status, text) = test(server, example, &options);
    assert_eq!(status, Some(0), "{example}: {text}");
    for fault in nemesis[1].split(',') {
        let told = match fault {
            "broker" => "end of the NATS server",
            "kill" => "crash",
            other => other,
        };
        assert!(text.contains(&format!("\n  {told}")), "{example}: {text}");
    }
}

/// The server is killed and started again, nodes are cut off from it, and nodes stand still.
#[test]
fn every_example_survives_the_end_of_the_server_cut_off_nodes_and_pauses() {
    let Some(server) = server::program_if_there() else {
        return;
    };
    // Each run has a server of its own, so all run at once: they mostly wait.
    std::thread::scope(|threads| {
        // A client waits 5 s for a request that was lost, so there are many. Those of lin-kv and
        // kafka share keys: each needs some requests.
        for (example, clients, nemesis) in [
            ("broadcast", "60n", FAULTS),
            ("echo", "60n", QUIET),
            ("g_counter", "60n", FAULTS),
            ("g_set", "60n", FAULTS),
            ("kafka", "20n", FAULTS),
            ("lin_kv", "10n", FAULTS),
            ("pn_counter", "60n", FAULTS),
            ("txn_list_append", "60n", FAULTS),
            ("txn_rw_register", "60n", FAULTS),
            // Its nodes may lose their memory, too.
            ("unique_ids", "60n", "broker,kill,partition,pause"),
        ] {
            let server = &server;
            threads.spawn(move || survives(server, example, clients, nemesis));
        }
    });
}

#[test]
fn a_wrong_server_and_a_node_that_is_none_on_nats_are_named() {
    let (status, text) = test("/bin/false", "echo", &["-w", "echo"]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("nats-server ended by itself"), "{text}");
    let (status, text) = test("/no/such/file", "echo", &["-w", "echo"]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("/no/such/file does not start"), "{text}");
}
