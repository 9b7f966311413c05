//! `eddyline test --nats-server`: the workloads and their checkers, with nodes on a server that
//! the tester starts, kills and cuts off.

use super::program_of_example;
use super::server;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

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

/// Faults of each kind strike, and are short enough for nodes to connect again between them, also
/// on a busy machine: their pauses grow with the length of a fault.
const SEED: [&str; 2] = ["--seed", "10"];

/// Runs a test of the workload that an example is named after. It must be valid, and each of
/// these faults must strike.
fn survives(server: &str, example: &str, clients: &str, nemesis: &str) {
    let workload = example.replace('_', "-");
    // A request fails at once while its server is not there. Of kafka's, one in 50 commits
    // offsets, and one of those must be done.
    let rate = if example == "kafka" { "250" } else { "50" };
    let load = ["-w", &workload, "--rate", rate, "--concurrency", clients];
    // The time in which the broadcast sends a lost message again, over two hops.
    let times = ["--time-limit", "5", "--recovery", "7"];
    let nemesis = ["--nemesis", nemesis, "--nemesis-interval", "0.5"];
    let model = ["--consistency-models", "read-uncommitted"];
    let options = [&load[..], &times, &nemesis, &model, &SEED].concat();
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

/// The end of the server costs operations while it is not there, and no longer: a client is told at
/// once that its request gets no reply. One client for each node would otherwise wait for its
/// timeout, 5 s.
fn keeps_its_rate(server: &str) {
    let load = ["-w", "unique-ids", "--rate", "50", "--time-limit", "5"];
    let nemesis = ["--nemesis", "broker", "--nemesis-interval", "0.5"];
    let options = [&load[..], &nemesis, &SEED].concat();
    let (status, text) = test(server, "unique_ids", &options);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("\n  end of the NATS server"), "{text}");
    let counts = text
        .lines()
        .find_map(|line| line.strip_prefix("operations: "));
    let (counts, _) = counts
        .and_then(|line| line.split_once(';'))
        .unwrap_or_default();
    let words = counts.split(' ');
    let operations: usize = words.filter_map(|word| word.parse::<usize>().ok()).sum();
    assert!(operations > 150, "{text}");
    for unseen in [
        "\nmessages: those between nodes are not seen on NATS",
        " to nodes that were down, and those cut off are not seen\n",
    ] {
        assert!(text.contains(unseen), "{text}");
    }
}

/// A node that takes no notice of `--nats` is told what it lacks.
fn names_the_option_that_a_node_ignores(server: &str) {
    let load = ["-w", "echo", "--node-count", "1", "--bin", "/bin/sh"];
    let node = ["--", "-c", "exec sleep 60"];
    let (status, text) = test(server, "echo", &[&load[..], &node].concat());
    assert_eq!(status, Some(1), "{text}");
    let why = "n0: `init` was not answered within 10s: it runs, and has not connected to the NATS \
               server nats://127.0.0.1:";
    assert!(
        text.contains(why) && text.contains("does its program obey them"),
        "{text}"
    );
}

/// The processes that this one has started and that run.
fn children(parent: u32) -> Vec<u32> {
    let folders = std::fs::read_dir("/proc")
        .expect("a Linux system")
        .flatten();
    let numbers = folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok());
    numbers
        .filter(|&number| state(number).is_some_and(|(_, of)| of == parent))
        .collect()
}

/// The state of a process, and its parent.
fn state(process: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in front has its own brackets and blanks.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

/// Neither the server nor a node outlives a tester that is killed.
fn leaves_nothing_when_it_is_killed(server: &str) {
    let mut tester = Command::new(env!("CARGO_BIN_EXE_eddyline"))
        .args([
            "test",
            "--no-store",
            "--node-count",
            "3",
            "-w",
            "echo",
            "--log-net-send",
        ])
        .args(["--nats-server", server, "--bin"])
        .arg(program_of_example("echo"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("eddyline starts");
    let stderr = BufReader::new(tester.stderr.take().expect("a pipe"));
    let mut lines = stderr.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(r#""type":"echo_ok""#)));
    let children = children(tester.id());
    // The server, three nodes, and the keeper.
    assert_eq!(children.len(), 5);
    tester.kill().expect("SIGKILL");
    tester.wait().expect("its end");
    super::support::wait_until("the children have ended", || {
        let runs = |child: &u32| state(*child).is_some_and(|(state, _)| state != "Z");
        !children.iter().any(runs)
    });
}

/// The server is killed and started again, nodes are cut off from it, and nodes stand still.
// The other runs of this file go beside those of the examples: they mostly wait, too.
#[test]
fn every_example_survives_the_end_of_the_server_cut_off_nodes_and_pauses() {
    let Some(server) = server::program_if_there() else {
        return;
    };
    // Each run has a server of its own, so all run at once: they mostly wait.
    std::thread::scope(|threads| {
        let others = [
            keeps_its_rate,
            names_the_option_that_a_node_ignores,
            leaves_nothing_when_it_is_killed,
        ];
        for other in others {
            let server = &server;
            threads.spawn(move || other(server));
        }
        // A client of a node that stands still or is cut off waits up to 5 s, so there are many.
        // Those of lin-kv and kafka share keys: each needs some requests.
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
fn a_wrong_server_is_a_wrong_option() {
    for (server, expected) in [
        (
            "/bin/false",
            "/bin/false: it ended by itself, with exit status: 1. Is it a nats-server?",
        ),
        ("/no/such/file", "--nats-server /no/such/file: No such file"),
        ("/tmp", "--nats-server /tmp: it is a directory"),
    ] {
        let (status, text) = test(server, "echo", &["-w", "echo"]);
        assert_eq!(status, Some(254), "{text}");
        assert!(text.contains(expected) && !text.contains("n1"), "{text}");
    }
}
