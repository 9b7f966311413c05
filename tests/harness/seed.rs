//! A seed repeats operations, latencies, losses and faults.

use super::{Ran, example, test};
use serde_json::Value;
use std::collections::BTreeMap;

/// The draws of the tester in a run.
struct Drawn {
    /// The bodies that each client sent, in order.
    operations: BTreeMap<String, Vec<String>>,
    /// The latency of each message between nodes, or that it was lost.
    fates: Vec<String>,
    faults: Vec<Value>,
}

/// Reads lines such as `sent: message 12 of n0 to n1, 17 ms: {"type":…}`.
fn drawn(ran: &Ran) -> Drawn {
    let mut operations: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut fates = Vec::new();
    let sent = ran
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("sent: message "));
    for (head, body) in sent.filter_map(|line| line.split_once(": {")) {
        let words: Vec<&str> = head.split([' ', ',']).collect();
        let (src, dest) = (words[2], words[4]);
        if src.starts_with('c') {
            let operation = format!("to {dest}: {body}");
            operations
                .entry(src.to_owned())
                .or_default()
                .push(operation);
        } else if dest.starts_with('n') {
            let (_, fate) = head.split_once(dest).expect("it has the receiver");
            fates.push(fate.to_owned());
        }
    }
    let result: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let faults = result["faults"]["struck"]
        .as_array()
        .expect("a list")
        .iter();
    let faults =
        faults.map(|span| serde_json::json!([span["kind"], span["nodes"], span["detail"]]));
    Drawn {
        operations,
        fates,
        faults: faults.collect(),
    }
}

/// How many runs drew the same at the beginning: how many fit into the time differs.
fn common<T: PartialEq + std::fmt::Debug>(one: &[T], other: &[T]) -> usize {
    let common = one.len().min(other.len());
    assert_eq!(one[..common], other[..common]);
    common
}

/// Checks that text, JSON and results.edn of a run count the same operations: all but those of the
/// setup in `stats`, and those of the load in the availability.
fn assert_counts_agree(ran: &Ran) {
    let result: Value = serde_json::from_str(&ran.stdout).unwrap();
    let stats = &result["stats"];
    let count = |of: &str| stats[of].as_u64().unwrap();
    let (ok, fail, info) = (count("ok-count"), count("fail-count"), count("info-count"));
    assert_eq!(count("count"), ok + fail + info);
    let line = ran
        .stderr
        .lines()
        .find(|line| line.starts_with("operations: "));
    let line = line.unwrap();
    let told = format!("operations: {ok} ok, {fail} failed, {info} unknown; availability ");
    let load = line
        .strip_prefix(&told)
        .unwrap_or_else(|| panic!("no {told:?}: {line}"));
    let numbers = load.split(|c: char| !c.is_ascii_digit() && c != '.');
    let numbers: Vec<f64> = numbers.filter_map(|word| word.parse().ok()).collect();
    let [told, done, all] = numbers[..] else {
        panic!("{line}");
    };
    let fraction = &result["availability"]["ok-fraction"];
    assert!((told - done / all).abs() < 1e-4, "{line}");
    assert!(
        (fraction.as_f64().unwrap() - done / all).abs() < 1e-9,
        "{line}"
    );
    // Final reads are in one of the two figures only.
    assert!(stats["count"].as_f64().unwrap() > all, "{line}");
    let folder = std::path::Path::new(result["store"].as_str().unwrap());
    let edn = std::fs::read_to_string(folder.join("results.edn")).unwrap();
    let stats = edn.split_once(":stats {").unwrap().1;
    let stats = stats.split_once("\n         :count ").unwrap().1;
    let counts = format!(
        "{},\n         :fail-count {fail},\n         :info-count {info},\n         :ok-count {ok},",
        count("count")
    );
    assert!(stats.starts_with(&counts), "no {counts} in {edn}");
    assert!(edn.contains(&format!(":ok-fraction {fraction},")), "{edn}");
}

#[test]
fn the_same_seed_draws_the_same_and_another_does_not() {
    let run = |seed: &str| {
        let program = example("broadcast");
        let mut options = vec!["-w", "broadcast", "--bin", &program, "--node-count", "3"];
        options.extend(["--time-limit", "3", "--rate", "50", "--concurrency", "2n"]);
        options.extend(["--latency", "20", "--latency-dist", "exponential"]);
        options.extend(["--loss", "0.2", "--log-net-send", "--json", "--seed", seed]);
        options.extend(["--nemesis", "partition,pause", "--nemesis-interval", "0.2"]);
        let store = concat!(env!("CARGO_TARGET_TMPDIR"), "/seed");
        options.extend(["--store", store]);
        let ran = test(&options);
        assert_counts_agree(&ran);
        drawn(&ran)
    };
    let (one, again, other) = std::thread::scope(|scope| {
        let runs = ["7", "7", "8"].map(|seed| scope.spawn(move || run(seed)));
        runs.map(|run| run.join().unwrap()).into()
    });
    let clients = common(
        &Vec::from_iter(one.operations.keys()),
        &Vec::from_iter(again.operations.keys()),
    );
    // Three for `init`, three for `topology`, and those of the load.
    assert!(clients >= 12, "{clients}");
    for (client, operations) in &one.operations {
        let again = again.operations.get(client);
        common(operations, again.map_or(&[], Vec::as_slice));
    }
    // When the load ends, nothing is lost any more.
    let load = 50;
    assert!(common(&one.fates[..load], &again.fates[..load]) == load);
    assert!(one.fates[..load].iter().any(|fate| fate == ", lost"));
    assert!(one.fates[..load].iter().any(|fate| fate.ends_with(" ms")));
    assert!(common(&one.faults, &again.faults) >= 3);
    assert_ne!(one.fates[..load], other.fates[..load]);
    assert_ne!(one.operations, other.operations);
}
