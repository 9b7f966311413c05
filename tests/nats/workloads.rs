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
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code(), text)
}

/// Runs a test that must be valid, and in which these faults must strike.
fn survives(server: &str, (example, workload): (&str, &str), nemesis: &str, faults: &[&str]) {
    let load = ["--rate", "60", "--time-limit", "3", "--recovery", "3"];
    let nemesis = ["--nemesis", nemesis, "--nemesis-interval", "0.3"];
    let model = ["--consistency-models", "read-uncommitted", "--seed", "4"];
    let options = [&load[..], &nemesis, &model, &["-w", workload]].concat();
    let (status, text) = test(server, example, &options);
    assert_eq!(status, Some(0), "{example}: {text}");
    for fault in faults {
        assert!(text.contains(&format!("\n  {fault}")), "{example}: {text}");
    }
}

/// The server is killed and started again, nodes are cut off from it, and nodes stand still.
#[test]
fn every_example_survives_the_end_of_the_server_cut_off_nodes_and_pauses() {
    let Some(server) = server::program_if_there() else {
        return;
    };
    let faults = ["partition", "pause", "end of the NATS server"];
    // Each run has a server of its own, so all run at once: they mostly wait.
    std::thread::scope(|threads| {
        for example in [
            ("broadcast", "broadcast"),
            ("echo", "echo"),
            ("g_counter", "g-counter"),
            ("g_set", "g-set"),
            ("kafka", "kafka"),
            ("lin_kv", "lin-kv"),
            ("pn_counter", "pn-counter"),
            ("txn_list_append", "txn-list-append"),
            ("txn_rw_register", "txn-rw-register"),
        ] {
            let server = &server;
            threads.spawn(move || survives(server, example, "broker,partition,pause", &faults));
        }
        // Its nodes may lose their memory, too.
        let unique_ids = ("unique_ids", "unique-ids");
        let faults = ["crash", "end of the NATS server"];
        survives(&server, unique_ids, "broker,kill", &faults);
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
