//! The examples under the faults that they are meant to survive.

use super::{GOOD, INVALID, example, test, together};

fn survives(workload: &str, name: &str, nemesis: &str, kinds: &[&str], more: &[&str]) {
    let program = example(name);
    let mut options = vec!["-w", workload, "--bin", &program, "--node-count", "5"];
    options.extend([
        "--nemesis",
        nemesis,
        "--nemesis-interval",
        "0.5",
        "--seed",
        "5",
    ]);
    options.extend(["--time-limit", "4", "--recovery", "3", "--rate", "50"]);
    options.extend(more);
    let ran = test(&options);
    ran.ended(GOOD);
    for kind in kinds {
        ran.says(&format!("\n  {kind}"));
    }
    assert!(!ran.stdout.contains("WARNING"), "{}", ran.stdout);
}

#[test]
fn an_error_of_a_node_s_options_begins_as_all_lines_of_the_library() {
    let mut node = std::process::Command::new(example("broadcast"));
    let output = node.arg("--wrong-option").output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.starts_with("eddyline: "), "{stderr}");
    assert!(stderr.ends_with("; see broadcast --help\n"), "{stderr}");
}

#[test]
fn broadcast_survives_partitions_and_pauses() {
    let kinds = ["partition", "pause"];
    let latency = ["--latency", "10", "--latency-dist", "uniform"];
    survives(
        "broadcast",
        "broadcast",
        "partition,pause",
        &kinds,
        &latency,
    );
}

#[test]
fn g_set_survives_partitions_and_pauses() {
    let kinds = ["partition", "pause"];
    survives(
        "g-set",
        "g_set",
        "partition,pause",
        &kinds,
        &["--loss", "0.1"],
    );
}

#[test]
fn a_kill_of_all_nodes_loses_the_elements_that_were_only_in_memory() {
    let program = example("g_set");
    let options = [
        "-w",
        "g-set",
        "--bin",
        &program,
        "--node-count",
        "1",
        "--nemesis",
        "kill",
    ];
    let ran = test(
        &[
            &options[..],
            &["--time-limit", "4", "--nemesis-interval", "0.5"],
            // A request to a dead node occupies its client until it times out.
            &["--rate", "50", "--concurrency", "10n", "--seed", "1"],
        ]
        .concat(),
    );
    ran.ended(INVALID);
    ran.says("crash of n0");
    ran.says("is lost");
}

#[test]
fn lin_kv_survives_partitions_and_pauses() {
    let kinds = ["partition", "pause"];
    survives(
        "lin-kv",
        "lin_kv",
        "partition,pause",
        &kinds,
        &["--concurrency", "2n"],
    );
}

#[test]
fn unique_ids_survives_all_faults() {
    let kinds = ["partition", "pause", "crash"];
    survives(
        "unique-ids",
        "unique_ids",
        "partition,kill,pause",
        &kinds,
        &[],
    );
}

#[test]
fn the_other_examples_are_valid() {
    let cases = [
        ("echo", "echo"),
        ("g-counter", "g_counter"),
        ("pn-counter", "pn_counter"),
        ("kafka", "kafka"),
        ("txn-list-append", "txn_list_append"),
        ("txn-rw-register", "txn_rw_register"),
    ];
    together(&cases, |&(workload, name)| {
        let program = example(name);
        let options = [
            "-w",
            workload,
            "--bin",
            &program,
            "--node-count",
            "2",
            "--rate",
            "100",
        ];
        let models = [
            "--consistency-models",
            "read-uncommitted",
            "--recovery",
            "3",
        ];
        let ran = test(&[&options[..], &models[..]].concat());
        assert_eq!(ran.status, 0, "{workload}: {}{}", ran.stdout, ran.stderr);
    });
}

#[test]
fn a_node_of_another_workload_is_not_valid() {
    let program = example("g_set");
    let ran = test(&["-w", "echo", "--bin", &program, "--node-count", "1"]);
    ran.ended(INVALID);
    ran.says("did not echo");
}
